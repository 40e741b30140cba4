"""A network and a mount namespace of a soak's own: nothing can leave the machine, and name servers can be made up."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

NAMESERVER = "127.0.0.53"
_INSIDE = "SOAK_IN_NAMESPACE"


def is_possible() -> bool:
    """Whether this user may make namespaces, and mount in them."""
    command = ["unshare", "-nm", "sh", "-c", "ip link set lo up && mount -t tmpfs none /mnt"]
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except FileNotFoundError:
        return False


def is_inside() -> bool:
    """Whether this process is in a namespace of its own."""
    return _INSIDE in os.environ


def enter() -> None:
    """Run this command in a namespace, where that is possible: loopback up, `NAMESERVER` the only name server."""
    if is_inside():
        _prepare()
    elif is_possible():
        module = sys.modules["__main__"].__spec__
        assert module
        command = ["unshare", "-nm", sys.executable, "-m", module.name, *sys.argv[1:]]
        os.execvpe("unshare", command, os.environ | {_INSIDE: "1"})


def _prepare() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        resolv = Path(folder) / "resolv.conf"
        resolv.write_text(f"nameserver {NAMESERVER}\n")
        subprocess.run(["mount", "--bind", resolv, "/etc/resolv.conf"], check=True)
