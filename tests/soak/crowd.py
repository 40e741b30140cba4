"""Many threads on one store: `python -m tests.soak.crowd`, in the checkout's folder.

gunicorn with 64 threads, and 32 connections that post events and make API keys as fast as they are answered: calls that
authenticate and then open a transaction, which once kept each other's connections for good.
"""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import requests
from sqlalchemy import URL

from tests.soak import platform, report, stores
from tests.soak.installation import Installation
from tests.soak.processes import free_port
from tests.soak.report import Figure
from tests.soak.waiting import until

ACCOUNTS = [f"account-{number}" for number in range(20)]
THREADS, CONNECTIONS = 64, 32
PATIENCE = 20  # seconds
ROOT = Path(__file__).parents[2]


def run(store: URL, folder: Path, seconds: float) -> list[Figure]:
    """Call for so many seconds; the figures."""
    with Installation(store, folder, Path(), ca_bundle="") as installation:
        for account in ACCOUNTS:
            installation.register(account, "https://hooks.example.com/status")
        with gunicorn(installation) as url, ThreadPoolExecutor(CONNECTIONS) as pool:
            end = time.monotonic() + seconds
            answers = sum(pool.map(lambda _: _calls(url, installation.key, end), range(CONNECTIONS)), Counter())
    return [
        Figure("events accepted", answers[202], least=1),
        Figure("keys made", answers[201], most=2 * len(ACCOUNTS), least=1),
        Figure("keys refused, as the account has two", answers[409], least=1),
        Figure("calls that were not answered in time", answers[0], most=0),
        Figure("other answers", sum(answers.values()) - sum(answers[status] for status in (0, 201, 202, 409)), most=0),
    ]


@contextmanager
def gunicorn(installation: Installation) -> Iterator[str]:
    """The same service, served by gunicorn as well; the URL."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "--threads", str(THREADS), "--bind", address, "wsgi:app"]
    with subprocess.Popen(command, cwd=ROOT, env=installation.environment, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: _answers(f"http://{address}"), 20)
            yield f"http://{address}"
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/live", timeout=5).ok
    except requests.RequestException:
        return False


def _calls(url: str, key: str, end: float) -> Counter[int]:
    """What one connection was answered: events and keys in turn."""
    statuses: Counter[int] = Counter()
    with requests.Session() as session:
        session.headers["X-API-Key"] = key
        for number in count():
            if time.monotonic() > end:
                break
            account = random.choice(ACCOUNTS)
            path, body = f"/accounts/{account}/keys", {}
            if number % 2:
                path, body = "/events", {"events": [platform.event(account)]}
            try:
                statuses[session.post(url + path, json=body, timeout=PATIENCE).status_code] += 1
            except requests.RequestException:
                statuses[0] += 1
    return statuses


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--seconds", default=30.0)
def main(kinds: Sequence[str], seconds: float) -> None:
    """Call with more threads than the store has connections."""
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            kept.append(report.show(f"{THREADS} threads on {kind}", run(store, Path(name), seconds)))
    report.leave(kept)


if __name__ == "__main__":
    main()
