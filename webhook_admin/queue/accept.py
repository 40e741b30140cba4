"""Accepting events: every one that has somewhere to go becomes a delivery, pending in its lane."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from webhook_admin import callback_urls
from webhook_admin.db import Transaction
from webhook_admin.db.bulk import bulk
from webhook_admin.errors import EventConflict, InvalidInput
from webhook_admin.events import Event
from webhook_admin.field_errors import FieldError
from webhook_admin.ids import new_id
from webhook_admin.models import accounts, webhooks
from webhook_admin.queue import lanes
from webhook_admin.queue.clock import milliseconds
from webhook_admin.queue.deliveries import ERASED_EVENT
from webhook_admin.queue.lanes import Key


@dataclass(frozen=True, slots=True)
class Accepted:
    """The counts of a batch: events that are new, that were on record, and that have nowhere to go."""

    accepted: int
    duplicates: int
    unrouted: int


class _Routed(NamedTuple):
    """An event that has somewhere to go, and the delivery that it is to become."""

    event: Event
    destination: str
    webhook_id: str | None
    delivery_id: str


def accept(transaction: Transaction, events: Sequence[Event], now: datetime) -> Accepted:
    """Store the events, all of them or none, and wake the dispatchers.

    Raises `InvalidInput`, naming each event of an unknown account by its index, and `EventConflict` for an event whose
    id is on record for its account with other content; the caller then has to roll back.
    """
    (accepted,) = accept_together(transaction, [events], now)
    return accepted


def accept_together(transaction: Transaction, batches: Sequence[Sequence[Event]], now: datetime) -> list[Accepted]:
    """Store several batches of events as if one after the other, and as fast as one; what became of each.

    Errors are those of `accept`, with the index of an event among those of all batches.
    """
    events = [event for batch in batches for event in batch]
    webhook_ids = _webhook_ids(transaction, {event.account_id for event in events})
    _require_accounts(events, webhook_ids)
    distinct = _distinct(events)
    routed = [found for event in distinct if (found := _route(event, webhook_ids[event.account_id]))]
    stored = _store(transaction, routed, milliseconds(now))
    on_record = _on_record(transaction, [event for event in distinct if _key(event) not in stored])
    lanes.put(transaction, {Key(account_id, lane) for (account_id, _), lane in stored.items()}, milliseconds(now))
    return list(_counted(batches, set(stored), on_record))


def _counted(
    batches: Iterable[Sequence[Event]], new: set[tuple[str, str]], on_record: set[tuple[str, str]]
) -> Iterator[Accepted]:
    """What became of each batch; an event in several of them is new in the first, and a duplicate from then on."""
    for batch in batches:
        keys = {_key(event) for event in batch}
        unrouted = sum(_key(event) not in new and _key(event) not in on_record for event in batch)
        accepted = len(keys & new)
        yield Accepted(accepted, len(batch) - accepted - unrouted, unrouted)
        on_record |= keys & new
        new -= keys


def _webhook_ids(connection: Connection, account_ids: Collection[str]) -> dict[str, str | None]:
    """The id of each account's webhook; accounts that do not exist are left out."""
    rows = connection.execute(
        select(accounts.c.id, webhooks.c.id)
        .outerjoin_from(accounts, webhooks, accounts.c.id == webhooks.c.account_id)
        .where(accounts.c.id.in_(account_ids))
    )
    return {row[0]: row[1] for row in rows}


def _require_accounts(events: Sequence[Event], known: Collection[str]) -> None:
    unknown = [place for place, event in enumerate(events) if event.account_id not in known]
    if unknown:
        message = "There is no account with this id."
        raise InvalidInput([FieldError(f"events.{place}.accountId", "unknown_account", message) for place in unknown])


def _route(event: Event, webhook_id: str | None) -> _Routed | None:
    if event.callback_url is not None:
        origin = callback_urls.parse(event.callback_url, callback_urls.EVERYWHERE).origin
        return _Routed(event, origin, None, new_id("dlv"))
    return _Routed(event, lanes.WEBHOOK, webhook_id, new_id("dlv")) if webhook_id else None


def _distinct(events: Iterable[Event]) -> list[Event]:
    """Each event once, in the order in which they came: so are the ids of their deliveries."""
    found: dict[tuple[str, str], Event] = {}
    for event in events:
        _require_same(found.setdefault(_key(event), event), event)
    return list(found.values())


def _store(connection: Connection, routed: Sequence[_Routed], now: int) -> dict[tuple[str, str], str]:
    """Make deliveries of the events that are not on record; the destination of each of these by its event's key."""
    rows = bulk(
        connection,
        """
        INSERT INTO deliveries (account_id, id, account_created_at, destination, event_id, message_id, channel, status,
                                recipient, event, webhook_id, callback_url, state, due_at, attempts, recorded,
                                created_at)
        SELECT account_id, given.id, accounts.created_at, destination, event_id, message_id, channel, status,
               recipient, event, webhook_id, callback_url, 'PENDING', :now, 0, 0, :now
        FROM {given} JOIN accounts ON accounts.id = account_id WHERE true
        ON CONFLICT (account_id, account_created_at, event_id) DO NOTHING
        RETURNING account_id, event_id, destination
        """,
        dict.fromkeys(_COLUMNS, "text"),
        [
            (
                each.event.account_id,
                each.delivery_id,
                each.destination,
                each.event.id,
                each.event.message_id,
                each.event.channel,
                each.event.status,
                each.event.to,
                each.event.to_json(),
                each.webhook_id,
                each.event.callback_url,
            )
            # In the order of their keys: two batches that insert the same events cannot deadlock.
            for each in sorted(routed, key=lambda each: _key(each.event))
        ],
        now=now,
    )
    return {(row.account_id, row.event_id): row.destination for row in rows}


def _on_record(connection: Connection, events: Sequence[Event]) -> set[tuple[str, str]]:
    """The keys of those events that are on record. Raises `EventConflict` if one is with other content."""
    rows = bulk(
        connection,
        """
        SELECT account_id, event_id, event FROM {given}
            JOIN deliveries USING (account_id, event_id)
            JOIN accounts ON accounts.id = account_id AND accounts.created_at = account_created_at
        """,
        {"account_id": "text", "event_id": "text"},
        [_key(event) for event in events],
    )
    found = {(row.account_id, row.event_id): row.event for row in rows}
    for event in events:
        # What was erased cannot be compared, and must not come back.
        if _key(event) in found and found[_key(event)] != ERASED_EVENT:
            _require_same(_readable(found[_key(event)]), event)
    return set(found)


def _readable(stored: str) -> Event | None:
    """The event; None if it was damaged in the store, and so is the same as no other."""
    try:
        return Event.from_json(stored)
    except ValueError:
        return None


def _require_same(known: Event | None, event: Event) -> None:
    if known != event:
        raise EventConflict(event.id, event.account_id)


def _key(event: Event) -> tuple[str, str]:
    return event.account_id, event.id


_COLUMNS = (
    "account_id",
    "id",
    "destination",
    "event_id",
    "message_id",
    "channel",
    "status",
    "recipient",
    "event",
    "webhook_id",
    "callback_url",
)
