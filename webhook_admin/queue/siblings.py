"""Siblings: the other deliveries of the same message and channel to the same webhook."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from webhook_admin.db import Transaction, row_lock
from webhook_admin.db.bulk import bulk, first_rows
from webhook_admin.queue.due_deliveries import Due

BLOCKED = "It waits for an earlier status of the same message."
"""The `state_detail` of a delivery that waits for a sibling."""
MAX_SIBLINGS = 100
"""Of a message with more deliveries than these, the latest are looked at."""


class Sibling(Struct, frozen=True, kw_only=True):
    """Another delivery of the message. `due_at` (ms) is None once it has ended."""

    id: str
    event: str
    due_at: int | None
    is_in_flight: bool


class MessageKey(NamedTuple):
    """Which message, on which channel, to which webhook."""

    account_id: str
    message_id: str
    channel: str
    webhook_id: str


_KEY = dict.fromkeys(MessageKey._fields, "text")
_SAME = " AND ".join(f"candidates.{name} = given.{name}" for name in MessageKey._fields)


def key(due: Due) -> MessageKey:
    """The message of a delivery to a webhook."""
    return MessageKey(due.account_id, due.message_id, due.channel, due.webhook_id or "")


def find(transaction: Transaction, due: Sequence[Due]) -> Mapping[str, Sequence[Sibling]]:
    """The siblings of each delivery by its id, the latest `MAX_SIBLINGS` of them, in any order."""
    latest = first_rows(
        transaction,
        "deliveries",
        f"WHERE {_SAME} AND candidates.id <> given.id ORDER BY candidates.id DESC LIMIT {MAX_SIBLINGS}",
    )
    rows = bulk(
        transaction,
        f"""
        SELECT given.id, deliveries.id, deliveries.event, deliveries.due_at, deliveries.attempts > deliveries.recorded
        FROM {{given}} {latest}
        """,
        _KEY | {"id": "text"},
        [(*key(each), each.id) for each in due],
    )
    found: dict[str, list[Sibling]] = {each.id: [] for each in due}
    for of, id_, event, due_at, is_in_flight in map(tuple, rows):
        is_pending = due_at is not None
        sibling = Sibling(id=id_, event=event, due_at=due_at, is_in_flight=is_pending and bool(is_in_flight))
        found[of].append(sibling)
    return found


def unblock(transaction: Transaction, messages: Collection[MessageKey], now: int) -> None:
    """Make the first pending delivery of each message due, if it waits for a sibling: one may have ended.

    Skips rows that another transaction has locked: this one may hold others, and would risk a deadlock.
    """
    lock = row_lock(transaction, "FOR UPDATE OF candidates SKIP LOCKED")
    first = first_rows(
        transaction,
        "deliveries",
        f"WHERE {_SAME} AND candidates.due_at IS NOT NULL ORDER BY candidates.id LIMIT 1 {lock}",
    )
    # Materialized: a subquery that is run again for each row finds the next delivery once the first has been changed.
    bulk(
        transaction,
        f"""
        WITH blocked AS MATERIALIZED (
            SELECT deliveries.account_id, deliveries.id FROM {{given}} {first}
            WHERE deliveries.due_at > :now AND deliveries.state_detail = '{BLOCKED}'
        )
        UPDATE deliveries SET due_at = :now, state_detail = NULL FROM blocked
        WHERE deliveries.account_id = blocked.account_id AND deliveries.id = blocked.id
        """,
        _KEY,
        sorted(messages),
        now=now,
    )
