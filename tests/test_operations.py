"""Units and configurations of the folder `operations`, judged by the programs that they are for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from tests.guides_text import ROOT
from tests.shells import free_port

OPERATIONS = ROOT / "webhook_admin" / "operations"


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    """With a program that is there, `systemd-analyze verify` has nothing to say."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for unit in OPERATIONS.glob("*.service"):
        text = unit.read_text()
        assert "/opt/webhook-admin/bin/webhook-admin" in text
        (tmp_path / unit.name).write_text(text.replace("/opt/webhook-admin/bin/webhook-admin", sys.executable))
    command = ["systemd-analyze", "verify", *map(str, tmp_path.glob("*.service"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nginx_finds_no_fault(tmp_path: Path) -> None:
    """Inside an http block, and with a certificate that is there, `nginx -t` accepts it."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    certificate = trustme.CA().issue_cert("webhooks.example.com")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    server = (OPERATIONS / "nginx.conf").read_text()
    both, port = str(tmp_path / "both.pem"), f"listen 127.0.0.1:{free_port()} "
    # It opens the port, too, which only root may.
    for name, own in {"/etc/ssl/webhooks.pem": both, "/etc/ssl/webhooks.key": both, "listen 443 ": port}.items():
        assert name in server
        server = server.replace(name, own)
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{server}}}\n")
    done = subprocess.run(["nginx", "-t", "-c", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
