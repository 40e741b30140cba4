"""How many events a second the API accepts: `python -m tests.benchmarks.ingest`, in the checkout's folder.

Measures `POST /events` in batches of several sizes, over several connections, by one worker and by two, next to two
ceilings of the same run: a bare Flask view that only
decodes the same bodies, and the acceptance of the same events without HTTP. Short rounds of all of them alternate, and
medians are shown, because machines are noisy. Every event is new, and every answer is checked to say so; of time
nothing is asserted.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, cycle, islice, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import psutil
from cryptography.fernet import Fernet, MultiFernet
from flask import Flask, request
from sqlalchemy import URL

from tests.benchmarks import load
from tests.benchmarks.api import STORES, _running
from webhook_admin import accounts, keys, webhooks
from webhook_admin.db import Database
from webhook_admin.events import Event
from webhook_admin.migrations.upgrading import upgrade
from webhook_admin.queue.accept import accept
from webhook_admin.server import process
from webhook_admin.server.adapter import Adapter
from webhook_admin.web.event_schemas import Event as EventSchema

# A batch of 100 has an event of each: the most lanes that it can touch.
ACCOUNTS = [f"account-{number}" for number in range(100)]
AIM, AIM_BATCH = 10_000, 100  # events a second, in batches of
# More than can be accepted, so that no round runs out of new events.
FASTEST = 60_000
FASTEST_CALLS = 12_000
# Events in a batch, and connections.
CASES = [(1, 1), (1, 8), (1, 32), (100, 8), (1_000, 8)]
_numbers = count()


@dataclass
class Figures:
    """What has been measured for one size of batches, number of connections and number of workers, round by round.

    Events a second with the bare view, the store alone and the API over HTTP; microseconds of the API's CPU for each
    event; the part of the time that the load generator was at work.
    """

    size: int
    connections: int
    workers: int
    bare: list[float] = field(default_factory=list)
    store: list[float] = field(default_factory=list)
    http: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)


@click.command()
@click.option("--store", "stores", type=click.Choice(list(STORES)), multiple=True, default=list(STORES))
@click.option(
    "--case",
    "cases",
    type=(click.IntRange(1, 1_000), click.IntRange(1)),
    multiple=True,
    default=CASES,
    help="Events in a batch, and connections.",
)
@click.option("--workers", "worker_counts", type=click.IntRange(1), multiple=True, default=[1, 2])
@click.option("--seconds", type=float, default=1.0, help="How long a round takes.")
@click.option("--rounds", type=click.IntRange(1), default=3)
def main(
    stores: Sequence[str],
    cases: Sequence[tuple[int, int]],
    worker_counts: Sequence[int],
    seconds: float,
    rounds: int,
) -> None:
    """Measure these cases with these numbers of workers on these stores; each option may be repeated."""
    for store in stores:
        with TemporaryDirectory(prefix="webhook-admin-benchmark-") as name, STORES[store](Path(name)) as create:
            figures = [Figures(*case, workers) for case, workers in product(cases, worker_counts)]
            _measure(create(len(ACCOUNTS)), Path(name), figures, seconds, rounds)
            _report(store, figures)


def _measure(url: URL, folder: Path, figures: list[Figures], seconds: float, rounds: int) -> None:
    secret_key = Fernet.generate_key().decode()
    environment = {
        "WEBHOOK_ADMIN_DATABASE_URL": url.render_as_string(hide_password=False),
        "WEBHOOK_ADMIN_DATA_DIR": str(folder),
        "WEBHOOK_ADMIN_SECRET_KEY": secret_key,
    }
    with closing(Database(url)) as database:
        key = _register(database, MultiFernet([Fernet(secret_key)]))
        with ExitStack() as stack:
            bare = stack.enter_context(_running("-c", _BARE))
            ports = {
                workers: stack.enter_context(_running(*_SERVE, str(workers), "--port", environment=environment))
                for workers in {each.workers for each in figures}
            }
            for each in figures * rounds:
                _measure_once(each, database, bare, ports[each.workers], key, seconds)


def _measure_once(figures: Figures, database: Database, bare: int, api: int, key: str, seconds: float) -> None:
    figures.bare.append(_send(bare, key, figures, seconds)[0])
    figures.store.append(_accept(database, figures.size, seconds))
    before = _cpu_seconds(api)
    rate, busy, sent = _send(api, key, figures, seconds)
    figures.http.append(rate)
    figures.busy.append(busy)
    figures.cpu.append((_cpu_seconds(api) - before) / sent * 1e6)


def _register(database: Database, cipher: MultiFernet) -> str:
    """Make the accounts, each with a webhook, and a platform key, which is returned."""
    upgrade(database)
    now = datetime.now(UTC)
    with database.transaction() as connection:
        for account_id in ACCOUNTS:
            accounts.create(connection, account_id, now)
            webhooks.register(connection, cipher, account_id, now, "https://hooks.example.com/delivery-status")
        return keys.create(connection, None, now).key


def _new_events() -> Iterator[dict[str, Any]]:
    for number, account_id in zip(_numbers, cycle(ACCOUNTS), strict=False):
        yield {
            "id": f"evt-{number:032x}",
            "accountId": account_id,
            "messageId": f"message-{number}",
            "channel": "SMS",
            "status": "DELIVERED",
            "timestamp": "2026-04-09T14:39:40.69257Z",
            "to": "+353861234567",
            "from": "Acme",
            "customerMessageId": f"order-{number}",
            "tags": {"campaign": "spring", "shop": "dublin"},
        }


def _cpu_seconds(port: int) -> float:
    """The CPU time that the API's processes have had so far, whatever else the machine was busy with."""
    serving = next(child for child in psutil.Process().children() if str(port) in child.cmdline())
    times = [each.cpu_times() for each in (serving, *serving.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def _send(port: int, key: str, case: Figures, seconds: float) -> tuple[float, float, float]:
    """Events a second over HTTP; the part of the time that the load generator was at work; how many events it were."""
    size = case.size
    calls = max(case.connections, int(min(FASTEST / size, FASTEST_CALLS) * seconds))
    exchanges = [[_call(key, list(islice(_new_events(), size)))] for _ in range(calls)]
    started = time.perf_counter()
    figures = load.run(port, exchanges, seconds, case.connections)
    sent = figures.per_second * size * (time.perf_counter() - started)
    return figures.per_second * size, figures.busy, sent


def _call(key: str, events: list[dict[str, Any]]) -> load.Call:
    body = json.dumps({"events": events}).encode()
    head = (
        f"POST /events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return load.Call(head.encode() + body, b"HTTP/1.1 202 ", f'"accepted":{len(events)},'.encode())


def _accept(database: Database, size: int, seconds: float) -> float:
    """Events a second without HTTP, one batch after the other."""
    schema = EventSchema()
    batches = int(min(FASTEST / size, FASTEST_CALLS) * seconds) + 1
    prepared = [[Event(**schema.load(event)) for event in islice(_new_events(), size)] for _ in range(batches)]
    started, accepted = time.perf_counter(), 0
    for events in prepared:
        with database.transaction() as connection:
            accepted += accept(connection, events, datetime.now(UTC)).accepted
        if time.perf_counter() - started > seconds:
            break
    return accepted / (time.perf_counter() - started)


def bare_app() -> Flask:
    """A Flask application with one view, which decodes the body and nothing else."""
    app = Flask(__name__)

    @app.post("/events")
    def accept_nothing() -> Any:
        events = json.loads(request.get_data())["events"]
        return {"accepted": len(events), "duplicates": 0, "unrouted": 0}, 202

    return app


def serve_bare(port: int) -> None:
    """Serve the bare view as `webhook-admin serve` does the API."""
    process.Server(process.listen("127.0.0.1", port)).run(lambda: Adapter(bare_app()))


_SERVE = ("-m", "webhook_admin", "serve", "--workers")
_BARE = f"import sys; from {__spec__.name} import serve_bare; serve_bare(int(sys.argv[1]))"


def _report(store: str, figures: Sequence[Figures]) -> None:
    ceilings = f"{'bare view':>12}{'/ bare':>9}{'store alone':>13}{'/ store':>9}"
    click.echo(f"\n{store:12}{'connections':>12}{'workers':>9}{'events/s over HTTP':>20}{ceilings}{'CPU µs':>9}")
    for each in figures:
        http, bare, alone, cpu = (median(series) for series in (each.http, each.bare, each.store, each.cpu))
        ceilings = f"{bare:12,.0f}{http / bare:9.1%}{alone:13,.0f}{http / alone:9.1%}"
        click.echo(f"batch {each.size:<6,}{each.connections:12}{each.workers:9}{http:20,.0f}{ceilings}{cpu:9.0f}")
    for each in figures:
        if each.size == AIM_BATCH:
            rate = f"{median(each.http):,.0f} events/s by {each.workers} workers"
            click.echo(f"In batches of {AIM_BATCH}: {rate} (aim: at least {AIM:,})")
    busiest = max(busy for each in figures for busy in each.busy)
    click.echo(f"The load generator was at work for at most {busiest:.0%} of a round.")


if __name__ == "__main__":
    sys.exit(main())
