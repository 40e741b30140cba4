"""An API that nobody can stall: `python -m tests.soak.stall`, in the checkout's folder.

Clients hold on to the server in every way that is known, with a valid account key where that helps, while an honest
client measures what it gets. Then all attacks run at once, and the server is told to stop.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import click
from sqlalchemy import URL

from tests.soak import report, stores
from tests.soak.installation import Installation
from tests.soak.report import Figure
from tests.soak.stalling_clients import ATTACKS, WEBHOOK

ACCOUNT = "honest"
PATIENCE = 5  # seconds, then the honest client counts as shut out
MIN_SAMPLES = 10  # on a machine that is busy with something else
TIMES_QUIET = 5  # the p99 of a GET under attack, at most
LEAST_MS = 10  # whatever the quiet figure is: what another process on the machine costs
GET_MS, LIVE_MS, STOP_SECONDS = 250, 100, 5


class Honest:
    """A client that goes on calling: over one connection, and over a new one each time."""

    def __init__(self, installation: Installation, port: int) -> None:
        self._port = port
        self._headers = {"X-API-Key": installation.key, "X-Account-Id": ACCOUNT}
        self._kept = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.shut_out = 0

    def measure(self, seconds: float) -> tuple[list[float], list[float]]:
        """Call for so long; how long each GET of the webhook took, and each of /health/live, in milliseconds."""
        gets: list[float] = []
        lives: list[float] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(lives) < MIN_SAMPLES:
            gets.append(self._call(self._kept, WEBHOOK))
            for path, took in ((WEBHOOK, gets), ("/health/live", lives)):
                connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
                took.append(self._call(connection, path))
                connection.close()
        return gets, lives

    def close(self) -> None:
        """Close the connection that is kept."""
        self._kept.close()

    def _call(self, connection: HTTPConnection, path: str) -> float:
        started = time.perf_counter()
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
            self.shut_out += answer.status != 200
        except (OSError, HTTPException):
            self.shut_out += 1
            connection.close()
        return (time.perf_counter() - started) * 1_000


def p99(series: Sequence[float]) -> float:
    """The 99th percentile."""
    return quantiles(series, n=100)[98]


def run(store: URL, folder: Path, seconds: float, attacks: Sequence[str], slack: float = 1) -> list[Figure]:
    """Each attack for so many seconds, then all at once; the figures. Limits of times are `slack` times as wide."""
    with Installation(store, folder, Path(), ca_bundle="") as installation, ExitStack() as stack:
        port = int(installation.url.rpartition(":")[2])
        installation.register(ACCOUNT, "https://hooks.example.com/status")
        key = installation.call("POST", f"/accounts/{ACCOUNT}/keys").json()["key"]
        honest = stack.enter_context(closing(Honest(installation, port)))
        quiet = p99(honest.measure(seconds)[0])
        memory = _memory(installation)
        limit = min(max(quiet * TIMES_QUIET, LEAST_MS), GET_MS) * slack
        figures = [Figure("GET, quiet: p99 ms", quiet)]
        for name in attacks:
            with attacking([name], port, key):
                gets, lives = honest.measure(seconds)
            figures += [
                Figure(f"{name}: GET, p99 ms", p99(gets), most=limit),
                Figure(f"{name}: /health/live, p99 ms", p99(lives), most=LIVE_MS * slack),
            ]
        after = p99(honest.measure(seconds / 2)[0])
        memory_after = _memory(installation)
        with attacking(attacks, port, key):
            at_worst = _memory(installation)
            stopped = time.monotonic()
            status = installation.api.stop()
            stop_seconds = time.monotonic() - stopped
        return [
            *figures,
            Figure("all over: GET, p99 ms", after, most=limit),
            Figure("calls of the honest client that were not answered", honest.shut_out, most=0),
            Figure("memory before, MB", memory),
            Figure("memory when all is over, MB", memory_after, most=1.5 * memory + 50),
            Figure("memory with all attacks at once, MB", at_worst, most=memory + 200),
            Figure("SIGTERM with all attacks at once: seconds", stop_seconds, most=STOP_SECONDS),
            Figure("exit status", status, most=0),
            Figure("tracebacks in the log", installation.tracebacks(), most=0),
        ]


@contextmanager
def attacking(names: Sequence[str], port: int, key: str) -> Iterator[None]:
    """Attacks under way, each from a process of its own."""
    with ExitStack() as stack:
        for name in names:
            command = [sys.executable, "-m", "tests.soak.stalling_clients", name, str(port), key]
            attacker = stack.enter_context(
                subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True)
            )
            stack.callback(attacker.kill)
            assert attacker.stdout
            assert attacker.stdout.readline() == "attacking\n"
        yield


def _memory(installation: Installation) -> float:
    """The memory of the server and its workers, in MB."""
    server = installation.api.process
    return sum(process.memory_info().rss for process in (server, *server.children())) / 1e6


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--attack", "attacks", type=click.Choice(list(ATTACKS)), multiple=True, default=list(ATTACKS))
@click.option("--seconds", default=30.0, help="How long each attack takes.")
def main(kinds: Sequence[str], attacks: Sequence[str], seconds: float) -> None:
    """Attack the API, and measure what an honest client gets."""
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            figures = run(store, Path(name), seconds, attacks)
            kept.append(report.show(f"{seconds:g} s of each attack on {kind}", figures))
    report.leave(kept)


if __name__ == "__main__":
    main()
