"""The lanes: one account's deliveries to one destination each, and which dispatcher works on them.

A lane has a row exactly while it has pending deliveries. A lease is the row's `due_at`, put off to the lease's end:
the lane of a dispatcher that has died is found again like any other that is due.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from webhook_admin.db.bulk import bulk
from webhook_admin.db.notify import notify

WEBHOOK = ""
"""The destination of all deliveries to the account's webhook."""


class Key(NamedTuple):
    """Which lane."""

    account_id: str
    destination: str


class Lease(NamedTuple):
    """A lane that has been taken: how many attempts in a row have failed there, and with which webhook."""

    key: Key
    failures: int
    webhook_etag: str | None


class Release(NamedTuple):
    """A lane to be given back: what its breaker says, and when it may be due again at the earliest; 0 for no limit."""

    key: Key
    failures: int
    paused_until: int
    webhook_etag: str | None
    not_before: int


_KEY = {"account_id": "text", "destination": "text"}
_GIVEN = "lanes.account_id = given.account_id AND lanes.destination = given.destination"


def put(connection: Connection, keys: Collection[Key], now: int) -> None:
    """Make the lanes due, as they have something new, and wake the dispatchers.

    The row of a leased lane stays as it is but is locked: whoever releases the lane sees what is new.
    """
    if not keys:
        return
    bulk(
        connection,
        """
        INSERT INTO lanes (account_id, destination, due_at, failures, paused_until)
        SELECT account_id, destination, :now, 0, 0 FROM {given} WHERE true
        ON CONFLICT (account_id, destination) DO UPDATE SET due_at = CASE
            WHEN lanes.holder IS NOT NULL OR lanes.due_at < excluded.due_at THEN lanes.due_at
            WHEN lanes.paused_until > excluded.due_at THEN lanes.paused_until
            ELSE excluded.due_at END
        """,
        _KEY,
        sorted(keys),
        now=now,
    )
    notify(connection)


def lease(connection: Connection, holder: str, now: int, until: int, most: int, most_failures: int) -> list[Lease]:
    """Take up to `most` of the lanes that are due, the ones that have waited longest, until `until`.

    Lanes with more than `most_failures` are left out.
    """
    rows = connection.execute(
        text(
            f"""
            WITH due AS MATERIALIZED (
                SELECT account_id, destination FROM lanes WHERE due_at <= :now AND failures <= :most_failures
                ORDER BY due_at LIMIT :most {_lock_wording(connection, skip=True)}
            )
            UPDATE lanes SET holder = :holder, due_at = :until FROM due
            WHERE lanes.account_id = due.account_id AND lanes.destination = due.destination
            RETURNING lanes.account_id, lanes.destination, failures, webhook_etag
            """
        ),
        {"holder": holder, "now": now, "until": until, "most": most, "most_failures": most_failures},
    )
    return [Lease(Key(row.account_id, row.destination), row.failures, row.webhook_etag) for row in rows]


def renew(connection: Connection, holder: str, until: int) -> list[Lease]:
    """Extend all leases of the holder; these are its lanes, whatever it believes."""
    rows = connection.execute(
        text(f"""
        SELECT account_id, destination, failures, webhook_etag FROM lanes WHERE holder = :holder
        ORDER BY account_id, destination {_lock_wording(connection)}
        """),
        {"holder": holder},
    )
    held = [Lease(Key(row.account_id, row.destination), row.failures, row.webhook_etag) for row in rows]
    keys = [lease.key for lease in held]
    bulk(connection, f"UPDATE lanes SET due_at = :until FROM {{given}} WHERE {_GIVEN}", _KEY, keys, until=until)
    return held


