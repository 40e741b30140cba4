"""Resends: deliveries become pending again, and go to today's callback URL in today's payload format.

The lock order is that of `lanes`: rows of accounts, webhooks, lanes, and deliveries last, only with SKIP LOCKED. A
dispatcher may wait for a lane while it holds deliveries, or for deliveries while it holds lanes: a resend waits for
lanes while it holds no delivery, and for deliveries never, so it cannot be part of a deadlock. Since it holds the lane,
the dispatcher that releases the lane sees that there is something pending again.

Deliveries with an attempt in flight are left as they are: what comes of the attempt is recorded first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from webhook_admin.db import Transaction, row_lock
from webhook_admin.db.bulk import bulk
from webhook_admin.errors import (
    AccountNotFound,
    Conflict,
    DeliveryErased,
    DeliveryInFlight,
    DeliveryNotFound,
    NothingToSendTo,
    TestNotResent,
    WebhookDisabled,
)
from webhook_admin.models import accounts, deliveries, webhooks
from webhook_admin.queue import history, lanes, selection
from webhook_admin.queue.clock import milliseconds
from webhook_admin.queue.deliveries import ERASED_EVENT, State
from webhook_admin.queue.lanes import Key
from webhook_admin.queue.selection import Chosen, Filter

MAX_RESENT = 10_000
"""How many deliveries one call resends."""
DEFAULT_STATES = (State.FAILED, State.CANCELLED)
# Each batch is a transaction of its own: accepting events and dispatching wait for the lanes that it holds.
_BATCH = 500
# What a resend would change nothing about is left out, so that repeated calls come to an end.
_NOT_DUE_ANYWAY = """
    state <> 'PENDING' OR attempts = recorded
    AND (due_at > :now OR attempts > attempts_before OR webhook_id <> :webhook_id)
"""
_IS_WHOLE = f"event <> '{ERASED_EVENT}'"


@dataclass(frozen=True, slots=True)
class _Target:
    """Where the account's deliveries can go: to the active webhook, or else only to URLs of their own, and why so."""

    account_id: str
    created_at: datetime
    webhook_id: str | None
    refusal: type[Conflict]

    @property
    def destinations(self) -> str:
        """The end of a condition on the destination of the deliveries that can go somewhere."""
        return f"<> '{lanes.WEBHOOK}'" if self.webhook_id is None else "IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Matched:
    """The deliveries that are to be resent, at most `MAX_RESENT`, and whether there are more."""

    deliveries: Sequence[Chosen]
    more: bool

    def batches(self) -> Iterator[Sequence[Chosen]]:
        """The deliveries in parts, each to be resent in a transaction of its own."""
        for start in range(0, len(self.deliveries), _BATCH):
            yield self.deliveries[start : start + _BATCH]


def one(transaction: Transaction, account_id: str, delivery_id: str, now: datetime) -> None:
    """Resend the account's delivery, whatever its state.

    Raises `DeliveryNotFound`, `NothingToSendTo`, `WebhookDisabled`, `TestNotResent`, `DeliveryErased`, and
    `DeliveryInFlight` while an attempt is.
    """
    target = _target(transaction, account_id, lock=True)
    names = ("id", "account_created_at", "state", "destination", "test", "event")
    chosen = select(*(deliveries.c[name] for name in names)).where(
        deliveries.c.account_id == account_id, deliveries.c.id == delivery_id
    )
    row = transaction.execute(chosen).one_or_none() if history.is_id(delivery_id) else None
    # Not a condition of the statement, for which PostgreSQL could read all deliveries of the account.
    if row is None or row.account_created_at != target.created_at:
        raise DeliveryNotFound
    if row.test:
        raise TestNotResent
    if row.event == ERASED_EVENT:
        raise DeliveryErased
    if row.destination == lanes.WEBHOOK and target.webhook_id is None:
        raise target.refusal
    if not _resend(transaction, target, [Chosen(row.id, row.state)], milliseconds(now)):
        raise DeliveryInFlight


