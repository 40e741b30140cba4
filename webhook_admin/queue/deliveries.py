"""The deliveries' states, as a dispatcher changes them: many at a time."""

from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter

from msgspec import Struct

from webhook_admin.db import Transaction
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
    """Its webhook or its account was deleted, or its webhook is disabled."""
    SKIPPED = "SKIPPED"
    """The payload format cannot express the event, or a newer status of its message has superseded it."""


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


ID = {"account_id": "text", "id": "text", "attempts": "integer", "resent_at": "bigint"}
# A resend counts no attempt: without `resent_at`, what was decided about a delivery before would still happen to it.
UNCHANGED = (
    "deliveries.account_id = given.account_id AND deliveries.id = given.id AND deliveries.state = 'PENDING' "
    "AND deliveries.attempts = given.attempts AND coalesce(deliveries.resent_at, 0) = coalesce(given.resent_at, 0)"
)
in_key_order = attrgetter("account_id", "id")
"""Every transaction locks deliveries in this order, so that two of them cannot deadlock."""


def conclude(transaction: Transaction, transitions: Sequence[Transition]) -> None:
    """Give the deliveries their next states, except where another dispatcher has changed them meanwhile."""
    columns = ID | {"state": "text", "state_detail": "text", "due_at": "bigint", "body": "text"}
    bulk(
        transaction,
        f"""
        UPDATE deliveries SET state = given.state, state_detail = given.state_detail, due_at = given.due_at,
            recorded = given.attempts, body = coalesce(given.body, deliveries.body)
        FROM {{given}} WHERE {UNCHANGED}
        """,
        columns,
        list(map(attrgetter(*columns), sorted(transitions, key=in_key_order))),
    )
