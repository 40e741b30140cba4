"""The log line of an attempt."""

import logging

import structlog

from webhook_admin.dispatch.sending import Ended
from webhook_admin.queue import clock
from webhook_admin.queue.deliveries import State

log = structlog.get_logger()


def log_attempt(ended: Ended, paused_until: int) -> None:
    """Log one attempt: at `warning` if the delivery has failed for good, else at `info`.

    `paused_until` is the end of the lane's pause: no attempt is started before it (ms since the epoch, 0 for none).
    """
    attempt, transition, sending = ended.attempt, ended.transition, ended.sending
    level = logging.WARNING if transition.state is State.FAILED else logging.INFO
    # A line costs several microseconds to put together: not below the level that is logged.
    if not log.is_enabled_for(level):
        return
    due_at = None if transition.due_at is None else max(transition.due_at, paused_until)
    log.log(
        level,
        "attempt",
        account_id=attempt.account_id,
        delivery_id=attempt.delivery_id,
        message_id=sending.message_id,
        host=sending.begun.callback_url.split("/", 3)[2],
        number=attempt.number,
        outcome=attempt.outcome,
        status_code=attempt.status_code,
        duration_ms=attempt.duration_ms,
        detail=attempt.detail,
        state=transition.state.value,
        next_attempt_at=None if due_at is None else clock.text(due_at),
    )
