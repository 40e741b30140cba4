"""The deliveries' states, as a dispatcher changes them: many at a time."""

from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from msgspec import Struct

from webhook_admin.db import Transaction, row_lock
from webhook_admin.db.bulk import bulk


class State(StrEnum):
    """The state of a delivery."""

    PENDING = "PENDING"
    """It waits for its next attempt, or an attempt is in flight."""
    DELIVERED = "DELIVERED"
    """The receiver has acknowledged the notification."""
    FAILED = "FAILED"
    """No attempt was successful, and none will follow."""
    CANCELLED = "CANCELLED"
    """Its webhook or its account was deleted, its webhook is disabled, or its recipient was erased."""
    SKIPPED = "SKIPPED"
    """The payload format cannot express the event, or a newer status of its message has superseded it."""


ERASED = "The data of its recipient has been erased."
"""The `state_detail` of a delivery that was cancelled by an erasure."""
ERASED_EVENT = ""
"""The `event` of a delivery whose recipient's data has been erased."""


class Transition(Struct, frozen=True, kw_only=True):
    """The next state of a delivery after its `attempts` attempts. `due_at` is set exactly if that is PENDING.

    `body` is kept for later attempts; None leaves what is kept. `resent_at` is what it was when the delivery was read.
    """

    account_id: str
    id: str
    attempts: int
    state: State
    state_detail: str | None = None
    due_at: int | None = None
    body: str | None = None
    resent_at: int | None = None


class Concluded(NamedTuple):
    """The ids of the deliveries that have got their next states, and of those that are or may be erased.

    Of the latter no answer is to be kept.
    """

    changed: set[str]
    erased: set[str]


ID = {"account_id": "text", "id": "text", "attempts": "integer", "resent_at": "bigint"}
# A resend counts no attempt: without `resent_at`, what was decided about a delivery before would still happen to it.
UNCHANGED = (
    "deliveries.account_id = given.account_id AND deliveries.id = given.id AND deliveries.state = 'PENDING' "
    "AND deliveries.attempts = given.attempts AND coalesce(deliveries.resent_at, 0) = coalesce(given.resent_at, 0)"
)
in_key_order = attrgetter("account_id", "id")
"""Every transaction locks deliveries in this order, so that two of them cannot deadlock."""


def conclude(transaction: Transaction, transitions: Sequence[Transition]) -> Concluded:
    """Give the deliveries their next states, except where another dispatcher has changed them meanwhile.

    Those that are pending and erased are due again at once, to be cancelled, and keep no body. The rows of those that
    are not erased stay locked.
    """
    columns = ID | {"state": "text", "state_detail": "text", "due_at": "bigint", "body": "text"}
    is_erased = f"deliveries.event = '{ERASED_EVENT}'"
    rows = bulk(
        transaction,
        f"""
        UPDATE deliveries SET state = given.state, state_detail = given.state_detail, recorded = given.attempts,
            due_at = CASE WHEN {is_erased} AND given.due_at IS NOT NULL THEN deliveries.due_at ELSE given.due_at END,
            body = CASE WHEN {is_erased} THEN NULL ELSE coalesce(given.body, deliveries.body) END
        FROM {{given}} WHERE {UNCHANGED} RETURNING deliveries.id, {is_erased}
        """,
        columns,
        list(map(attrgetter(*columns), sorted(transitions, key=in_key_order))),
    )
    changed = dict(map(tuple, rows))
    left = [each for each in transitions if each.id not in changed]
    erased = {id_ for id_, is_erased in changed.items() if is_erased}
    return Concluded(set(changed), erased | _erased(transaction, left))


def _erased(transaction: Transaction, left: Sequence[Transition]) -> set[str]:
    """The ids of those that are erased, or could be in this moment: another transaction has their row locked."""
    rows = bulk(
        transaction,
        f"""
        SELECT deliveries.id FROM {{given}} JOIN deliveries
            ON deliveries.account_id = given.account_id AND deliveries.id = given.id
        WHERE deliveries.event <> '{ERASED_EVENT}' {row_lock(transaction, "FOR SHARE OF deliveries SKIP LOCKED")}
        """,
        {"account_id": "text", "id": "text"},
        [(each.account_id, each.id) for each in left],
    )
    return {each.id for each in left} - {row.id for row in rows}