def release(connection: Connection, holder: str, releases: Sequence[Release]) -> None:
    """Give back those of the lanes that are still the holder's: the ones without pending deliveries for good.

    The rows are locked first, and pending deliveries are looked for in a second statement: only so does it see what
    an `acceptance.accept` has committed that had the row locked before.
    """
    held = _lock(connection, holder, [release.key for release in releases])
    first_due = _first_due(connection, held)
    waiting = [
        (*each.key, each.failures, each.paused_until, each.webhook_etag, max(first_due[each.key], each.not_before))
        for each in releases
        if each.key in first_due
    ]
    bulk(
        connection,
        f"""
        UPDATE lanes
        SET holder = NULL, failures = given.failures, paused_until = given.paused_until,
            webhook_etag = given.webhook_etag, due_at = given.due_at
        FROM {{given}} WHERE {_GIVEN}
        """,
        _KEY | {"failures": "integer", "paused_until": "bigint", "webhook_etag": "text", "due_at": "bigint"},
        waiting,
    )
    empty = f"SELECT lanes.account_id, lanes.destination FROM lanes JOIN {{given}} ON {_GIVEN}"
    bulk(
        connection,
        f"DELETE FROM lanes WHERE (account_id, destination) IN ({empty})",
        _KEY,
        sorted(held - first_due.keys()),
    )


def _lock(connection: Connection, holder: str, keys: Collection[Key]) -> set[Key]:
    """Those of the lanes that are the holder's; no one else changes them until the transaction ends.

    In the order of the keys, as `put` does, so that nobody waits in a circle.
    """
    rows = bulk(
        connection,
        f"""
        SELECT lanes.account_id, lanes.destination FROM {{given}} JOIN lanes ON {_GIVEN} AND holder = :holder
        ORDER BY lanes.account_id, lanes.destination {_lock_wording(connection)}
        """,
        _KEY,
        sorted(keys),
        holder=holder,
    )
    return {Key(row.account_id, row.destination) for row in rows}


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
        _KEY,
        sorted(keys),
    )
    return {Key(row.account_id, row.destination): row.due_at for row in rows if row.due_at is not None}


def next_due(connection: Connection, now: int) -> int | None:
    """When the next lane that is not due yet will be."""
    due_at: int | None = connection.scalar(text("SELECT min(due_at) FROM lanes WHERE due_at > :now"), {"now": now})
    return due_at


class Changed(NamedTuple):
    """A waiting lane whose webhook is another than before. `orphaned`: or gone or disabled, or the account is gone."""

    key: Key
    orphaned: bool


def changed(connection: Connection, now: int) -> list[Changed]:
    """The waiting lanes for which something has been changed."""
    active = "SELECT 1 FROM webhooks WHERE webhooks.account_id = lanes.account_id AND status = 'ACTIVE'"
    rows = connection.execute(
        text(f"""
        SELECT account_id, destination, orphaned FROM (
            SELECT account_id, destination,
                NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.id = lanes.account_id)
                OR destination = '' AND NOT EXISTS (
                    {active} AND (webhook_etag IS NULL OR webhook_etag LIKE webhooks.id || '.%')
                ) AS orphaned,
                destination = '' AND webhook_etag IS NOT NULL AND NOT EXISTS (
                    {active} AND webhook_etag = webhooks.id || '.' || revision
                ) AS changed
            FROM lanes WHERE holder IS NULL AND due_at > :now
        ) AS waiting
        WHERE orphaned OR changed
        """),
        {"now": now},
    )
    return [Changed(Key(row.account_id, row.destination), bool(row.orphaned)) for row in rows]


def wake(connection: Connection, keys: Collection[Key], now: int) -> None:
    """Make the lanes due, whatever their breakers have learned about other webhooks than today's.

    Lanes that somebody else is working on are left out; nobody is waited for.
    """
    bulk(
        connection,
        f"""
        UPDATE lanes SET due_at = :now, paused_until = 0, failures = 0, webhook_etag = (
            SELECT webhooks.id || '.' || revision FROM webhooks WHERE webhooks.account_id = lanes.account_id
        )
        FROM (
            SELECT lanes.account_id, lanes.destination FROM {{given}} JOIN lanes ON {_GIVEN} AND holder IS NULL
            {_lock_wording(connection, skip=True)}
        ) AS given
        WHERE {_GIVEN}
        """,
        _KEY,
        sorted(keys),
        now=now,
    )


def _lock_wording(connection: Connection, *, skip: bool = False) -> str:
    # SQLite's writers exclude each other anyway.
    if connection.dialect.name != "postgresql":
        return ""
    return "FOR UPDATE OF lanes SKIP LOCKED" if skip else "FOR UPDATE OF lanes"