def choose(connection: Connection, wanted: Filter, now: datetime, after: str | None = None) -> Matched:
    """The account's deliveries that fit, the oldest first, behind the id `after`; only what can be sent somewhere.

    Leaves out tests, pending ones that are due with the whole schedule before them, those in flight, and erased ones.
    Raises `NothingToSendTo` or `WebhookDisabled` if nothing fits for want of an active webhook.
    """
    target = _target(connection, wanted.account_id or "", lock=False)
    also = ["NOT test", _IS_WHOLE]
    if State.PENDING in (wanted.states or DEFAULT_STATES):
        also.append(f"({_NOT_DUE_ANYWAY})")
    if target.webhook_id is None:
        # No index tells: this reads past everything that fits and would have gone to the webhook.
        also.append(f"destination {target.destinations}")
    chosen = selection.first(
        connection,
        replace(wanted, states=wanted.states or DEFAULT_STATES, account_created_at=target.created_at),
        after,
        MAX_RESENT + 1,
        oldest_first=True,
        also=" AND ".join(also),
        now=milliseconds(now),
        webhook_id=target.webhook_id,
    )
    if not chosen and target.webhook_id is None:
        raise target.refusal
    return Matched(chosen[:MAX_RESENT], more=len(chosen) > MAX_RESENT)


def some(transaction: Transaction, account_id: str, batch: Sequence[Chosen], now: datetime) -> int:
    """Resend these of the account's deliveries that are still in the state that they were chosen in; how many."""
    return _resend(transaction, _target(transaction, account_id, lock=True), batch, milliseconds(now))


def _target(connection: Connection, account_id: str, *, lock: bool) -> _Target:
    account = select(accounts.c.created_at).where(accounts.c.id == account_id)
    webhook = select(webhooks.c.id, webhooks.c.status).where(webhooks.c.account_id == account_id)
    if lock:
        account, webhook = account.with_for_update(read=True, key_share=True), webhook.with_for_update(read=True)
    created_at = connection.scalar(account)
    if created_at is None:
        raise AccountNotFound
    found = connection.execute(webhook).one_or_none()
    if found is None:
        return _Target(account_id, created_at, None, NothingToSendTo)
    return _Target(account_id, created_at, found.id if found.status == "ACTIVE" else None, WebhookDisabled)


def _resend(transaction: Transaction, target: _Target, chosen: Sequence[Chosen], now: int) -> int:
    lanes.put(transaction, _lanes(transaction, target, chosen), now)
    # CROSS JOIN and IN: SQLite begins with the given rows. `state || ''`: it looks them up by the primary key.
    rows = bulk(
        transaction,
        f"""
        WITH free AS MATERIALIZED (
            SELECT deliveries.account_id, deliveries.id FROM {{given}} CROSS JOIN deliveries
            WHERE deliveries.account_id = given.account_id AND deliveries.id = given.id
                AND deliveries.state || '' = given.state AND attempts = recorded AND destination {target.destinations}
                AND {_IS_WHOLE}
            {row_lock(transaction, "FOR UPDATE OF deliveries SKIP LOCKED")}
        )
        UPDATE deliveries SET state = 'PENDING', state_detail = NULL, due_at = :now,
            attempts_before = attempts, resent_at = :now, body = NULL, payload_format = NULL,
            callback_url = CASE WHEN destination <> '' THEN callback_url END,
            webhook_id = CASE WHEN destination = '' THEN :webhook_id END
        FROM free WHERE deliveries.account_id = free.account_id AND deliveries.id = free.id
        RETURNING deliveries.id
        """,
        {"account_id": "text", "id": "text", "state": "text"},
        [(target.account_id, *each) for each in chosen],
        webhook_id=target.webhook_id,
        now=now,
    )
    return len(rows)


def _lanes(transaction: Transaction, target: _Target, chosen: Sequence[Chosen]) -> set[Key]:
    rows = bulk(
        transaction,
        f"""
        SELECT DISTINCT destination FROM {{given}} CROSS JOIN deliveries
        WHERE deliveries.account_id = given.account_id AND deliveries.id = given.id
            AND destination {target.destinations}
        """,
        {"account_id": "text", "id": "text"},
        [(target.account_id, each.id) for each in chosen],
    )
    return {Key(target.account_id, row.destination) for row in rows}
