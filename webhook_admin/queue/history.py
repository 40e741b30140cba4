"""What became of events: deliveries and their attempts, as people look at them."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, select

from webhook_admin import formats
from webhook_admin.db import Page, page
from webhook_admin.errors import DeliveryNotFound
from webhook_admin.events import Event
from webhook_admin.models import attempts, deliveries, lanes, webhooks
from webhook_admin.queue.clock import moment


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way. `attempts` counts those that have been begun; times are UTC."""

    id: str
    account_id: str
    message_id: str
    event_id: str
    status: str
    state: str
    state_detail: str | None
    callback_url: str | None
    payload_format: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request. Without an answer there is no status code and no response."""

    number: int
    started_at: datetime
    duration_ms: int | None
    outcome: str
    status_code: int | None
    response: str | None


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
    attempts: int
    created_at: int
    due_at: int | None
    paused_until: int | None


_ELSEWHERE: dict[str, ColumnElement[Any]] = {
    # Where nothing has been sent yet, it would go to the webhook as it is now.
    "callback_url": func.coalesce(deliveries.c.callback_url, webhooks.c.callback_url).label("callback_url"),
    "webhook_format": webhooks.c.payload_format.label("webhook_format"),
    "paused_until": lanes.c.paused_until,
}
_ROWS = (
    select(*(_ELSEWHERE[name] if name in _ELSEWHERE else deliveries.c[name] for name in _Row._fields))
    .select_from(deliveries)
    .outerjoin(
        webhooks, and_(webhooks.c.account_id == deliveries.c.account_id, webhooks.c.id == deliveries.c.webhook_id)
    )
    .outerjoin(
        lanes, and_(lanes.c.account_id == deliveries.c.account_id, lanes.c.destination == deliveries.c.destination)
    )
)


def list_deliveries(
    connection: Connection,
    account_id: str | None,
    state: str | None,
    message_id: str | None,
    after: str | None,
    limit: int,
) -> Page[Delivery]:
    """A page of the deliveries that fit, in the order in which their events came in."""
    wanted = {"account_id": account_id, "state": state, "message_id": message_id}
    rows = _ROWS.where(*(deliveries.c[name] == value for name, value in wanted.items() if value is not None))
    return page(connection, rows, deliveries.c.id, after, limit, _delivery)


def get(connection: Connection, delivery_id: str) -> tuple[Delivery, list[Attempt]]:
    """The delivery of this id, with its attempts. Raises `DeliveryNotFound`."""
    # PostgreSQL would fail at a NUL instead of finding nothing.
    found = _DELIVERY_ID.fullmatch(delivery_id)
    row = connection.execute(_ROWS.where(deliveries.c.id == delivery_id)).one_or_none() if found else None
    if row is None:
        raise DeliveryNotFound
    delivery = _delivery(*row)
    rows = connection.execute(
        select(attempts)
        .where(attempts.c.account_id == delivery.account_id, attempts.c.delivery_id == delivery.id)
        .order_by(attempts.c.number)
    )
    return delivery, [
        Attempt(row.number, moment(row.started_at), row.duration_ms, row.outcome, row.status_code, row.response)
        for row in rows
    ]


def _delivery(*columns: Any) -> Delivery:
    row = _Row(*columns)
    event = Event.from_json(row.event)
    return Delivery(
        row.id,
        row.account_id,
        row.message_id,
        row.event_id,
        event.status,
        row.state,
        row.state_detail,
        row.callback_url,
        row.payload_format or event.payload_format or row.webhook_format or formats.DEFAULT,
        row.attempts,
        moment(row.created_at),
        moment(max(row.due_at, row.paused_until or 0)) if row.due_at is not None else None,
    )
