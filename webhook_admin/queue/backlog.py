"""What all accounts together have waiting, at a cost that does not grow with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, text

from webhook_admin.queue.lanes import Standing

MAX_COUNTED = 100_000
"""Pending deliveries, and lanes of a state, are counted up to here."""
# Leased lanes in which the first delivery that nobody is sending is looked for.
_MAX_LEASED = 1_000


class LaneState(StrEnum):
    """The states of lanes, of which each lane has one."""

    WAITING = "waiting"
    """Something is due, and no dispatcher leases the lane."""
    LEASED = "leased"
    """A dispatcher works on it."""
    SCHEDULED = "scheduled"
    """What is pending is due later: a retry, or a pause after failures."""
    IDLE = "idle"
    """Nothing is pending; what was learned about the receiver is kept for a week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """The pending deliveries, up to `MAX_COUNTED`; the lanes by state, likewise; and the most overdue delivery.

    `overdue` is by the standing of its lane, in ms: for how long the delivery that has been due for longest has been
    due, and is in no request; 0 if nothing is overdue. A paused lane is due at the end of its pause.
    """

    pending: int
    lanes: Mapping[LaneState, int]
    overdue: Mapping[Standing, int]


_DUE_SINCE = """
    SELECT :standing AS standing, (
        SELECT due_at FROM lanes WHERE standing = :standing AND due_at <= :now ORDER BY due_at LIMIT 1
    ) AS due_at
"""
# A leased lane's `due_at` is the end of its lease. Attempts that are not on record are in flight.
_LEASED_DUE_SINCE = f"""
    SELECT standing, min(due_at) FROM (
        SELECT standing, (
            SELECT deliveries.due_at FROM deliveries
            WHERE deliveries.account_id = leased.account_id AND deliveries.destination = leased.destination
                AND deliveries.due_at <= :now AND attempts = recorded
            ORDER BY deliveries.due_at, deliveries.id LIMIT 1
        ) AS due_at FROM (
            SELECT account_id, destination, standing FROM lanes
            WHERE holder IS NOT NULL AND due_at > :now AND paused_until <= :now ORDER BY holder LIMIT {_MAX_LEASED}
        ) AS leased
    ) AS first_due WHERE due_at IS NOT NULL GROUP BY standing
"""  # noqa: S608  put together from constants
_PENDING = "SELECT 1 FROM deliveries WHERE due_at IS NOT NULL ORDER BY account_id, destination, due_at, id"
_OF_STANDING = "SELECT 1 FROM lanes WHERE standing = :standing AND"
_LANES = {
    LaneState.WAITING: f"{_OF_STANDING} due_at <= :now ORDER BY due_at, account_id",
    LaneState.SCHEDULED: f"{_OF_STANDING} due_at > :now AND holder IS NULL ORDER BY due_at, account_id",
    LaneState.LEASED: "SELECT 1 FROM lanes WHERE holder IS NOT NULL AND due_at > :now ORDER BY holder",
    LaneState.IDLE: "SELECT 1 FROM lanes WHERE idle_since IS NOT NULL ORDER BY idle_since",
}


def look(connection: Connection, now: int, most: int = MAX_COUNTED) -> Backlog:
    """See what waits at `now`; nothing is counted beyond `most`."""
    if connection.dialect.name == "postgresql":
        # By statistics that are older than the rows, PostgreSQL would read whole tables instead of a part of an index.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
    return Backlog(
        pending=_count(connection, _PENDING, {"most": most}),
        lanes={state: _lanes(connection, state, now, most) for state in LaneState},
        overdue=_overdue(connection, now),
    )


def _count(connection: Connection, statement: str, values: Mapping[str, object]) -> int:
    counted = text(f"SELECT count(*) FROM ({statement} LIMIT :most) AS counted")  # noqa: S608  likewise
    return int(connection.execute(counted, values).scalar_one())


def _lanes(connection: Connection, state: LaneState, now: int, most: int) -> int:
    statement = _LANES[state]
    if "due_at, account_id" not in statement:
        return _count(connection, statement, {"now": now, "most": most})
    # An index has the lanes of each standing by their due times.
    of_standing = [{"now": now, "most": most, "standing": standing} for standing in Standing]
    return min(sum(_count(connection, statement, values) for values in of_standing), most)


def _overdue(connection: Connection, now: int) -> dict[Standing, int]:
    since = dict.fromkeys(Standing, now)
    rows = [connection.execute(text(_DUE_SINCE), {"standing": standing, "now": now}).one() for standing in Standing]
    rows += connection.execute(text(_LEASED_DUE_SINCE), {"now": now}).all()
    for standing, due_at in map(tuple, rows):
        since[Standing(standing)] = min(since[Standing(standing)], now if due_at is None else due_at)
    return {standing: now - first for standing, first in since.items()}
