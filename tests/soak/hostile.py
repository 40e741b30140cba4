"""Minutes of nothing but hostile receivers: `python -m tests.soak.hostile --minutes 10`, in the checkout's folder.

Receivers that hang, drip, reset, break off, redirect, answer endlessly or not in HTTP, or whose name servers never
answer; to accounts that are new all the time, so that no breaker spares the dispatcher any of it. Its memory, its
sockets and its threads stay what they were. The name servers need a network namespace; without the right to make one
they are left out.
"""

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import psutil
from sqlalchemy import URL, func, insert, select

from tests import receiver as behaviours
from tests.nameserver import Nameserver
from tests.receiver import Behaviour, Receiver
from tests.soak import namespace, platform, report, stores
from tests.soak.installation import Installation
from tests.soak.platform import Load
from tests.soak.processes import free_port
from tests.soak.report import Figure
from webhook_admin.db import Database
from webhook_admin.models import accounts, attempts

PAUSE = 0.4  # seconds between batches
EVERY = 2.0  # seconds between samples
SETTLE = 0.1  # of the time: caches and pools fill
SILENT = "silent-{}.example.com"
SILENT_NAMES = 50
BUSY = 1.2  # attempts for each event: most fail, and are repeated
GROWTH = 10  # MB of memory from the first minute to the last
DEADLINE, GRACE = 2_000, 500  # milliseconds
HEAD = b"HTTP/1.1 200 OK\r\n"

HOSTILE: Mapping[str, Behaviour] = {
    "hang": behaviours.hang,
    "drip": behaviours.drip(),
    "reset": behaviours.reset,
    "close": behaviours.close,
    "endless": behaviours.after(0.2, behaviours.raw_then_close(HEAD + b"\r\n" + b"x" * 200_000)),
    "bomb": behaviours.after(0.2, behaviours.raw_then_close(HEAD + b"X: y\r\n" * 100_000)),
    "garbage": behaviours.raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    "redirect": behaviours.answer(302, headers={"Location": "/"}),
    "busy": behaviours.answer(503, headers={"Retry-After": "1"}),
    "truncated": behaviours.raw_then_close(HEAD + b"Content-Length: 10\r\n\r\nabc"),
    "103": behaviours.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "gone": behaviours.answer(410),
    "left-over": behaviours.raw(HEAD + b"Content-Length: 0\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n"),
}


class Sample(NamedTuple):
    """What the dispatcher holds at one moment."""

    memory: float
    sockets: int
    files: int
    threads: int


def run(store: URL, folder: Path, minutes: float) -> list[Figure]:
    """Watch the dispatcher for so many minutes; the figures."""
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        urls = [receiver.url(f"/{name}", behaviour) for name, behaviour in HOSTILE.items()]
        # Nobody listens there.
        urls += [f"https://127.0.0.2:{free_port()}/"]
        if namespace.is_inside():
            names = [SILENT.format(number) for number in range(SILENT_NAMES)]
            stack.enter_context(Nameserver(dict.fromkeys(names), namespace.NAMESERVER, 53))
            urls += [f"https://{name}/" for name in names[:5]]
        settings = {"request_timeout": DEADLINE / 1_000, "connect_timeout": 1, "retry_schedule": "1,2,4"}
        installation = stack.enter_context(Installation(store, folder, receiver.ca_file, **settings))
        dispatcher = installation.dispatch()
        batches = _batches(store, urls)
        with Load(installation, lambda: next(batches), PAUSE) as load:
            samples = list(_watch(dispatcher.process, minutes * 60))
        return [
            *_flatness(samples),
            *_outcomes(store, len(load.acknowledged)),
            Figure("requests that the receiver saw", len(receiver.requests), least=1),
            Figure("events accepted", len(load.acknowledged), least=1),
            Figure("answers other than 202", sum(load.statuses.values()) - load.statuses[platform.ACCEPTED], most=0),
            Figure("tracebacks in the logs", installation.tracebacks(), most=0),
        ]


def _batches(store: URL, urls: Sequence[str]) -> Iterator[Sequence[platform.Event]]:
    """An event for each URL, each from an account that is new: no breaker is open already, and no lane is shared."""
    numbers = itertools.count()
    with closing(Database(store)) as database:
        while True:
            names = {f"account-{next(numbers)}": url for url in urls}
            now = datetime.now(UTC)
            rows = [{"id": name, "created_at": now, "updated_at": now} for name in names]
            with database.transaction() as connection:
                connection.execute(insert(accounts), rows)
            yield [platform.event(name, callbackUrl=url) for name, url in names.items()]


def _watch(process: psutil.Process, seconds: float) -> Iterator[Sample]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(EVERY)
        with process.oneshot():
            sockets = len(process.net_connections("all"))
            yield Sample(process.memory_info().rss / 2**20, sockets, process.num_fds(), process.num_threads())


def _flatness(samples: Sequence[Sample]) -> list[Figure]:
    settled = samples[round(len(samples) * SETTLE) :]
    length = max(round(len(settled) / 9), 1)
    first, last = settled[:length], settled[-length:]
    figures = []
    for name, growth in (("memory", GROWTH), ("sockets", 50), ("files", 50), ("threads", 2)):
        before, after = (mean(getattr(sample, name) for sample in part) for part in (first, last))
        figures += [
            Figure(f"{name}: first minute, mean", before),
            Figure(f"{name}: last minute, mean", after, most=before + growth),
            Figure(f"{name}: most", max(getattr(sample, name) for sample in samples)),
        ]
    return figures


def _outcomes(store: URL, events: int) -> list[Figure]:
    with closing(Database(store)) as database, database.connect() as connection:
        counts = Counter(
            {
                row[0]: row[1]
                for row in connection.execute(select(attempts.c.outcome, func.count()).group_by(attempts.c.outcome))
            }
        )
        longest = connection.scalar(select(func.max(attempts.c.duration_ms))) or 0
    return [
        *(Figure(f"attempts: {outcome}", count) for outcome, count in counts.most_common()),
        # The latest may have none yet; but a dispatcher that is stuck would hold very little, and that evenly.
        Figure("attempts: all", counts.total(), least=BUSY * events),
        Figure("longest attempt, ms", longest, most=DEADLINE + GRACE),
    ]


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=["postgresql"])
@click.option("--minutes", default=10.0)
def main(kinds: Sequence[str], minutes: float) -> None:
    """Let the dispatcher meet nothing but hostile receivers, and watch what it holds."""
    namespace.enter()
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            kept.append(report.show(f"{minutes:g} minutes of hostility on {kind}", run(store, Path(name), minutes)))
    report.leave(kept)


if __name__ == "__main__":
    main()
