"""Commands of the service as processes of their own."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from sqlalchemy import URL

from tests.waiting import wait_until
from webhook_admin.config import PREFIX


def settings(store_url: URL, folder: Path) -> dict[str, str]:
    """The environment's settings of a service on the store."""
    given = {
        "DATABASE_URL": store_url.render_as_string(hide_password=False),
        "DATA_DIR": str(folder),
        "SECRET_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        # Tests call faster than customers may.
        "RATE_LIMIT": "0",
    }
    return {PREFIX + name: value for name, value in given.items()}


@dataclass
class Process:
    """A `webhook-admin` command that runs on as a process of its own."""

    url: str
    popen: subprocess.Popen[str]
    log: Path

    def stop(self, signal_: int = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; the exit status."""
        self.popen.send_signal(signal_)
        return self.popen.wait(30)


def answers(port: int) -> bool:
    """Whether the API answers on this port."""
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/live", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


@dataclass
class Start:
    """Starts `webhook-admin serve` (or another command) on a free port, and returns when it answers."""

    folder: Path
    environment: Mapping[str, str] | None = None
    processes: list[Process] = field(default_factory=list)

    def __call__(self, *command: str) -> Process:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = self.folder / f"process-{len(self.processes)}.log"
        arguments = [sys.executable, "-m", "webhook_admin", *(command or ["serve"]), "--port", str(port)]
        with log.open("w") as output:
            popen = subprocess.Popen(
                arguments, stdout=output, stderr=subprocess.STDOUT, text=True, env=self.environment
            )
        self.processes.append(Process(f"http://127.0.0.1:{port}", popen, log))
        wait_until(lambda: popen.poll() is not None or answers(port), 20)
        assert popen.poll() is None, log.read_text()
        return self.processes[-1]


@contextmanager
def starting(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Start]:
    """Starts commands, in this process's environment or another, with their logs in the folder; stops them at last."""
    start = Start(folder, environment)
    try:
        yield start
    finally:
        for process in start.processes:
            if process.popen.poll() is None:
                process.stop()
