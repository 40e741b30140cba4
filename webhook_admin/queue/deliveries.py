"""The deliveries and their attempts, as the dispatcher reads and writes them: many at a time."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection

from webhook_admin.db.bulk import bulk
from webhook_admin.queue.lanes import Key


class State(StrEnum):
    """What has become of a delivery."""

    PENDING = "PENDING"
    """It waits for its next attempt, or for the answer to one."""
    DELIVERED = "DELIVERED"
    """The receiver has acknowledged it."""
    FAILED = "FAILED"
    """No attempt has been successful, and none will follow."""
    CANCELLED = "CANCELLED"
    """Its webhook or its account is gone, or its webhook is disabled."""
    SKIPPED = "SKIPPED"
    """The payload format cannot express the event; no attempt has been made."""


class Wanted(NamedTuple):
    """How many more deliveries of a lane can be started, and the ids of those that are under way."""

    key: Key
    most: int
    under_way: Sequence[str]


class Webhook(NamedTuple):
    """An account's webhook, as a delivery needs it."""

    id: str
    revision: int
    status: str
    callback_url: str
    payload_format: str
    signing_secret: bytes

    @property
    def etag(self) -> str:
        """As `webhooks.Webhook.etag`."""
        return f"{self.id}.{self.revision}"


class Due(NamedTuple):
    """A delivery whose time has come, with its account's webhook, if there is one. Times are in milliseconds."""

    account_id: str
    id: str
    destination: str
    event: str
    webhook_id: str | None
    payload_format: str | None
    attempts: int
    recorded: int
    begun_at: int | None
    created_at: int
    has_account: bool
    webhook: Webhook | None

    @property
    def lane(self) -> Key:
        """The lane that it is in."""
        return Key(self.account_id, self.destination)


class Next(NamedTuple):
    """What a delivery comes to after its `attempts` attempts; `due_at` is None unless it is still pending."""

    account_id: str
    id: str
    attempts: int
    state: State
    state_detail: str | None
    due_at: int | None


ACCOUNT_DELETED = "The account has been deleted."
WEBHOOK_DELETED = "The webhook has been deleted."
WEBHOOK_DISABLED = "The webhook is disabled, as the receiver has answered 410 Gone."
_ORPHANS = 2_000
ID = {"account_id": "text", "id": "text", "attempts": "integer"}
UNCHANGED = (
    "deliveries.account_id = given.account_id AND deliveries.id = given.id AND deliveries.state = 'PENDING' "
    "AND deliveries.attempts = given.attempts"
)


def due(connection: Connection, wanted: Sequence[Wanted], now: int) -> list[Due]:
    """Deliveries of the lanes that are due and not under way, each lane's in order."""
    by_most: dict[int, list[Wanted]] = {}
    for each in wanted:
        by_most.setdefault(each.most, []).append(each)
    return [found for most, lanes in by_most.items() for found in _due(connection, lanes, most, now)]


def _due(connection: Connection, wanted: Sequence[Wanted], most: int, now: int) -> list[Due]:
    # The ids under way are given as one string: LIKE finds one in it on both databases.
    chosen = """
        FROM deliveries AS candidates
        WHERE candidates.account_id = given.account_id AND candidates.destination = given.destination
            AND candidates.due_at <= :now
            AND given.under_way NOT LIKE '%' || candidates.id || '%'
        ORDER BY candidates.due_at, candidates.id LIMIT :most
        """
    if connection.dialect.name == "postgresql":
        join = f"CROSS JOIN LATERAL (SELECT candidates.* {chosen}) AS deliveries"
    else:
        join = f"JOIN deliveries ON deliveries.rowid IN (SELECT candidates.rowid {chosen})"
    rows = bulk(
        connection,
        f"""
        SELECT deliveries.account_id, deliveries.id, deliveries.destination, event, webhook_id,
            deliveries.payload_format, attempts, recorded, begun_at, deliveries.created_at,
            accounts.id IS NOT NULL,
            webhooks.id, revision, status, webhooks.callback_url, webhooks.payload_format, signing_secret
        FROM {{given}} {join}
            LEFT JOIN accounts
                ON accounts.id = deliveries.account_id AND accounts.created_at = deliveries.account_created_at
            LEFT JOIN webhooks ON webhooks.account_id = deliveries.account_id
        ORDER BY due_at, deliveries.id
        """,
        {"account_id": "text", "destination": "text", "under_way": "text"},
        [(*each.key, ",".join(each.under_way)) for each in wanted],
        now=now,
        most=most,
    )
    return [Due._make((*row[:11], Webhook._make(row[11:]) if row[11] else None)) for row in map(tuple, rows)]


def conclude(connection: Connection, changes: Sequence[Next]) -> None:
    """Give the deliveries their next states, except where another dispatcher has gone on meanwhile."""
    bulk(
        connection,
        f"""
        UPDATE deliveries SET state = given.state, state_detail = given.state_detail, due_at = given.due_at,
            recorded = given.attempts
        FROM {{given}} WHERE {UNCHANGED}
        """,
        ID | {"state": "text", "state_detail": "text", "due_at": "bigint"},
        # In the order of the keys, as all who lock several rows, so that nobody waits in a circle.
        sorted(changes, key=itemgetter(0, 1)),
    )


def cancel_orphans(connection: Connection, keys: Collection[Key]) -> bool:
    """Cancel what waits in the lanes for an account or a webhook that is gone, or for a webhook that is disabled.

    What is under way is left to those who wait for the answer, and what is locked to those who deal with it. At most
    some thousand at once; returns whether that was all.
    """
    skip_locked = "FOR UPDATE OF candidates SKIP LOCKED" if connection.dialect.name == "postgresql" else ""
    rows = bulk(
        connection,
        f"""
        UPDATE deliveries SET state = 'CANCELLED', due_at = NULL, state_detail = orphans.detail
        FROM (
            SELECT candidates.account_id, candidates.id, CASE
                WHEN accounts.id IS NULL THEN '{ACCOUNT_DELETED}'
                WHEN webhooks.id IS NULL THEN '{WEBHOOK_DELETED}'
                ELSE '{WEBHOOK_DISABLED}' END AS detail
            FROM {{given}}
                JOIN deliveries AS candidates
                    ON candidates.account_id = given.account_id AND candidates.destination = given.destination
                LEFT JOIN accounts
                    ON accounts.id = candidates.account_id AND accounts.created_at = candidates.account_created_at
                LEFT JOIN webhooks
                    ON webhooks.account_id = candidates.account_id AND webhooks.id = candidates.webhook_id
            WHERE candidates.due_at IS NOT NULL AND candidates.attempts = candidates.recorded
                AND (accounts.id IS NULL
                     OR candidates.webhook_id IS NOT NULL AND (webhooks.id IS NULL OR webhooks.status = 'DISABLED'))
            LIMIT {_ORPHANS} {skip_locked}
        ) AS orphans
        WHERE deliveries.account_id = orphans.account_id AND deliveries.id = orphans.id
            AND deliveries.state = 'PENDING' AND deliveries.attempts = deliveries.recorded
        RETURNING deliveries.id
        """,
        {"account_id": "text", "destination": "text"},
        sorted(keys),
    )
    return len(rows) < _ORPHANS
