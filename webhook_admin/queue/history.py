"""What became of events: deliveries and their attempts, as people look at them."""

import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from webhook_admin import formats
from webhook_admin.db import Page
from webhook_admin.db.bulk import among
from webhook_admin.errors import DeliveryNotFound
from webhook_admin.events import Event
from webhook_admin.models import accounts, attempts, deliveries, lanes, webhooks
from webhook_admin.queue import selection
from webhook_admin.queue.clock import moment
from webhook_admin.queue.selection import Filter


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way. Times are UTC.

    `event` is None where what is stored cannot be read; `channel` and `status` are the event's. `attempt_count` counts
    the attempts that have begun; `last_outcome` and `last_status_code` are those of the latest one that has ended.
    """

    id: str
    account_id: str
    message_id: str
    event_id: str
    channel: str | None
    status: str | None
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
    def timestamp(self) -> str | None:
        """When the message had this status, as the platform wrote it."""
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
class DeliveryWithAttempts(Delivery):
    """A delivery with the attempts that are on record, in their order."""

    attempts: list[Attempt]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the later attempts of a delivery go by: the body, kept once an attempt has failed, and the latest resend."""

    body: str | None
    resent_at: datetime | None


_DELIVERY_ID = re.compile(r"dlv_[0-9a-f]{32}")


class _Row(NamedTuple):
    id: str
    account_id: str
    message_id: str
    event_id: str
    channel: str
    status: str
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
_OF_ACCOUNT = exists().where(
    accounts.c.id == deliveries.c.account_id, accounts.c.created_at == deliveries.c.account_created_at
)
_ATTEMPTS = select(*(attempts.c[column.name] for column in fields(Attempt)))


def list_deliveries(
    connection: Connection, wanted: Filter, after: str | None, limit: int, *, oldest_first: bool = False
) -> Page[Delivery]:
    """A page of the deliveries that fit, the newest first, or the oldest.

    A delivery that ceases to fit while the page is read is left out of it.
    """
    chosen = selection.first(connection, wanted, after, limit + 1, oldest_first=oldest_first)
    ids = [each.id for each in chosen[:limit]]
    order = deliveries.c.id if oldest_first else deliveries.c.id.desc()
    found = _ROWS.where(among(connection, deliveries.c.id, ids), *wanted.conditions()).order_by(order)
    rows = connection.execute(found.execution_options(replan=True))
    return Page([_delivery(*row) for row in rows], ids[-1] if len(chosen) > limit else None)


def get(connection: Connection, delivery_id: str, account_id: str | None = None) -> DeliveryWithAttempts:
    """The delivery of this id, with its attempts. Raises `DeliveryNotFound`.

    With `account_id` only if it is that account's, and no account's of the same id that was deleted before.
    """
    # PostgreSQL would fail at a NUL instead of finding nothing.
    if not is_id(delivery_id):
        raise DeliveryNotFound
    chosen = _ROWS.where(deliveries.c.id == delivery_id)
    if account_id is not None:
        chosen = chosen.where(deliveries.c.account_id == account_id, _OF_ACCOUNT)
    row = connection.execute(chosen).one_or_none()
    if row is None:
        raise DeliveryNotFound
    delivery = _delivery(*row)
    rows = connection.execute(
        _ATTEMPTS.where(attempts.c.account_id == delivery.account_id, attempts.c.delivery_id == delivery.id).order_by(
            attempts.c.number
        )
    )
    made = [Attempt(**{**row._mapping, "started_at": moment(row.started_at)}) for row in rows]
    values = {field.name: getattr(delivery, field.name) for field in fields(Delivery)}
    return DeliveryWithAttempts(**values, attempts=made)


def kept(connection: Connection, delivery: Delivery) -> Kept:
    """What is kept of the delivery. Raises `DeliveryNotFound`."""
    own = (deliveries.c.account_id == delivery.account_id, deliveries.c.id == delivery.id)
    row = connection.execute(select(deliveries.c.body, deliveries.c.resent_at).where(*own)).one_or_none()
    if row is None:
        raise DeliveryNotFound
    return Kept(row.body, None if row.resent_at is None else moment(row.resent_at))


def is_id(text: str) -> bool:
    """Whether the text can be a delivery's id."""
    return bool(_DELIVERY_ID.fullmatch(text))


def _delivery(*columns: Any) -> Delivery:
    row = _Row(*columns)
    event = _event(row.event)
    return Delivery(
        id=row.id,
        account_id=row.account_id,
        message_id=row.message_id,
        event_id=row.event_id,
        channel=row.channel or None,
        status=row.status or None,
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
