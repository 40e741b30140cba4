"""The lanes: all deliveries of one account to one destination, the unit of scheduling.

A lane's `due_at` is set exactly while it has pending deliveries. The row outlives them, with what was learned about the
receiver. A lease is the row's `due_at`, put off to the lease's end: the lane of a dispatcher that died becomes due
like any other.

Deadlocks are avoided by one lock order: rows of accounts, webhooks, lanes, deliveries; within a table in key order. A
transaction that holds lanes never waits for webhooks, and takes further lanes only with SKIP LOCKED.
`accept` inserts its deliveries first: only an insert of the same event waits for rows that are not committed.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, text

from webhook_admin.db.bulk import bulk
from webhook_admin.db.notify import notify

WEBHOOK = ""
"""The destination of all deliveries to the account's webhook."""
TEST = "test:"
"""The beginning of the destinations of test events.

In lanes of its own, a test waits for no backlog and no pause, and its failures delay nothing that is real.
"""


class Key(NamedTuple):
    """Which lane. `destination` is `WEBHOOK` or the origin of per-message callback URLs, behind `TEST` for tests.

    One lane, `OPERATIONS`, is of no account.
    """

    account_id: str
    destination: str


OPERATIONS = Key("operations:", "operations:")
"""The lane of all operational events. No account has this id, as ids have no colon."""


class Standing(StrEnum):
    """How a lane's latest attempt went."""

    QUICK = "quick"
    """It succeeded within a second."""
    SLOW = "slow"
    """It succeeded after a second or more."""
    UNTRIED = "untried"
    """There was none, or the webhook has been changed since."""
    FAILING = "failing"
    """It failed."""


KEY = {"account_id": "text", "destination": "text"}
"""The columns of a lane's key, for `bulk`."""
GIVEN = "lanes.account_id = given.account_id AND lanes.destination = given.destination"
_STANDINGS = [(standing,) for standing in Standing]


def put(connection: Connection, keys: Collection[Key], now: int) -> None:
    """Make the lanes due, since they have new deliveries, and wake the dispatchers.

    The row of a leased lane stays as it is but is locked: the dispatcher that releases the lane sees the deliveries.
    """
    if not keys:
        return
    bulk(
        connection,
        """
        INSERT INTO lanes (account_id, destination, due_at, failures, paused_until)
        SELECT account_id, destination, :now, 0, 0 FROM {given} WHERE true
        ON CONFLICT (account_id, destination) DO UPDATE SET idle_since = NULL, due_at = CASE
            WHEN lanes.holder IS NOT NULL OR lanes.due_at < excluded.due_at THEN lanes.due_at
            WHEN lanes.paused_until > excluded.due_at THEN lanes.paused_until
            ELSE excluded.due_at END
        """,
        KEY,
        sorted(keys),
        now=now,
    )
    notify(connection)


def end_pause(connection: Connection, key: Key) -> None:
    """Forget the failures of a lane, so that it is due when something is put into it; not those of a leased lane."""
    bulk(
        connection,
        f"""
        UPDATE lanes SET failures = 0, paused_until = 0, standing = '{Standing.UNTRIED}'
        FROM {{given}} WHERE {GIVEN} AND holder IS NULL
        """,
        KEY,
        [key],
    )


def mark_changed(
    connection: Connection,
    account_id: str,
    now: int,
    *,
    is_replaced: bool = False,
    every_destination: bool = False,
    is_disabled: bool = False,
) -> None:
    """Say that the account's webhook is gone or has changed.

    With `is_replaced`, it has only been replaced by PUT, which leaves no orphans. With `every_destination`, the account
    is gone. With `is_disabled`, it stays on record since when the webhook has been failing.

    The dispatcher that leases a marked lane cancels its orphans, and forgets what was learned about the receiver. A
    leased lane stays leased: its dispatcher sees the mark when it renews or releases the lease. Wakes the dispatchers.
    """
    connection.execute(
        text(f"""
        WITH chosen AS MATERIALIZED (
            SELECT account_id, destination FROM lanes
            WHERE account_id = :account_id {"" if every_destination else f"AND destination = '{WEBHOOK}'"}
            ORDER BY destination {lock_wording(connection)}
        )
        UPDATE lanes SET changed = true, no_orphans = :is_replaced AND (no_orphans OR NOT changed),
            failures = 0, paused_until = 0,
            failing_since = CASE WHEN :is_disabled THEN failing_since END, exhausted = 0,
            standing = '{Standing.UNTRIED}', window_size = 1, threshold = NULL,
            due_at = CASE WHEN due_at IS NULL OR holder IS NOT NULL THEN due_at ELSE :now END
        FROM chosen WHERE lanes.account_id = chosen.account_id AND lanes.destination = chosen.destination
        """),
        {"account_id": account_id, "now": now, "is_replaced": is_replaced, "is_disabled": is_disabled},
    )
    notify(connection)


def next_due(connection: Connection, now: int) -> int | None:
    """When the next lane that is not due yet will be."""
    rows = bulk(
        connection,
        """
        SELECT (
            SELECT due_at FROM lanes WHERE lanes.standing = given.standing AND due_at > :now ORDER BY due_at LIMIT 1
        ) AS due_at FROM {given}
        """,
        {"standing": "text"},
        _STANDINGS,
        now=now,
    )
    return min((row.due_at for row in rows if row.due_at is not None), default=None)


def prune(connection: Connection, idle_before: int, limit: int) -> int:
    """Delete up to `limit` of the lanes that have had nothing pending since before then; returns how many.

    The lane of a failing webhook stays: it knows since when. Skips rows that another transaction has locked.
    """
    deleted = connection.execute(
        text(f"""
        WITH chosen AS MATERIALIZED (
            SELECT account_id, destination FROM lanes
            WHERE idle_since < :idle_before AND (failing_since IS NULL OR destination <> '{WEBHOOK}')
            ORDER BY idle_since LIMIT :limit {lock_wording(connection, skip=True)}
        )
        DELETE FROM lanes WHERE (account_id, destination) IN (SELECT account_id, destination FROM chosen)
        RETURNING account_id
        """),
        {"idle_before": idle_before, "limit": limit},
    )
    return len(deleted.all())


def lock_wording(connection: Connection, *, skip: bool = False) -> str:
    """What locks the rows of a SELECT from lanes. SQLite's writers exclude each other anyway."""
    if connection.dialect.name != "postgresql":
        return ""
    return "FOR UPDATE OF lanes SKIP LOCKED" if skip else "FOR UPDATE OF lanes"
