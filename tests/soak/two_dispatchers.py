"""Two dispatchers, one frozen for a while: `python -m tests.soak.two_dispatchers`, in the checkout's folder.

On one PostgreSQL, under load, one dispatcher is frozen (SIGSTOP) with requests in flight for three leases, and then
continues. Meanwhile the other takes over its lanes. The late records of the first change nothing that the other has
recorded, except that the known outcome of an attempt replaces the `unknown` that the other has written.
"""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from sqlalchemy import URL, select, text

from tests.receiver import Receiver
from tests.soak import platform, records, report, stores
from tests.soak.installation import Installation
from tests.soak.ledger import PENDING, UNKNOWN, Ledger, is_drained
from tests.soak.moods import Moody
from tests.soak.platform import Load
from tests.soak.processes import Running
from tests.soak.report import Figure
from tests.soak.waiting import until
from webhook_admin.db import Database
from webhook_admin.models import attempts, lanes

LEASE = 1  # seconds
LEASES = 3
SCHEDULE = ",".join(["0.5"] * 20)
ACCOUNTS = [f"account-{number}" for number in range(20)]
BATCH, PAUSE = 10, 0.04
STEADY = 0.2  # seconds after which a transaction that goes on is one that is stuck
IN_TRANSACTION = text("""
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
        AND clock_timestamp() - state_change > make_interval(secs => :since)
    """)
LATE = 0.4  # seconds until a receiver answers


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An attempt on record, times in milliseconds."""

    delivery_id: str
    number: int
    started_at: int
    duration_ms: int | None
    outcome: str

    @property
    def key(self) -> tuple[str, int]:
        return self.delivery_id, self.number


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """When a dispatcher was frozen and thawed, in milliseconds, and the records as they were just before its thaw."""

    frozen: float
    thawed: float
    attempts: Mapping[tuple[str, int], Attempt]
    ledger: Ledger


def run(store: URL, folder: Path, rounds: int) -> list[Figure]:
    """Freeze the one of the two that holds more lanes, so many times; the figures."""
    with Receiver() as receiver:
        moody = Moody(receiver, late=1, seconds=LATE)
        settings = {"retry_schedule": SCHEDULE, "lease_seconds": LEASE}
        with Installation(store, folder, receiver.ca_file, **settings) as installation:
            for account in ACCOUNTS:
                installation.register(account, receiver.url("/cb", moody))
            with closing(Database(store)) as database:
                with Load(installation, batch, PAUSE) as load:
                    freezes = _freeze_again_and_again(installation, database, rounds)
                until(lambda: is_drained(database), 60, every=0.2)
                at_last = _attempts(database)
            ledger = Ledger.read(store)
            most = SCHEDULE.count(",") + 2
            return [
                *records.compare(load.acknowledged, receiver.requests, moody.acknowledged, ledger, most),
                *_figures(freezes, at_last, ledger),
                Figure("tracebacks in the logs", installation.tracebacks(), most=0),
            ]


def batch() -> Sequence[platform.Event]:
    """Events for some accounts."""
    return [platform.event(random.choice(ACCOUNTS)) for _ in range(BATCH)]


def _freeze_again_and_again(installation: Installation, database: Database, rounds: int) -> list[Freeze]:
    first = installation.dispatch()
    until(lambda: _held(database), 20)
    (holder,) = _held(database)
    second = installation.dispatch()
    freezes = []
    for _ in range(rounds):
        time.sleep(random.uniform(1, 2))
        freezes.append(_freeze(partial(_busier, first, second, holder, database), installation.store, database))
    return freezes


def _busier(first: Running, second: Running, holder: str, database: Database) -> Running:
    """The dispatcher that holds more lanes; `holder` is the first one's name."""
    held = until(lambda: _held(database), 20)
    return first if 2 * held[holder] >= held.total() else second


