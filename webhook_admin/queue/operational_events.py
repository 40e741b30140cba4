"""Operational events: what the platform is told of its customers' receivers, in a lane of their own."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from webhook_admin.db import Transaction
from webhook_admin.db.bulk import bulk
from webhook_admin.ids import new_id
from webhook_admin.queue import clock, lanes
from webhook_admin.queue.clock import HOUR
from webhook_admin.queue.lanes import OPERATIONS

# The first moment of all: there is no account that was created.
_NEVER = clock.moment(0)
_FAR_FUTURE = 1 << 62
_ACCOUNT = OPERATIONS.account_id


class Kind(StrEnum):
    """What an operational event says."""

    FAILING = "webhook.failing"
    """The webhook's receiver has failed so often in a row that it is given a pause. Once in a time of failing."""
    RECOVERED = "webhook.recovered"
    """It has acknowledged a notification, for the first time since the platform was told that it is failing."""
    DISABLED = "webhook.disabled"
    """The webhook is disabled: its receiver is gone, or has failed for too long."""
    DELIVERY_FAILED = "delivery.failed"
    """A delivery has failed for good."""


# At most one of these in an hour about a webhook, or about the per-message URLs of an origin.
_HOURLY = {Kind.FAILING, Kind.DELIVERY_FAILED}


class OperationalEvent(Struct, frozen=True, kw_only=True):
    """Something that has happened to `subject`, a webhook's id or an account's per-message origin, at a time (ms).

    Of the same kind, subject and `occasion` there is one event, however often it is noted. `data` is for the platform,
    and has nothing of a recipient: an erasure does not look here.
    """

    kind: Kind
    subject: str
    occasion: str
    at: int
    data: Mapping[str, Any]

    @property
    def topic(self) -> str:
        """Its kind and subject."""
        return f"{self.kind}/{self.subject}"

    def to_json(self) -> str:
        """The body of its notification: `type`, `timestamp` and `data`, as Standard Webhooks recommend."""
        body = {"type": self.kind, "timestamp": clock.text(self.at), "data": self.data}
        return msgspec.json.encode(body).decode()


def store(transaction: Transaction, events: Sequence[OperationalEvent]) -> bool:
    """Store the events that the platform is to be told, and say whether there are any: their lane is then made due.

    Those are left out that are stored already, a second one of an hour, and a recovery from what nobody was told of.
    Locks no lane, as the transaction may hold others.
    """
    # In an order that all dispatchers share: two of them cannot deadlock.
    ordered = sorted(events, key=lambda each: (each.topic, each.at, each.occasion))
    recoveries = [each for each in ordered if each.kind is Kind.RECOVERED]
    # A recovery may be from what was stored just before.
    stored = [_store(transaction, _first(each for each in ordered if each.kind is not Kind.RECOVERED))]
    stored.append(_store(transaction, recoveries))
    return any(stored)


def _store(transaction: Transaction, events: Sequence[OperationalEvent]) -> bool:
    rows = bulk(
        transaction,
        f"""
        INSERT INTO deliveries (account_id, id, account_created_at, destination, event_id, message_id, recipient, event,
                                state, due_at, attempts, recorded, created_at)
        SELECT '{_ACCOUNT}', id, :never, '{OPERATIONS.destination}', event_id, message_id, NULL, event,
            'PENDING', at, 0, 0, at
        FROM {{given}}
        WHERE NOT EXISTS (
            SELECT 1 FROM deliveries AS recent
            WHERE recent.message_id = given.message_id AND recent.account_id = '{_ACCOUNT}'
                AND recent.created_at > given.not_since
        ) AND (given.answers = '' OR EXISTS (
            SELECT 1 FROM deliveries AS earlier
            WHERE earlier.message_id = given.answers AND earlier.account_id = '{_ACCOUNT}'
                AND earlier.created_at > coalesce((
                    SELECT max(latest.created_at) FROM deliveries AS latest
                    WHERE latest.message_id = given.message_id AND latest.account_id = '{_ACCOUNT}'
                ), 0)
        ))
        ON CONFLICT (account_id, account_created_at, event_id) DO NOTHING
        RETURNING id
        """,
        dict.fromkeys(("id", "event_id", "message_id", "event", "answers"), "text")
        | {"not_since": "bigint", "at": "bigint"},
        [
            (
                new_id("dlv"),
                f"{each.topic}/{each.occasion}",
                each.topic,
                each.to_json(),
                f"{Kind.FAILING}/{each.subject}" if each.kind is Kind.RECOVERED else "",
                each.at - HOUR if each.kind in _HOURLY else _FAR_FUTURE,
                each.at,
            )
            for each in events
        ],
        never=_NEVER,
    )
    return bool(rows)


def make_due(transaction: Transaction, now: int) -> None:
    """Make the lane due, and wake the dispatchers."""
    lanes.put(transaction, {OPERATIONS}, now)


def _first(events: Iterable[OperationalEvent]) -> list[OperationalEvent]:
    """The events without those that come at most once in an hour, and are about the same as one before."""
    found: dict[str, OperationalEvent] = {}
    for each in events:
        found.setdefault(each.topic if each.kind in _HOURLY else f"{each.topic}/{each.occasion}", each)
    return list(found.values())
