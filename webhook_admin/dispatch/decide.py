"""What to do about a delivery, before an attempt and after it. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from webhook_admin import formats
from webhook_admin.dispatch import notification, retry
from webhook_admin.events import Event
from webhook_admin.queue.deliveries import ACCOUNT_DELETED, WEBHOOK_DELETED, WEBHOOK_DISABLED, Due, Next, State
from webhook_admin.sender.sender import Outcome, Result
from webhook_admin.webhooks import WebhookStatus

_GONE = 410
# Whose Retry-After is heeded: Too Many Requests, and Service Unavailable.
_MAY_ASK = {429, 503}


class Limits(NamedTuple):
    """How often and how long a delivery is tried: the waits between attempts and the greatest age, in milliseconds."""

    schedule: Sequence[int]
    max_age: int


class Target(NamedTuple):
    """Where a notification goes, in which format, and the encrypted secret that signs it."""

    callback_url: str
    payload_format: str
    signing_secret: bytes | None


def before(due: Due, event: Event, limits: Limits, now: int) -> Target | Next:
    """Where to send the delivery now; or its final state, if it is not to be sent."""
    if not due.has_account:
        return _end(due, State.CANCELLED, ACCOUNT_DELETED)
    if due.webhook_id and (due.webhook is None or due.webhook.id != due.webhook_id):
        return _end(due, State.CANCELLED, WEBHOOK_DELETED)
    if due.webhook_id and due.webhook and due.webhook.status == WebhookStatus.DISABLED:
        return _end(due, State.CANCELLED, WEBHOOK_DISABLED)
    if due.attempts > len(limits.schedule):
        return _end(due, State.FAILED, _used_up(due.attempts))
    if now >= due.created_at + limits.max_age:
        return _end(due, State.FAILED, f"It was not delivered within {limits.max_age // retry.SECOND} seconds.")
    webhook = due.webhook
    url, payload_format = notification.destination(
        event, webhook.callback_url if webhook else None, webhook.payload_format if webhook else None
    )
    # All attempts have the same bytes.
    return Target(url, due.payload_format or payload_format, webhook.signing_secret if webhook else None)


def skip(due: Due, event: Event, payload_format: str) -> Next:
    """The end of a delivery whose payload format cannot express the event."""
    return _end(due, State.SKIPPED, formats.skip_reason(payload_format, event))


def after(due: Due, result: Result, limits: Limits, now: int, random: Callable[[], float]) -> Next:
    """What follows from the attempt that has just ended, the first after `due`."""
    attempts = due.attempts + 1
    if result.outcome is Outcome.DELIVERED:
        return Next(due.account_id, due.id, attempts, State.DELIVERED, None, None)
    if result.status_code == _GONE:
        # The webhook is disabled, which cancels what waits, unless it has been changed: then the new URL is tried.
        if due.webhook_id:
            return Next(due.account_id, due.id, attempts, State.PENDING, None, now)
        return Next(due.account_id, due.id, attempts, State.FAILED, "The receiver has answered 410 Gone.", None)
    asked = result.retry_after if result.status_code in _MAY_ASK else None
    wish = retry.parse_retry_after(asked, now) if asked else None
    due_at = retry.next_due(limits.schedule, attempts, now, wish, random)
    if due_at is None:
        return Next(due.account_id, due.id, attempts, State.FAILED, _used_up(attempts), None)
    return Next(due.account_id, due.id, attempts, State.PENDING, None, min(due_at, due.created_at + limits.max_age))


def is_gone(due: Due, result: Result) -> bool:
    """Whether the webhook's receiver has said that it is gone for good."""
    return bool(due.webhook_id) and result.status_code == _GONE


def _end(due: Due, state: State, detail: str) -> Next:
    return Next(due.account_id, due.id, due.attempts, state, detail, None)


def _used_up(attempts: int) -> str:
    return f"All {attempts} attempts have failed."
