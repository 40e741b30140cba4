"""Tables by which a payload format says what has become of a message: one row for a status, or for it and a reason."""

from collections.abc import Mapping
from typing import TypeVar

from webhook_admin.events import UNSUCCESSFUL, Event

T = TypeVar("T")
Rows = Mapping[tuple[str, str | None], T]
"""What a format says, by status and reason. The reason is `None` in the row for the status alone."""


def find(rows: Rows[T], event: Event) -> T | None:
    """What the rows say of an event; where they do not list its reason, what they say of its status alone."""
    return rows.get((event.status, event.reason), rows.get((event.status, None)))


def with_any_status(said: Mapping[str, T]) -> Rows[T]:
    """Rows of what is said of a reason, whichever status it comes with."""
    return {(status, reason): value for reason, value in said.items() for status in UNSUCCESSFUL}
