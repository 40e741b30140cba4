"""Nothing but hostile receivers: `python -m tests.soak.hostile --minutes 10`, in the checkout's folder.

Receivers that hang, drip, reset, break off, redirect, stall the TLS handshake, answer endlessly, twice or not in HTTP,
have bad certificates or name servers that never answer; and an account with thousands of hanging origins. The accounts
are new all the time, so that no breaker spares the dispatcher any of it. Its memory, sockets, file descriptors and
threads stay what they were. The name servers need a network namespace; without the right to make one they are left out.
"""

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import click
import psutil
from sqlalchemy import URL, func, insert, select

from tests.soak import namespace, platform, report, stores
from tests.soak.hostile_receivers import HostileReceivers
from tests.soak.installation import Installation
from tests.soak.platform import Load
from tests.soak.report import Figure
from webhook_admin.db import Database
from webhook_admin.models import accounts, attempts

PAUSE = 0.4  # seconds between batches
EVERY = 2.0  # seconds between samples
# Of the time, or so many seconds if that is more: caches fill, and the pool, whose connections are kept for 60 s.
SETTLE, SETTLE_SECONDS = 0.2, 30
BUSY = 1.2  # attempts for each event: most fail, and are repeated
GROWTH = 10  # MB of memory from the first ninth of the time to the last
# How many are open follows the pace at which the API takes events. One leaked in 500 attempts comes to more than this.
OPEN_GROWTH = 100
DEADLINE, GRACE = 2_000, 500  # milliseconds
ORIGINS_PER_BATCH = 10
SETTINGS = {"request_timeout": DEADLINE / 1_000, "connect_timeout": 1, "retry_schedule": "1,2,4"}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the dispatcher holds at one moment; memory in MB."""

    memory: float
    sockets: int
    descriptors: int
    threads: int


def run(store: URL, folder: Path, minutes: float) -> list[Figure]:
    """Watch the dispatcher for so many minutes; the figures."""
    with ExitStack() as stack:
        receivers = HostileReceivers(folder, stack)
        installation = stack.enter_context(Installation(store, folder, receivers.ca_file, **SETTINGS))
        dispatcher = installation.dispatch()
        batches = _batches(store, receivers.urls, receivers.hanging_urls)
        with Load(installation, lambda: next(batches), PAUSE) as load:
            samples = list(_watch(dispatcher.process, minutes * 60))
        return [
            *_flatness(samples),
            *_outcomes(store, len(load.acknowledged)),
            Figure("requests that the receivers saw", receivers.seen(), least=1),
            Figure("events accepted", len(load.acknowledged), least=1),
            Figure("answers other than 202", load.statuses.total() - load.statuses[platform.ACCEPTED], most=0),
            Figure("dispatchers that have ended", not dispatcher.is_running, most=0),
            Figure("tracebacks in the logs", installation.tracebacks(), most=0),
        ]


def _batches(store: URL, urls: Sequence[str], hanging: Sequence[str]) -> Iterator[Sequence[platform.Event]]:
    """An event for each URL, each from an account that is new: no breaker is open already, and no lane is shared.

    And some for the next of the hanging origins, all from one account.
    """
    numbers, origins = itertools.count(), itertools.cycle(hanging)
    with closing(Database(store)) as database:
        _create(database, ["many-origins"])
        while True:
            names = {f"account-{next(numbers)}": url for url in urls}
            _create(database, names)
            names_of_many = [("many-origins", next(origins)) for _ in range(ORIGINS_PER_BATCH)]
            yield [platform.event(name, callbackUrl=url) for name, url in [*names.items(), *names_of_many]]


def _create(database: Database, names: Iterable[str]) -> None:
    now = datetime.now(UTC)
    rows = [{"id": name, "created_at": now, "updated_at": now} for name in names]
    with database.transaction() as connection:
        connection.execute(insert(accounts), rows)


def _watch(process: psutil.Process, seconds: float) -> Iterator[Sample]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(EVERY)
        with process.oneshot():
            sockets = len(process.net_connections("all"))
            yield Sample(
                memory=process.memory_info().rss / 2**20,
                sockets=sockets,
                descriptors=process.num_fds(),
                threads=process.num_threads(),
            )


def _flatness(samples: Sequence[Sample]) -> list[Figure]:
    settled = samples[round(max(len(samples) * SETTLE, SETTLE_SECONDS / EVERY)) :]
    length = max(round(len(settled) / 9), 1)
    first, last = settled[:length], settled[-length:]
    figures = []
    for name, growth in (("memory", GROWTH), ("sockets", OPEN_GROWTH), ("descriptors", OPEN_GROWTH), ("threads", 2)):
        before, after = (mean(getattr(sample, name) for sample in part) for part in (first, last))
        figures += [
            Figure(f"{name}: first ninth, mean", before),
            Figure(f"{name}: last ninth, mean", after, most=before + growth),
            Figure(f"{name}: most", max(getattr(sample, name) for sample in samples)),
        ]
    return figures


def _outcomes(store: URL, events: int) -> list[Figure]:
    with closing(Database(store)) as database, database.connect() as connection:
        outcomes = connection.execute(select(attempts.c.outcome, func.count()).group_by(attempts.c.outcome))
        counts = Counter({row[0]: row[1] for row in outcomes})
        longest = connection.scalar(select(func.max(attempts.c.duration_ms))) or 0
    return [
        *(Figure(f"attempts: {outcome}", count) for outcome, count in counts.most_common()),
        # The latest may have none yet; but a dispatcher that is stuck would hold very little, and that evenly.
        Figure("attempts: all", counts.total(), least=BUSY * events),
        Figure("longest attempt, ms", longest, most=DEADLINE + GRACE),
    ]


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--minutes", default=10.0)
def main(kinds: Sequence[str], minutes: float) -> None:
    """Let the dispatcher meet nothing but hostile receivers, and watch what it holds."""
    namespace.enter()
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            kept.append(
                report.show(f"{minutes:g} minutes of hostile receivers on {kind}", run(store, Path(name), minutes))
            )
    report.leave(kept)


if __name__ == "__main__":
    main()
