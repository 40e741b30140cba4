"""A week in minutes: `python -m tests.soak.retention`, in the checkout's folder.

Events come in all the time, and a dispatcher deletes deliveries that ended a short while ago. The store's size levels
off, and pruning delays no notification. `--seconds 3600 --rate 2800` makes 10,000,000 deliveries.
"""

import random
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
from sqlalchemy import URL, text

from tests.receiver_process import ReceiverProcess
from tests.soak import platform, report, stores
from tests.soak.honest import REGULAR, Honest, Spread
from tests.soak.installation import Installation
from tests.soak.platform import Load
from tests.soak.report import Figure
from webhook_admin.config import DAY
from webhook_admin.db import Database

# The time is cut into windows; what ended a window ago is deleted, so sizes are level from the third on.
WINDOWS, LEVEL = 9, 3
PAUSE = 0.1  # seconds between batches
GROWTH = 1.25
ACCOUNTS = [f"busy-{number}" for number in range(50)]
TABLES = ("deliveries", "attempts", "lanes", "statistics")


def run(store: URL, folder: Path, seconds: float, rate: float) -> list[Figure]:
    """Post so many events a second, for so many seconds; the figures."""
    window = seconds / WINDOWS
    settings = {"retention_days": window / DAY, "delivery_max_age": window}
    with ExitStack() as stack:
        honest_receiver, busy_receiver = (stack.enter_context(ReceiverProcess(folder / each)) for each in "hb")
        authorities = folder / "authorities.pem"
        authorities.write_text(honest_receiver.ca_file.read_text() + busy_receiver.ca_file.read_text())
        installation = stack.enter_context(Installation(store, folder, authorities, **settings))
        honest = Honest(installation, honest_receiver, 50, round(6 * seconds) + 4)
        for account in ACCOUNTS:
            installation.register(account, f"{busy_receiver.base_url}/ok")
        installation.dispatch()
        honest.introduce()
        database = stack.enter_context(closing(Database(store)))
        _hasten_vacuum(database)
        with Load(installation, lambda: _batch(round(rate * PAUSE)), PAUSE) as load:
            measured = [(honest.measure(window)[REGULAR], _size(database)) for _ in range(WINDOWS)]
        spreads, sizes = zip(*measured, strict=True)
        return [
            Figure("events acknowledged with 202", len(load.acknowledged) + sum(each.events for each in spreads)),
            Figure("deliveries on record at the end", _count(database)),
            *(Figure(f"MB after window {place}", size / 1e6) for place, size in enumerate(sizes, 1)),
            Figure("last size over that of window 3", sizes[-1] / sizes[LEVEL - 1], most=GROWTH),
            *_delays(spreads),
            Figure("tracebacks in the logs", installation.tracebacks(), most=0),
        ]


def _delays(spreads: Sequence[Spread]) -> list[Figure]:
    """From 202 to receipt; nothing is deleted in the first window."""
    before, pruning = spreads[0], spreads[LEVEL:]
    p99s = [each.p99 for each in pruning]
    return [
        Figure("p50 before anything is deleted, ms", before.p50),
        Figure("p99 before anything is deleted, ms", before.p99),
        Figure("p50 while deliveries are deleted, ms", median(each.p50 for each in pruning)),
        Figure("p99 while deliveries are deleted, ms", median(p99s), most=2 * before.p99 + 50),
        Figure("p99 while deliveries are deleted, worst window, ms", max(p99s)),
        Figure("not received", sum(each.missing for each in spreads), most=0),
    ]


def _hasten_vacuum(database: Database) -> None:
    """Let PostgreSQL look for dead rows each second and not each minute, as time is that much shorter here."""
    if not database.file:
        with database.connect() as connection:
            connection.execute(text("ALTER SYSTEM SET autovacuum_naptime = '1s'"))
            connection.execute(text("SELECT pg_reload_conf()"))


def _batch(count: int) -> Sequence[platform.Event]:
    return [platform.event(random.choice(ACCOUNTS)) for _ in range(max(count, 1))]


def _size(database: Database) -> int:
    """Bytes of SQLite's file, or of PostgreSQL's tables with their indexes."""
    if database.file:
        return database.file.stat().st_size
    sizes = " + ".join(f"pg_total_relation_size('{table}')" for table in TABLES)
    with database.connect() as connection:
        return int(connection.execute(text(f"SELECT {sizes}")).scalar_one())


def _count(database: Database) -> int:
    with database.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM deliveries")).scalar_one())


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--seconds", default=180.0, help="How long to post events, on each store.")
@click.option("--rate", default=20.0, help="Events a second, at most, beside 100 whose waits are measured.")
def main(kinds: Sequence[str], seconds: float, rate: float) -> None:
    """Post and delete at the same time; sizes and waits must stay."""
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            kept.append(report.show(f"retention on {kind}", run(store, Path(name), seconds, rate)))
    report.leave(kept)


if __name__ == "__main__":
    main()
