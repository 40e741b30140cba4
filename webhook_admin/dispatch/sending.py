"""One attempt: from a delivery that is due to a request, and from its result to what goes on record."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from webhook_admin.dispatch import decide, notification
from webhook_admin.events import Event
from webhook_admin.queue import clock
from webhook_admin.queue.attempts import Attempt, Begun
from webhook_admin.queue.deliveries import Due, Next, State
from webhook_admin.sender.sender import Outcome, Request, Result

_PUT_OFF = 600 * clock.SECOND
log = structlog.get_logger()


@dataclass(slots=True)
class Sending:
    """A delivery as it was before the attempt, the attempt as it is counted, and the request that is to be made."""

    due: Due
    begun: Begun
    request: Request
    started_at: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """What is to be recorded of an attempt.

    `gone` is account, id and revision of a webhook whose receiver has said that it is gone for good.
    """

    due: Due
    attempt: Attempt
    next: Next
    gone: tuple[str, str, int] | None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has acknowledged."""
        return self.next.state is State.DELIVERED


def prepare(due: Due, limits: decide.Limits, decrypt: Callable[[bytes], str], now: int) -> Sending | Next:
    """The request for the delivery's next attempt; or what becomes of it without one."""
    try:
        event = Event.from_json(due.event)
        target = decide.before(due, event, limits, now)
        if isinstance(target, Next):
            return target
        url, payload_format, encrypted = target
        secret = decrypt(encrypted) if encrypted else None
        request = notification.write(event, payload_format, url, secret, due.id, now // clock.SECOND)
    except Exception:
        # A format's mistake, an unreadable secret: whatever is wrong with one delivery must not stop the others.
        log.exception("not_sendable", account_id=due.account_id, delivery_id=due.id)
        return Next(due.account_id, due.id, due.attempts, State.PENDING, "It could not be written.", now + _PUT_OFF)
    if request is None:
        return decide.skip(due, event, payload_format)
    return Sending(due, Begun(due.account_id, due.id, due.attempts + 1, now, url, payload_format), request)


def unknown(due: Due) -> Attempt:
    """The attempt that another dispatcher has begun, and has died over."""
    return Attempt(
        due.account_id, due.id, due.attempts, due.begun_at or due.created_at, None, Outcome.UNKNOWN, None, None
    )


def conclude(sending: Sending, result: Result, limits: decide.Limits, now: int) -> Ended:
    """What to record of the attempt, which is also logged."""
    due, number = sending.due, sending.begun.attempts
    next_ = decide.after(due, result, limits, now, random.random)
    attempt = Attempt(
        due.account_id,
        due.id,
        number,
        sending.started_at,
        result.duration_ms,
        result.outcome,
        result.status_code,
        result.response,
    )
    # What has failed for good is an operator's business: nothing goes on by itself.
    write = log.warning if next_.state is State.FAILED else log.info
    write(
        "attempt",
        account_id=due.account_id,
        delivery_id=due.id,
        number=number,
        outcome=result.outcome.value,
        status_code=result.status_code,
        duration_ms=result.duration_ms,
        state=next_.state.value,
        next_attempt_at=clock.moment(next_.due_at) if next_.due_at else None,
    )
    webhook = due.webhook if decide.is_gone(due, result) else None
    return Ended(due, attempt, next_, (due.account_id, webhook.id, webhook.revision) if webhook else None)
