"""Webhooks that a dispatcher disables: their receiver is gone, or has failed for too long."""

import structlog

from webhook_admin import webhooks
from webhook_admin.db import Database
from webhook_admin.dispatch.operational_events import OperationalEvents
from webhook_admin.queue import clock
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.webhook_enums import DisabledReason

log = structlog.get_logger()


class Disabling:
    """The deliveries whose webhooks are to be disabled, and why."""

    def __init__(self, events: OperationalEvents) -> None:
        self._events = events
        self._waiting: list[tuple[Due, DisabledReason]] = []

    def add(self, due: Due, reason: DisabledReason) -> None:
        """Disable the delivery's webhook next, unless it has been changed since the delivery was read."""
        if due.webhook and due.webhook.id == due.webhook_id:
            self._waiting.append((due, reason))

    def run(self, database: Database, now: int) -> None:
        """Disable them, each in a transaction of its own, which locks webhooks before lanes."""
        while self._waiting:
            due, reason = self._waiting[-1]
            if due.webhook:
                chosen = due.account_id, due.webhook.id, due.webhook.revision
                with database.transaction() as transaction:
                    is_disabled = webhooks.disable(transaction, *chosen, reason, clock.moment(now))
                    if is_disabled:
                        self._events.disabled(transaction, due, reason, now)
                if is_disabled:
                    log.warning("webhook_disabled", account_id=due.account_id, reason=reason.value)
            self._waiting.pop()
