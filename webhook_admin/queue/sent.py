"""The body that was sent for a delivery, for a receiver that compares it with what came in."""

import re
from dataclasses import dataclass

from sqlalchemy import Connection, select

from webhook_admin import formats
from webhook_admin.events import Event
from webhook_admin.models import deliveries

_DELIVERY_ID = re.compile(r"dlv_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery that is on record. `body` is None before the first attempt, and if the event is not readable."""

    body: bytes | None


def find(connection: Connection, account_id: str, delivery_id: str) -> Sent | None:
    """What was sent for the account's delivery of this id; None if the account has no such delivery."""
    if not _DELIVERY_ID.fullmatch(delivery_id):
        return None
    chosen = select(deliveries.c.body, deliveries.c.payload_format, deliveries.c.event).where(
        deliveries.c.account_id == account_id, deliveries.c.id == delivery_id
    )
    row = connection.execute(chosen).one_or_none()
    return Sent(_body(*row)) if row else None


def _body(body: str | None, payload_format: str | None, event: str) -> bytes | None:
    """The body as it is kept after a failure, or as the format writes it again: the same event gives the same bytes."""
    if body is not None:
        return body.encode()
    try:
        return formats.render(payload_format, Event.from_json(event)) if payload_format in formats.FORMATS else None
    except ValueError:
        return None
