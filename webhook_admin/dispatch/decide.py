"""What to do about a delivery, before an attempt and after it. Pure: values in, values out."""

from collections.abc import Callable, Sequence
from datetime import datetime

from webhook_admin import formats
from webhook_admin.dispatch import notification, order, retry, transitions
from webhook_admin.dispatch.retry import Policy
from webhook_admin.dispatch.sending import Ended, Sending
from webhook_admin.events import Event
from webhook_admin.queue import clock
from webhook_admin.queue.attempts import Attempt, Begun
from webhook_admin.queue.deliveries import ERASED, ERASED_EVENT, State, Transition
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.queue.leases import Failing
from webhook_admin.queue.orphans import ACCOUNT_DELETED, WEBHOOK_DELETED, webhook_disabled
from webhook_admin.queue.siblings import BLOCKED, Sibling
from webhook_admin.sender.request import Outcome, Request, Result
from webhook_admin.webhook_enums import WebhookStatus

PUT_OFF = "An error in the service prevented an attempt; it tries again every 10 minutes, and the log has the cause."
_PUT_OFF_FOR = 10 * retry.MINUTE
_GONE = 410
# The statuses whose Retry-After counts: Too Many Requests and Service Unavailable.
_WITH_RETRY_AFTER = {429, 503}


def before_attempt(
    due: Due, siblings: Sequence[Sibling], policy: Policy, decrypt: Callable[[bytes], str], now: int
) -> Sending | Transition:
    """The request of the delivery's next attempt; or its next state, if there is none to be made now."""
    if loss := final(due, policy, now):
        return loss
    event = Event.from_json(due.event)
    expires_at = _expires_at(event)
    if expires_at is not None and now >= expires_at:
        return transitions.end(due, State.FAILED, f"The event expired at {event.expires_at}.")
    webhook = due.webhook
    url, payload_format = _destination(due, event)
    if skipped := _superseded(due, event, payload_format, siblings):
        return skipped
    if (until := order.blocked_until(due, siblings, now)) is not None:
        return transitions.put_off(due, until, BLOCKED)
    body = due.body.encode() if due.body is not None else formats.render(payload_format, event)
    if body is None:
        return transitions.end(due, State.SKIPPED, formats.skip_reason(payload_format, event))
    secrets = list(map(decrypt, webhook.signing_secrets)) if webhook else []
    headers = notification.headers(payload_format, body, secrets, due.id, now // retry.SECOND, test=due.test)
    success = formats.success(payload_format)
    return Sending(
        due=due,
        begun=begun(due, url, payload_format, now),
        request=Request(url=url, body=body, headers=headers, account_id=due.account_id, success=success),
        message_id=event.message_id,
        expires_at=expires_at,
    )


def begun(due: Due, url: str, payload_format: str, now: int) -> Begun:
    """The delivery's next attempt as it is counted."""
    return Begun(
        account_id=due.account_id,
        id=due.id,
        attempts=due.attempts + 1,
        begun_at=now,
        callback_url=url,
        payload_format=payload_format,
        resent_at=due.resent_at,
    )


def superseded(due: Due, siblings: Sequence[Sibling]) -> Transition | None:
    """The final state of a delivery that a newer status of its message has superseded, if one has."""
    event = Event.from_json(due.event)
    return _superseded(due, event, _destination(due, event)[1], siblings)


def _superseded(due: Due, event: Event, payload_format: str, siblings: Sequence[Sibling]) -> Transition | None:
    newer = order.superseded_by(due, event, payload_format, siblings)
    if newer is None:
        return None
    return transitions.end(due, State.SKIPPED, f"A newer status of the message has been accepted: {newer.status}.")


def _destination(due: Due, event: Event) -> tuple[str, str]:
    """The URL and the payload format of the delivery's notification."""
    webhook = due.webhook
    url, payload_format = notification.destination(
        event, webhook.callback_url if webhook else None, webhook.payload_format if webhook else None
    )
    # All attempts send the same bytes, whatever PUT or a new release has changed since the first.
    return url, due.payload_format or payload_format


def _expires_at(event: Event) -> int | None:
    return None if event.expires_at is None else clock.milliseconds(datetime.fromisoformat(event.expires_at))


def final(due: Due, policy: Policy, now: int) -> Transition | None:
    """The delivery's final state, if there is to be no further attempt."""
    if loss := _loss(due):
        return transitions.end(due, State.CANCELLED, loss)
    if due.attempts - due.attempts_before > len(_schedule(due, policy)):
        return transitions.end(due, State.FAILED, _used_up(due.attempts))
    if now >= due.starts_at + policy.max_age:
        return transitions.end(
            due, State.FAILED, f"It was not delivered within {policy.max_age // retry.SECOND} seconds."
        )
    return None


def _loss(due: Due) -> str | None:
    """What the delivery has lost that it needs, in words."""
    if due.event == ERASED_EVENT:
        return ERASED
    if not due.has_account and not due.is_operational:
        return ACCOUNT_DELETED
    if due.webhook_id and (due.webhook is None or due.webhook.id != due.webhook_id):
        return WEBHOOK_DELETED
    if due.webhook_id and due.webhook and due.webhook.status == WebhookStatus.DISABLED:
        return webhook_disabled(due.webhook.disabled_reason)
    return None


def after_attempt(
    sending: Sending, result: Result, started_at: int, policy: Policy, now: int, random: Callable[[], float]
) -> Ended:
    """What to record of an attempt that has ended; `random` gives numbers from 0 to 1."""
    transition = _next(sending, result, policy, now, random)
    return Ended(
        sending=sending,
        attempt=attempt_of(sending, result, started_at),
        transition=transition,
        is_gone=bool(sending.due.webhook_id) and result.status_code == _GONE,
        is_exhausted=transition.state is State.FAILED,
    )


def must_disable(ended: Ended, failing: Failing, policy: Policy, now: int) -> bool:
    """Whether the webhook is to be disabled, whose lane fails like that, now that this attempt has ended."""
    return (
        ended.is_exhausted
        and policy.disable_after > 0
        and failing.since is not None
        and now - failing.since >= policy.disable_after
        and failing.exhausted >= retry.EXHAUSTED_BEFORE_DISABLING
    )


def _next(sending: Sending, result: Result, policy: Policy, now: int, random: Callable[[], float]) -> Transition:
    due, attempts = sending.due, sending.begun.attempts
    if result.outcome is Outcome.DELIVERED:
        return transitions.end(due, State.DELIVERED, None, attempts)
    if result.status_code == _GONE:
        if not due.webhook_id or due.test:
            return transitions.end(due, State.FAILED, "The receiver has answered 410 Gone.", attempts)
        # Disabling the webhook cancels this delivery, unless PUT has changed the webhook: then the new URL is tried.
        return transitions.wait(due, sending.request.body, attempts, now)
    asked = result.retry_after if result.status_code in _WITH_RETRY_AFTER else None
    retry_after = retry.parse_retry_after(asked, now) if asked else None
    due_at = retry.next_due(_schedule(due, policy), attempts - due.attempts_before, now, retry_after, random)
    if due_at is None:
        return transitions.end(due, State.FAILED, _used_up(attempts), attempts)
    # It ends as soon as it is too old or has expired.
    latest = min(filter(None, (due_at, due.starts_at + policy.max_age, sending.expires_at)))
    return transitions.wait(due, sending.request.body, attempts, latest)


def put_off(due: Due, policy: Policy, now: int) -> Transition:
    """A delivery that a mistake of ours prevents from being attempted waits, until its age ends it."""
    return transitions.put_off(due, min(now + _PUT_OFF_FOR, max(due.starts_at + policy.max_age, now)), PUT_OFF)


def after_mistake(sending: Sending, result: Result, started_at: int, policy: Policy, now: int) -> Ended:
    """What to record of an attempt that `after_attempt` cannot judge: what is known of it, and a later attempt."""
    if result.outcome is Outcome.DELIVERED:
        transition = transitions.end(sending.due, State.DELIVERED, None, sending.begun.attempts)
    else:
        due_at = min(now + _PUT_OFF_FOR, max(sending.due.starts_at + policy.max_age, now))
        body, attempts = sending.request.body, sending.begun.attempts
        transition = transitions.wait(sending.due, body, attempts, due_at, PUT_OFF)
    return Ended(sending=sending, attempt=attempt_of(sending, result, started_at), transition=transition)


def attempt_of(sending: Sending, result: Result, started_at: int) -> Attempt:
    """The attempt as it goes on record."""
    return Attempt(
        account_id=sending.due.account_id,
        delivery_id=sending.due.id,
        number=sending.begun.attempts,
        started_at=started_at,
        duration_ms=result.duration_ms,
        outcome=result.outcome,
        status_code=result.status_code,
        response=result.response,
        detail=result.detail,
        hint=result.hint,
    )


def unknown_attempt(due: Due) -> Attempt:
    """The attempt that another dispatcher has begun, and died before it was recorded."""
    return Attempt(
        account_id=due.account_id,
        delivery_id=due.id,
        number=due.attempts,
        started_at=due.begun_at or due.created_at,
        duration_ms=None,
        outcome=Outcome.UNKNOWN,
        detail="The dispatcher stopped before it saw an answer; the notification may have arrived.",
    )


def _schedule(due: Due, policy: Policy) -> Sequence[int]:
    """The waits between the delivery's attempts; a test has one attempt."""
    return () if due.test else policy.schedule


def _used_up(attempts: int) -> str:
    if attempts == 1:
        return "The only attempt has failed."
    return f"All {attempts} attempts have failed."
