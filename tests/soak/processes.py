"""`webhook-admin` commands as real processes, to be killed and started again."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import psutil

from tests.soak.waiting import until

THIS_PROGRAM = (sys.executable, "-m", "webhook_admin")


class Running:
    """One command, with a log that goes on when it is started again. `port` is the one that it is to listen on."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, port: int | None = None
    ) -> None:
        self._command = command
        self._environment = environment
        self._port = port
        self.log = log
        self.start()

    def start(self) -> None:
        """Start it, and do not wait for it."""
        if self._port:
            until(lambda: _is_free(self._port), 10)
        with self.log.open("a") as output:
            # A session of its own, so that one signal reaches all its workers.
            self._popen = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def process(self) -> psutil.Process:
        """What the operating system knows of it."""
        return psutil.Process(self.pid)

    def kill(self) -> None:
        """SIGKILL to it and its workers."""
        if self.is_running:
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(10)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self._popen.terminate()
        return self._popen.wait(40)

    def freeze(self) -> None:
        """SIGSTOP."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.killpg(self.pid, signal.SIGCONT)

    def tracebacks(self) -> int:
        """How many tracebacks are in the log; the first is shown."""
        lines = self.log.read_text().splitlines()
        found = [number for number, line in enumerate(lines) if "Traceback (most recent call last)" in line]
        for number in found[:1]:
            click.echo("\n".join(lines[number : number + 50]).replace("\\n", "\n"), err=True)
        return len(found)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int | None) -> bool:
    try:
        socket.create_server(("127.0.0.1", port or 0)).close()
    except OSError:
        return False
    return True
