"""Commands of the service as processes of their own."""

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import requests


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
