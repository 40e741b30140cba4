"""A delivery's way, in the order of time: accepted, attempted, resent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from webhook_admin.queue.clock import milliseconds
from webhook_admin.queue.history import Attempt, DeliveryWithAttempts
from webhook_admin.sender.request import Outcome


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to the delivery: `accepted`, `resent`, or an attempt that has `delivered` it or `failed`.

    Of attempts in a row that have the same hint, the last one shows it. `whole` is from acceptance or resend on, in ms.
    """

    at: datetime
    kind: str
    attempt: Attempt | None = None
    hint: str | None = None
    whole: int = 0


def steps(delivery: DeliveryWithAttempts, resent_at: datetime | None) -> list[Step]:
    """All that is on record, the oldest first. Of several resends the latest is."""
    return sorted(_steps(delivery, resent_at), key=attrgetter("at"))


def _steps(delivery: DeliveryWithAttempts, resent_at: datetime | None) -> Iterator[Step]:
    yield Step(delivery.created_at, "accepted")
    if resent_at is not None:
        yield Step(resent_at, "resent")
    for place, attempt in enumerate(delivery.attempts):
        began = resent_at if resent_at and attempt.started_at >= resent_at else delivery.created_at
        is_repeated = any(later.hint == attempt.hint for later in delivery.attempts[place + 1 : place + 2])
        yield Step(
            at=attempt.started_at,
            kind="delivered" if attempt.outcome == Outcome.DELIVERED else "failed",
            attempt=attempt,
            hint=None if is_repeated else attempt.hint,
            whole=milliseconds(attempt.started_at) - milliseconds(began) + (attempt.duration_ms or 0),
        )
