"""Shells of a reader's, in which examples are typed."""

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.waiting import wait_until


class Shell:
    """A shell of the reader's in the folder of the clone. It ends at the first command that fails."""

    def __init__(self, folder: Path, name: str) -> None:
        self._log = folder / f"{name}.log"
        (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
        with self._log.open("w") as log:
            self._bash = subprocess.Popen(
                ["bash", "-euo", "pipefail"],
                cwd=folder,
                env=os.environ | {"CURL_HOME": str(folder)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """All that has been printed."""
        return self._log.read_text()

    def type(self, commands: str, until: str) -> None:
        """Type the commands, and wait until they have printed this."""
        assert self._bash.stdin
        self._bash.stdin.write(commands)
        self._bash.stdin.flush()
        wait_until(lambda: self._bash.poll() is not None or until in self.output, 20)
        assert self._bash.poll() is None, self.output

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self._bash.pid, signal.SIGINT)

    def close(self) -> None:
        """Press Ctrl-C and leave."""
        if self._bash.poll() is None:
            self.interrupt()
        self._bash.communicate(timeout=30)


OpenShell = Callable[[str], Shell]


def free_port() -> str:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


def listens(port: str) -> bool:
    """Whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def on_terminal(*arguments: str) -> tuple[int, str, bytes]:
    """Run `webhook-admin` with its standard error on a terminal: its exit status, its output, and what is there."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "webhook_admin", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # Linux's way to say that the other side is closed.
        while some := os.read(ours, 65_536):
            shown += some
    os.close(ours)
    stdout, _ = process.communicate(timeout=10)
    return process.returncode, stdout, shown
