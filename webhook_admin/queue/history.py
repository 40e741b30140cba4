"""What became of events: deliveries and their attempts, as people look at them."""

import re
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from webhook_admin import formats
from webhook_admin.db import Page, page
from webhook_admin.errors import DeliveryNotFound
from webhook_admin.events import Event
from webhook_admin.ids import first_id
from webhook_admin.models import attempts, deliveries, lanes, webhooks
from webhook_admin.queue.clock import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way. Times are UTC.

    `event` is None where what is stored cannot be read. `attempt_count` counts the attempts that have begun;
    `last_outcome` and `last_status_code` are those of the latest attempt that has ended.
    """

    id: str
    account_id: str
    message_id: str
    event_id: str
    event: Event | None
    state: str
    state_detail: str | None
    callback_url: str | None
    payload_format: str
    test: bool
    attempt_count: int
    created_at: datetime
    next_attempt_at: datetime | None
    last_outcome: str | None
    last_status_code: int | None

    @property
    def channel(self) -> str | None:
        """How the message travels."""
        return self.event.channel if self.event else None

    @property
    def status(self) -> str | None:
        """What had become of the message."""
        return self.event.status if self.event else None

    @property
    def timestamp(self) -> str | None:
        """When that was, as the platform wrote it."""
        return self.event.timestamp if self.event else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request: the columns of `attempts` that people see. Without an answer there is no status code.

    `detail` says what went wrong, `hint` what to do about it; a delivered one has neither.
    """

    number: int
    started_at: datetime
    duration_ms: int | None
    outcome: str
    status_code: int | None
    response: str | None
    detail: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deliveries to list: those that fit everything that is given.

    `status` is the event's. `since` is the first moment at which they came in, `until` the first at which they did not.
    """

    account_id: str | None = None
    states: Collection[str] = ()
    status: str | None = None
    message_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What to select deliveries by."""
        chosen: list[ColumnElement[bool]] = []
        if self.account_id is not None:
            chosen.append(deliveries.c.account_id == self.account_id)
        if self.states:
            chosen.append(deliveries.c.state.in_(self.states))
        if self.status is not None:
            # `Event.to_json` writes these two next to each other, and a quotation mark inside a string as `\"`.
            chosen.append(deliveries.c.event.contains(f'"status": "{self.status}", "timestamp": "', autoescape=True))
        if self.message_id is not None:
            chosen.append(deliveries.c.message_id == self.message_id)
        # Ids begin with the time, and unlike the times themselves have an index.
        if self.since is not None:
            chosen.append(deliveries.c.id >= first_id("dlv", self.since))
        if self.until is not None:
            chosen.append(deliveries.c.id < first_id("dlv", self.until))
        return chosen


_DELIVERY_ID = re.compile(r"dlv_[0-9a-f]{32}")


class _Row(NamedTuple):
    id: str
    account_id: str
    message_id: str
    event_id: str
    event: str
    state: str
    state_detail: str | None
    callback_url: str | None
    payload_format: str | None
    webhook_format: str | None
    test: bool
    attempts: int
    created_at: int
    due_at: int | None
    paused_until: int | None
    outcome: str | None
    status_code: int | None


_ELSEWHERE: dict[str, ColumnElement[Any]] = {
    # Where nothing has been sent yet, it would go to the webhook as it is now.
    "callback_url": func.coalesce(deliveries.c.callback_url, webhooks.c.callback_url).label("callback_url"),
    "webhook_format": webhooks.c.payload_format.label("webhook_format"),
    "paused_until": lanes.c.paused_until,
    "outcome": attempts.c.outcome,
    "status_code": attempts.c.status_code,
}
_ROWS = (
    select(*(_ELSEWHERE[name] if name in _ELSEWHERE else deliveries.c[name] for name in _Row._fields))
    .select_from(deliveries)
    .outerjoin(
        webhooks,
        and_(
            webhooks.c.account_id == deliveries.c.account_id,
            # What goes to a callback URL of its own is written in the webhook's format, too, if it has none.
            or_(deliveries.c.webhook_id.is_(None), webhooks.c.id == deliveries.c.webhook_id),
        ),
    )
    .outerjoin(
        lanes, and_(lanes.c.account_id == deliveries.c.account_id, lanes.c.destination == deliveries.c.destination)
    )
    # The latest attempt that is on record. While another one is in flight, its number is already in `attempts`.
    .outerjoin(
        attempts,
        and_(
            attempts.c.account_id == deliveries.c.account_id,
            attempts.c.delivery_id == deliveries.c.id,
            attempts.c.number == deliveries.c.recorded,
        ),
    )
)
_ATTEMPTS = select(*(attempts.c[column.name] for column in fields(Attempt)))


def list_deliveries(
    connection: Connection, wanted: Filter, after: str | None, limit: int, *, oldest_first: bool = False
) -> Page[Delivery]:
    """A page of the deliveries that fit, the newest first, or the oldest."""
    rows = _ROWS.where(*wanted.conditions())
    return page(connection, rows, deliveries.c.id, after, limit, _delivery, descending=not oldest_first)


def get(connection: Connection, delivery_id: str) -> tuple[Delivery, list[Attempt]]:
    """The delivery of this id, with its attempts. Raises `DeliveryNotFound`."""
    # PostgreSQL would fail at a NUL instead of finding nothing.
    found = _DELIVERY_ID.fullmatch(delivery_id)
    row = connection.execute(_ROWS.where(deliveries.c.id == delivery_id)).one_or_none() if found else None
    if row is None:
        raise DeliveryNotFound
    delivery = _delivery(*row)
    rows = connection.execute(
        _ATTEMPTS.where(attempts.c.account_id == delivery.account_id, attempts.c.delivery_id == delivery.id).order_by(
            attempts.c.number
        )
    )
    return delivery, [Attempt(**{**row._mapping, "started_at": moment(row.started_at)}) for row in rows]


def _delivery(*columns: Any) -> Delivery:
    row = _Row(*columns)
    event = _event(row.event)
    return Delivery(
        id=row.id,
        account_id=row.account_id,
        message_id=row.message_id,
        event_id=row.event_id,
        event=event,
        state=row.state,
        state_detail=row.state_detail,
        callback_url=row.callback_url,
        payload_format=row.payload_format or (event and event.payload_format) or row.webhook_format or formats.DEFAULT,
        test=row.test,
        attempt_count=row.attempts,
        created_at=moment(row.created_at),
        next_attempt_at=moment(max(row.due_at, row.paused_until or 0)) if row.due_at is not None else None,
        last_outcome=row.outcome,
        last_status_code=row.status_code,
    )


def _event(text: str) -> Event | None:
    try:
        return Event.from_json(text)
    except (ValueError, TypeError):
        # One row that is damaged, or was written by a newer version, must not hide all others.
        return None
