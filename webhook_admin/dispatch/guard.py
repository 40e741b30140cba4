"""A guard around the work on one delivery, whose mistake must not stop the others."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from webhook_admin.dispatch import decide
from webhook_admin.queue.due_deliveries import Due

T = TypeVar("T")
log = structlog.get_logger()


def guarded(due: Due, work: Callable[[], T], otherwise: Callable[[], T]) -> T:
    """What `work` returns about the delivery; if it fails, what `otherwise` does, and the log has the cause."""
    try:
        return work()
    except Exception:
        # A format's mistake, or a damaged row's.
        is_known = due.state_detail == decide.PUT_OFF
        log.exception("delivery_put_off", account_id=due.account_id, delivery_id=due.id, exc_info=not is_known)
        return otherwise()
