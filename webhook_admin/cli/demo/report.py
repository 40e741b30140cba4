"""What has come of it, by the service's records and by the receiver's."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from webhook_admin.cli.receive.server import Arrival
from webhook_admin.db import Database
from webhook_admin.queue import history
from webhook_admin.queue.deliveries import State
from webhook_admin.queue.history import Delivery, DeliveryWithAttempts
from webhook_admin.queue.selection import Filter
from webhook_admin.web import delivery_schemas

T = TypeVar("T")

_PATIENCE = 10  # seconds
_LOOK_EVERY = 0.01  # seconds


@dataclass(frozen=True, slots=True)
class Report:
    """How many events were sent, the requests that the receiver got, and the deliveries on record."""

    events: int
    arrivals: Sequence[Arrival]
    deliveries: Sequence[DeliveryWithAttempts]

    def rows(self) -> Iterator[tuple[str, ...]]:
        """A table of the deliveries, with its header."""
        yield "message", "status", "state", "attempts", "outcomes"
        for delivery in self.deliveries:
            outcomes = ", ".join(f"{attempt.outcome} ({attempt.status_code})" for attempt in delivery.attempts)
            yield delivery.message_id, delivery.status or "-", delivery.state, str(len(delivery.attempts)), outcomes

    def figures(self) -> dict[str, int]:
        """How many there were of what."""
        genuine = [arrival for arrival in self.arrivals if not arrival.fault]
        return {
            "eventsSent": self.events,
            "requestsReceived": len(self.arrivals),
            "verified": len(genuine),
            "retried": len(genuine) - len({arrival.id for arrival in genuine}),
            "forged": len(self.arrivals) - len(genuine),
        }

    def as_json(self) -> dict[str, Any]:
        """The figures, and the deliveries as `deliveries show --json` has them."""
        schema = delivery_schemas.DeliveryWithAttempts(many=True)
        return self.figures() | {"deliveries": schema.dump(self.deliveries)}


def attempted(database: Database, delivery_id: str) -> Delivery:
    """The delivery, as soon as an attempt is on record. Raises `ClickException` if that does not come about."""

    def look() -> Delivery | None:
        with database.connect() as connection:
            delivery = history.get(connection, delivery_id)
        return delivery if delivery.attempts else None

    return _wait_for(look)


def concluded(database: Database) -> list[DeliveryWithAttempts]:
    """All deliveries, as soon as none is pending. Raises `ClickException` if that does not come about."""

    def look() -> list[DeliveryWithAttempts] | None:
        with database.connect() as connection:
            found = history.list_deliveries(connection, Filter(), None, 100, oldest_first=True).items
            if any(delivery.state == State.PENDING for delivery in found):
                return None
            return [history.get(connection, delivery.id) for delivery in found]

    return _wait_for(look)


def _wait_for(look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(_LOOK_EVERY)
    raise click.ClickException(f"The service has put nothing new on record for {_PATIENCE} seconds.")
