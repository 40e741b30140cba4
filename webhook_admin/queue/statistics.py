"""Statistics: what dispatchers have counted, by account and hour. Their cost does not grow with the deliveries."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from webhook_admin.db.bulk import bulk, first_rows
from webhook_admin.events import Channel, Status
from webhook_admin.models import deliveries, lanes, statistics
from webhook_admin.queue import latency
from webhook_admin.queue.lanes import WEBHOOK

MAX_HOURS = 168
"""So many hours are shown, with the one that is still running; what was counted before them is deleted."""
MAX_PENDING = 10_000
"""Pending deliveries are counted up to here."""
_OUTCOME, _LATENCY = "outcome ", "ms "
_PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Kind(StrEnum):
    """What is counted of an account in an hour, beside outcomes and latencies."""

    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"
    ATTEMPTS = "attempts"


class Cell(NamedTuple):
    """What is counted: of which account, in which hour since the epoch, and what."""

    account_id: str
    hour: int
    kind: str


def of_outcome(outcome: str) -> str:
    """The kind that an attempt's outcome is counted as."""
    return _OUTCOME + outcome


def of_latency(milliseconds: int) -> str:
    """The kind that the time from acceptance to acknowledgement is counted as."""
    return f"{_LATENCY}{latency.bucket(milliseconds)}"


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of some hours, by kind."""

    counts: Counter[str] = field(default_factory=Counter)

    def __getitem__(self, kind: Kind) -> int:
        return self.counts[kind]

    @property
    def outcomes(self) -> dict[str, int]:
        """Attempts by outcome."""
        return {kind.removeprefix(_OUTCOME): n for kind, n in self.counts.items() if kind.startswith(_OUTCOME)}

    @property
    def acknowledged_after_ms(self) -> dict[str, int | None]:
        """From acceptance to acknowledgement: percentiles in milliseconds, None if nothing was delivered."""
        buckets = {int(kind.removeprefix(_LATENCY)): n for kind, n in self.counts.items() if kind.startswith(_LATENCY)}
        return {name: latency.percentile(buckets, share) for name, share in _PERCENTILES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What an account has pending: how many deliveries, up to `MAX_PENDING`, and since when the oldest waits (ms).

    Of its webhook's lane: `paused_until` is the end of the pause (ms), `next_due` when the next delivery is due, pause
    counted in (ms); None where there is none.
    """

    pending: int
    oldest_pending_since: int | None
    paused_until: int | None
    next_due: int | None


def add(connection: Connection, counts: Mapping[Cell, int]) -> None:
    """Add to what is counted, in key order: two dispatchers cannot deadlock."""
    bulk(
        connection,
        """
        INSERT INTO statistics (account_id, hour, kind, count)
        SELECT account_id, hour, kind, given.count FROM {given} WHERE true
        ON CONFLICT (account_id, hour, kind) DO UPDATE SET count = statistics.count + excluded.count
        """,
        {"account_id": "text", "hour": "integer", "kind": "text", "count": "bigint"},
        [(*cell, count) for cell, count in sorted(counts.items())],
    )


def by_hour(connection: Connection, account_id: str, hours: range) -> dict[int, Counts]:
    """What was counted of the account in each of the hours since the epoch."""
    rows = connection.execute(
        select(statistics.c.hour, statistics.c.kind, statistics.c.count).where(
            statistics.c.account_id == account_id, statistics.c.hour.between(hours[0], hours[-1])
        )
    )
    found = {hour: Counts() for hour in hours}
    for hour, kind, count in map(tuple, rows):
        found[hour].counts[kind] += count
    return found


def total(counts: Mapping[int, Counts]) -> Counts:
    """The hours together."""
    return Counts(sum((each.counts for each in counts.values()), Counter()))


def waiting(connection: Connection, account_id: str, now: int) -> Waiting:
    """What the account has pending; test deliveries are left out."""
    own = deliveries.c.account_id == account_id
    counted = select(1).where(own, deliveries.c.due_at.is_not(None), ~deliveries.c.test).limit(MAX_PENDING).subquery()
    # The oldest of each status and channel: of those, an index has the first.
    first = first_rows(
        connection,
        "deliveries",
        """
        WHERE candidates.account_id = :account_id AND candidates.state = 'PENDING'
            AND candidates.status = given.status AND candidates.channel = given.channel AND NOT candidates.test
        ORDER BY candidates.id LIMIT 1
        """,
    )
    oldest = bulk(
        connection,
        f"SELECT deliveries.created_at FROM {{given}} {first}",
        {"status": "text", "channel": "text"},
        list(product(Status, Channel)),
        account_id=account_id,
    )
    paused_until = connection.scalar(
        select(lanes.c.paused_until).where(lanes.c.account_id == account_id, lanes.c.destination == WEBHOOK)
    )
    paused_until = paused_until if paused_until and paused_until > now else None
    next_due = connection.scalar(
        select(func.min(deliveries.c.due_at)).where(
            own, deliveries.c.destination == WEBHOOK, deliveries.c.due_at.is_not(None)
        )
    )
    return Waiting(
        pending=connection.execute(select(func.count()).select_from(counted)).scalar_one(),
        oldest_pending_since=min((row.created_at for row in oldest), default=None),
        paused_until=paused_until,
        next_due=None if next_due is None else max(next_due, paused_until or 0),
    )
