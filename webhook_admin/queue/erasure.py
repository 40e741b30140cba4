"""Erasure: what is on record about a recipient is blanked, of every account; counts and states stay.

An index finds the recipient's deliveries. Those that wait are cancelled. One with an attempt in flight stays pending:
its dispatcher records the attempt's outcome, without the answer, and cancels the delivery unless it was acknowledged.

The event's id stays: an event that is posted again is a duplicate, and does not bring back what was erased.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar

from sqlalchemy import text

from webhook_admin.db import Database, Transaction, row_lock
from webhook_admin.db.bulk import bulk
from webhook_admin.events import Event
from webhook_admin.queue import statistics
from webhook_admin.queue.clock import HOUR, milliseconds
from webhook_admin.queue.deliveries import ERASED, ERASED_EVENT, State
from webhook_admin.queue.statistics import Cell, Kind

T = TypeVar("T")
_BATCH = 200
_KEY = {"account_id": "text", "id": "text"}
_NOT_READ = ""
"""The recipient of deliveries from before there was this column."""
_WAITS = "due_at IS NOT NULL AND attempts = recorded"

_Locked = Sequence[tuple[str, str, str]]
"""Account, id and event of deliveries."""


class Erased(NamedTuple):
    """How many deliveries were erased, and how many of them were pending and are cancelled."""

    deliveries: int
    cancelled: int


def erase(database: Database, to: str, now: datetime) -> Erased:
    """Erase the recipient (E.164) in short transactions. An erasure that was interrupted can be repeated.

    The first one on a store from before reads the events of all deliveries.
    """
    while _step(database, _NOT_READ, _read_recipients):
        pass
    deliveries = cancelled = 0
    while some := _step(database, to, partial(blank, now=milliseconds(now))):
        deliveries, cancelled = deliveries + some.deliveries, cancelled + some.cancelled
    return Erased(deliveries, cancelled)


def _step(database: Database, recipient: str, work: Callable[[Transaction, _Locked], T]) -> T | None:
    """Do the work on some of the recipient's deliveries; None once there are none."""
    with database.transaction() as transaction:
        # Where others have all of them locked, one is waited for: who holds nothing else cannot be part of a deadlock.
        locked = lock(transaction, recipient, _BATCH, "SKIP LOCKED") or lock(transaction, recipient, 1)
        return work(transaction, locked) if locked else None


def lock(transaction: Transaction, recipient: str, limit: int, skip: str = "") -> _Locked:
    """Lock up to `limit` of the recipient's deliveries."""
    wording = row_lock(transaction, f"FOR UPDATE {skip}")
    rows = transaction.execute(
        text(f"SELECT account_id, id, event FROM deliveries WHERE recipient = :recipient LIMIT :limit {wording}"),
        {"recipient": recipient, "limit": limit},
    )
    return [(row.account_id, row.id, row.event) for row in rows]


def _read_recipients(transaction: Transaction, locked: _Locked) -> bool:
    bulk(
        transaction,
        "UPDATE deliveries SET recipient = given.recipient FROM {given} "
        "WHERE deliveries.account_id = given.account_id AND deliveries.id = given.id",
        _KEY | {"recipient": "text"},
        [(account_id, id_, _recipient(event)) for account_id, id_, event in locked],
    )
    return True


def _recipient(event: str) -> str | None:
    try:
        return Event.from_json(event).to
    except ValueError:
        # A damaged event says nothing about anybody that can be found.
        return None


def blank(transaction: Transaction, locked: _Locked, now: int) -> Erased:
    """Erase these deliveries, which the transaction has locked, and the answers of their attempts."""
    keys = [each[:2] for each in locked]
    rows = bulk(
        transaction,
        f"""
        UPDATE deliveries SET event = '{ERASED_EVENT}', message_id = '', recipient = NULL, body = NULL,
            callback_url = CASE WHEN webhook_id IS NULL THEN destination ELSE callback_url END,
            state = CASE WHEN {_WAITS} THEN '{State.CANCELLED}' ELSE state END,
            state_detail = CASE WHEN {_WAITS} THEN '{ERASED}' ELSE state_detail END,
            due_at = CASE WHEN {_WAITS} THEN NULL ELSE due_at END
        FROM {{given}} WHERE deliveries.account_id = given.account_id AND deliveries.id = given.id
        RETURNING deliveries.account_id, deliveries.state_detail, deliveries.test
        """,
        _KEY,
        keys,
    )
    bulk(
        transaction,
        "UPDATE attempts SET response = NULL, detail = NULL FROM {given} "
        "WHERE attempts.account_id = given.account_id AND attempts.delivery_id = given.id",
        _KEY,
        keys,
    )
    cancelled = [row for row in rows if row.state_detail == ERASED]
    counts = Counter(Cell(row.account_id, now // HOUR, Kind.CANCELLED) for row in cancelled if not row.test)
    statistics.add(transaction, counts)
    return Erased(len(rows), len(cancelled))
