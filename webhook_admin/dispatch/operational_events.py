"""Operational events: when a dispatcher makes them, and the requests that send them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from webhook_admin import formats
from webhook_admin.config import PREFIX, Settings
from webhook_admin.db import Database, Transaction
from webhook_admin.dispatch import decide, notification, transitions
from webhook_admin.dispatch.fair_shares import UNPROVEN
from webhook_admin.dispatch.lane import Lane
from webhook_admin.dispatch.retry import Policy
from webhook_admin.dispatch.sending import Ended, Sending
from webhook_admin.queue import clock, operational_events
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.queue.lanes import Standing
from webhook_admin.queue.operational_events import Kind, OperationalEvent
from webhook_admin.sender.request import Request
from webhook_admin.webhook_enums import DisabledReason

_OFF = f"{PREFIX}OPERATIONS_URL is not set for the dispatcher that has looked at it."
_OFF_FOR = _LEFT_BEHIND_FOR = clock.MINUTE


class Receiver(NamedTuple):
    """Where operational events go, and the signing secret `whsec_<base64>`."""

    url: str
    secret: str

    @classmethod
    def of(cls, settings: Settings) -> "Receiver | None":
        """The platform's receiver; None if it has none."""
        return cls(settings.operations_url, settings.operations_secret) if settings.operations_url else None


def before_attempt(due: Due, receiver: Receiver | None, policy: Policy, now: int) -> Sending | Transition:
    """The request of an operational event's next attempt; or its next state, if there is none to be made now."""
    if final := decide.final(due, policy, now):
        return final
    if receiver is None:
        # Another dispatcher may have been started with the setting already.
        return transitions.put_off(due, now + _OFF_FOR, _OFF)
    body = due.event.encode()
    headers = notification.headers(formats.DEFAULT, body, [receiver.secret], due.id, now // clock.SECOND)
    success = formats.success(formats.DEFAULT)
    return Sending(
        due=due,
        begun=decide.begun(due, receiver.url, formats.DEFAULT, now),
        request=Request(url=receiver.url, body=body, headers=headers, account_id=due.account_id, success=success),
        message_id=due.message_id,
    )


class OperationalEvents:
    """The operational events of one dispatcher: stored with what they are about, and then made due.

    What a transaction has done is noted with `concluded`, between `begin` and `committed`.
    """

    def __init__(self, receiver: Receiver | None) -> None:
        self._is_on = receiver is not None
        self._of_receivers: list[OperationalEvent] = []
        self._concluded: list[OperationalEvent] = []
        self._are_stored = False
        self._due_by = 0

    @property
    def is_empty(self) -> bool:
        """Whether all is stored and due."""
        return not self._of_receivers and not self._are_stored

    def begin(self) -> None:
        """Forget what was noted of a transaction that was not committed."""
        self._concluded.clear()

    def ended(self, ended: Ended, lane: Lane, now: int, before: Standing) -> None:
        """Note what an attempt says about the webhook's receiver; `before` is what its lane's standing was."""
        due = ended.sending.due
        if not self._is_on or not due.webhook_id or due.test:
            return
        data: dict[str, Any] = {
            "accountId": due.account_id,
            "webhookId": due.webhook_id,
            "callbackUrl": ended.sending.begun.callback_url,
        }
        if before in UNPROVEN and lane.standing not in UNPROVEN:
            # Also after a PUT, which forgets that the receiver has been failing.
            self._of_receivers.append(_event(Kind.RECOVERED, due.webhook_id, due.id, now, data))
        elif lane.paused_until and lane.failing.since is not None:
            attempt = ended.attempt
            data |= {"failingSince": clock.text(lane.failing.since), "outcome": attempt.outcome}
            data |= {"statusCode": attempt.status_code, "hint": attempt.hint}
            self._of_receivers.append(_event(Kind.FAILING, due.webhook_id, str(lane.failing.since), now, data))

    def concluded(self, decided: Sequence[tuple[Due, Transition]], now: int) -> None:
        """Note the next states that deliveries have been given."""
        if self._is_on:
            self._concluded += [
                _failed(due, transition, now)
                for due, transition in decided
                if transition.state is State.FAILED and due.is_counted
            ]

    def disabled(self, transaction: Transaction, due: Due, reason: DisabledReason, now: int) -> None:
        """Store that the delivery's webhook is disabled."""
        if self._is_on and due.webhook:
            data = {
                "accountId": due.account_id,
                "webhookId": due.webhook.id,
                "callbackUrl": due.webhook.callback_url,
                "disabledReason": reason,
            }
            event = _event(Kind.DISABLED, due.webhook.id, str(due.webhook.revision), now, data)
            self._are_stored |= operational_events.store(transaction, [event])

    def store(self, transaction: Transaction) -> None:
        """Store what was noted, in the transaction that records what it is about."""
        # It stays set when nobody knows whether the transaction was committed.
        self._are_stored |= operational_events.store(transaction, [*self._of_receivers, *self._concluded])

    def committed(self) -> None:
        """What was noted is stored."""
        self._of_receivers.clear()

    def make_due(self, database: Database, now: int) -> None:
        """Make due what is stored, and now and then what a dispatcher has left that was killed.

        In a transaction of its own: nobody holds lanes while waiting for another.
        """
        if self._is_on and (self._are_stored or now >= self._due_by):
            with database.transaction() as transaction:
                operational_events.make_due(transaction, now)
            self._are_stored, self._due_by = False, now + _LEFT_BEHIND_FOR


def _failed(due: Due, transition: Transition, now: int) -> OperationalEvent:
    data = {
        "accountId": due.account_id,
        "webhookId": due.webhook_id,
        "deliveryId": due.id,
        "attempts": transition.attempts,
        "detail": transition.state_detail,
    }
    return _event(Kind.DELIVERY_FAILED, due.webhook_id or f"{due.account_id}/{due.destination}", due.id, now, data)


def _event(kind: Kind, subject: str, occasion: str, now: int, data: dict[str, Any]) -> OperationalEvent:
    return OperationalEvent(kind=kind, subject=subject, occasion=occasion, at=now, data=data)