def _freeze(choose: Callable[[], Running], store: URL, database: Database) -> Freeze:
    dispatcher, frozen = _stop_between_transactions(choose, database)
    time.sleep(LEASES * LEASE)
    until(lambda: any(one.outcome == UNKNOWN for one in _attempts(database).values()), 20)
    found, ledger = _attempts(database), Ledger.read(store)
    thawed = time.time() * 1_000
    dispatcher.thaw()
    return Freeze(frozen=frozen, thawed=thawed, attempts=found, ledger=ledger)


def _stop_between_transactions(choose: Callable[[], Running], database: Database) -> tuple[Running, float]:
    """The dispatcher that was frozen, and when. In a transaction, it would keep its lanes locked against the other."""
    while True:
        dispatcher = choose()
        dispatcher.freeze()
        frozen = time.time() * 1_000
        time.sleep(STEADY)
        with database.connect() as connection:
            if not connection.scalar(IN_TRANSACTION, {"since": STEADY / 2}):
                return dispatcher, frozen
        dispatcher.thaw()
        time.sleep(STEADY)


def _held(database: Database) -> Counter[str]:
    """How many lanes each dispatcher holds."""
    holders = select(lanes.c.holder).where(lanes.c.holder.is_not(None))
    with database.connect() as connection:
        return Counter(connection.scalars(holders))


def _attempts(database: Database) -> Mapping[tuple[str, int], Attempt]:
    columns = [attempts.c[each.name] for each in fields(Attempt)]
    with database.connect() as connection:
        found = [Attempt(**row) for row in connection.execute(select(*columns)).mappings()]
    return {attempt.key: attempt for attempt in found}


def _figures(freezes: Sequence[Freeze], at_last: Mapping[tuple[str, int], Attempt], ledger: Ledger) -> list[Figure]:
    unknown = [one for freeze in freezes for one in freeze.attempts.values() if one.outcome == UNKNOWN]
    replaced = {one.key for one in unknown if at_last[one.key].outcome != UNKNOWN}
    known = [one for freeze in freezes for one in freeze.attempts.values() if one.outcome != UNKNOWN]
    ended = [one for freeze in freezes for one in freeze.ledger.deliveries.values() if one.state != PENDING]
    overlapping = _overlapping(at_last.values())
    innocent = [one for one, _ in overlapping if not any(_is_cut(one, freeze) for freeze in freezes)]
    return [
        Figure("freezes of one dispatcher for three leases", len(freezes)),
        Figure("attempts cut off, unknown to the other dispatcher", len({one.key for one in unknown}), least=1),
        Figure("of these, known in the end", len(replaced), least=1),
        Figure("attempts that were known and have changed", sum(at_last.get(one.key) != one for one in known), most=0),
        Figure("ended deliveries that have changed", sum(ledger.deliveries[one.id] != one for one in ended), most=0),
        Figure("overlapping attempts of one delivery", len(overlapping)),
        Figure("of these, not cut off by a freeze: two live leases", len(innocent), most=0),
    ]


def _overlapping(found: Iterable[Attempt]) -> list[tuple[Attempt, Attempt]]:
    """Attempts of one delivery of which the second was started before the first had ended."""
    by_delivery: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in sorted(found, key=lambda one: one.key):
        by_delivery[attempt.delivery_id].append(attempt)
    pairs = [pair for each in by_delivery.values() for pair in pairwise(each)]
    return [(one, two) for one, two in pairs if two.started_at < one.started_at + (one.duration_ms or 0)]


def _is_cut(attempt: Attempt, freeze: Freeze) -> bool:
    """Whether it was counted before the freeze and ended after it."""
    end = attempt.started_at + (attempt.duration_ms or 0)
    return attempt.started_at < freeze.thawed + 100 and end > freeze.frozen


@click.command()
@click.option("--rounds", default=8, help="How often one of the two is frozen.")
def main(rounds: int) -> None:
    """Freeze one of two dispatchers again and again, and compare the records before and after its return."""
    with TemporaryDirectory(prefix="soak-") as name, stores.store("postgresql", Path(name)) as store:
        report.leave([report.show(f"Two dispatchers, {rounds} freezes", run(store, Path(name), rounds))])


if __name__ == "__main__":
    main()
