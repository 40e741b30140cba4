"""A delivery's way, in the order of time: accepted, attempted, resent, and what is next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from webhook_admin.portal.words import span
from webhook_admin.queue.clock import milliseconds
from webhook_admin.queue.history import Attempt, DeliveryWithAttempts
from webhook_admin.sender.request import Outcome


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to the delivery, in a sentence; `kind` is for its looks."""

    at: datetime
    kind: str
    said: str
    attempt: Attempt | None = None
    hint: str | None = None


def steps(delivery: DeliveryWithAttempts, resent_at: datetime | None) -> list[Step]:
    """All that is on record, the oldest first. Of several resends the latest is."""
    return sorted(_steps(delivery, resent_at), key=lambda step: step.at)


def coming(delivery: DeliveryWithAttempts, now: datetime) -> str | None:
    """What is next, in a sentence; None if it has ended."""
    if delivery.next_attempt_at is None:
        return None
    if delivery.attempt_count > len(delivery.attempts):
        return f"Attempt {delivery.attempt_count} is in flight."
    number = delivery.attempt_count + 1
    left = milliseconds(delivery.next_attempt_at) - milliseconds(now)
    return (
        f"Attempt {number} comes in {span(left)}." if left > 0 else f"Attempt {number} comes as soon as it is its turn."
    )


def _steps(delivery: DeliveryWithAttempts, resent_at: datetime | None) -> Iterator[Step]:
    yield Step(delivery.created_at, "accepted", "Accepted.")
    if resent_at is not None:
        yield Step(resent_at, "resent", "Resent: queued again, with the whole retry schedule before it.")
    for place, attempt in enumerate(delivery.attempts):
        began = resent_at if resent_at and attempt.started_at >= resent_at else delivery.created_at
        # Of attempts that fail for the same reason, the last says what to do.
        is_repeated = any(later.hint == attempt.hint for later in delivery.attempts[place + 1 : place + 2])
        hint = None if is_repeated else attempt.hint
        yield Step(attempt.started_at, _kind(attempt), _sentence(attempt, began), attempt, hint)


def _kind(attempt: Attempt) -> str:
    return "delivered" if attempt.outcome == Outcome.DELIVERED else "failed"


def _sentence(attempt: Attempt, began: datetime) -> str:
    if attempt.outcome != Outcome.DELIVERED:
        return f"Attempt {attempt.number}: {attempt.detail or 'it is not known what came of it.'}"
    took = attempt.duration_ms or 0
    whole = milliseconds(attempt.started_at) - milliseconds(began) + took
    return (
        f"Attempt {attempt.number}: acknowledged with {attempt.status_code} within {span(took)}, {span(whole)} in all."
    )
