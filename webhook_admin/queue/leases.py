"""Leases: which dispatcher works on which lanes, and what it tells the next one about them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from webhook_admin.db.bulk import bulk
from webhook_admin.queue.lanes import GIVEN, KEY, Key, Standing, lock_wording

COLUMNS = """
    lanes.account_id, lanes.destination, failures, standing, window_size, threshold, failing_since, exhausted,
    changed, no_orphans
"""
"""What `read` makes a `Lease` of."""
_LEARNED = {
    "failures": "integer",
    "paused_until": "bigint",
    "standing": "text",
    "window_size": "float",
    "threshold": "float",
    "failing_since": "bigint",
    "exhausted": "integer",
}


# An enumeration takes ten times as long to find a member by its value.
_STANDINGS = {standing.value: standing for standing in Standing}


class Failing(NamedTuple):
    """Since when a lane fails (ms; None: it does not), and how many deliveries have used up their attempts since."""

    since: int | None
    exhausted: int


SUCCEEDING = Failing(None, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A leased lane, with what the dispatchers before have learned.

    `failures` is how many attempts in a row failed. `window` is how many requests may be in flight, `threshold` where
    it begins to grow slowly (None: it has not failed yet). `failing` is about the time since the latest success.
    `changed` says that the webhook is gone or has changed, and `no_orphans` that it has no orphans nevertheless.
    """

    key: Key
    failures: int
    standing: Standing
    window: float
    threshold: float | None
    changed: bool
    no_orphans: bool = False
    failing: Failing = SUCCEEDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A lane to be given back, with what its dispatcher has learned. It is not due again before `not_before`."""

    key: Key
    failures: int
    paused_until: int
    standing: Standing
    window: float
    threshold: float | None
    not_before: int
    failing: Failing = SUCCEEDING


def renew(connection: Connection, holder: str, until: int) -> list[Lease]:
    """Extend all leases of the dispatcher; the lanes that it really has."""
    rows = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM lanes WHERE holder = :holder
        ORDER BY account_id, destination {lock_wording(connection)}
        """),
        {"holder": holder},
    )
    held = [read(row) for row in rows]
    keys = [lease.key for lease in held]
    bulk(connection, f"UPDATE lanes SET due_at = :until FROM {{given}} WHERE {GIVEN}", KEY, keys, until=until)
    return held


def release(connection: Connection, holder: str, releases: Sequence[Release], now: int) -> None:
    """Give back those of the lanes that the dispatcher still leases. Those without pending deliveries become idle.

    A marked lane is due at once, and keeps the mark and the values that it was reset to. The rows are locked before
    pending deliveries are looked for in a second statement: so it sees what an `accept` committed that had the row
    locked before.
    """
    held = {lease.key for lease in _lock(connection, holder, [each.key for each in releases], skip=False)}
    first_due = _first_due(connection, held)
    learned = ", ".join(f"{name} = CASE WHEN changed THEN lanes.{name} ELSE given.{name} END" for name in _LEARNED)
    bulk(
        connection,
        f"""
        UPDATE lanes SET holder = NULL, {learned},
            due_at = CASE WHEN changed AND given.due_at IS NOT NULL THEN :now ELSE given.due_at END,
            idle_since = CASE WHEN given.due_at IS NULL THEN :now END
        FROM {{given}} WHERE {GIVEN}
        """,
        KEY | _LEARNED | {"due_at": "bigint"},
        [
            (
                *each.key,
                each.failures,
                each.paused_until,
                each.standing,
                each.window,
                each.threshold,
                *each.failing,
                max(first_due[each.key], each.not_before) if each.key in first_due else None,
            )
            for each in releases
            if each.key in held
        ],
        now=now,
    )


def note_failing(connection: Connection, holder: str, failing: Mapping[Key, Failing]) -> set[Key]:
    """Write down since when leased lanes have been failing, unless they are marked.

    Returns the lanes that this was done for. Skips rows that another transaction has locked, as `lock_changed` does.
    """
    free = {lease.key for lease in _lock(connection, holder, failing.keys(), skip=True)}
    bulk(
        connection,
        f"""
        UPDATE lanes SET failing_since = given.since, exhausted = given.exhausted
        FROM {{given}} WHERE {GIVEN} AND NOT changed
        """,
        KEY | {"since": "bigint", "exhausted": "integer"},
        [(*key, *failing[key]) for key in free],
    )
    return free


def lock_changed(connection: Connection, holder: str, keys: Collection[Key]) -> list[Lease]:
    """Lock those of the lanes that the dispatcher leases, to cancel their orphans and then `settle` them.

    Skips rows that another transaction has locked: this one may hold lanes already, and would risk a deadlock.
    """
    return _lock(connection, holder, keys, skip=True)


def note_no_orphans(connection: Connection, keys: Collection[Key]) -> None:
    """Say that the lanes, which this transaction must have locked, have no orphans as long as nothing changes."""
    bulk(connection, f"UPDATE lanes SET no_orphans = true FROM {{given}} WHERE {GIVEN}", KEY, sorted(keys))


def settle(connection: Connection, holder: str, keys: Collection[Key]) -> None:
    """Take the mark off lanes whose orphans are all cancelled; this transaction must have locked them before that."""
    statement = (
        f"UPDATE lanes SET changed = false, no_orphans = false FROM {{given}} WHERE {GIVEN} AND holder = :holder"
    )
    bulk(connection, statement, KEY, sorted(keys), holder=holder)


def _lock(connection: Connection, holder: str, keys: Collection[Key], *, skip: bool) -> list[Lease]:
    rows = bulk(
        connection,
        f"""
        SELECT {COLUMNS} FROM {{given}} JOIN lanes ON {GIVEN} AND holder = :holder
        ORDER BY lanes.account_id, lanes.destination {lock_wording(connection, skip=skip)}
        """,
        KEY,
        sorted(keys),
        holder=holder,
    )
    return [read(row) for row in rows]


def _first_due(connection: Connection, keys: Collection[Key]) -> dict[Key, int]:
    """When the first pending delivery of each lane is due; lanes without any are left out."""
    rows = bulk(
        connection,
        """
        SELECT account_id, destination, (
            SELECT due_at FROM deliveries
            WHERE deliveries.account_id = given.account_id AND deliveries.destination = given.destination
                AND due_at IS NOT NULL
            ORDER BY due_at LIMIT 1
        ) AS due_at FROM {given}
        """,
        KEY,
        sorted(keys),
    )
    return {Key(row.account_id, row.destination): row.due_at for row in rows if row.due_at is not None}


def read(row: Row[Any]) -> Lease:
    """A lease from a row of `COLUMNS`."""
    account_id, destination, failures, standing, window, threshold, since, exhausted, *marks = tuple(row)
    changed, no_orphans = map(bool, marks)
    return Lease(
        key=Key(account_id, destination),
        failures=failures,
        standing=_STANDINGS[standing],
        window=window,
        threshold=threshold,
        changed=changed,
        no_orphans=no_orphans,
        failing=Failing(since, exhausted),
    )
