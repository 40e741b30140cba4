"""What a dispatcher warns the platform of, and the requests that tell it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from webhook_admin import formats
from webhook_admin.config import PREFIX, Settings
from webhook_admin.db import Database, Transaction
from webhook_admin.dispatch import decide, notification, transitions
from webhook_admin.dispatch.decide import Ended, Sending
from webhook_admin.dispatch.lane import Lane
from webhook_admin.dispatch.retry import Policy
from webhook_admin.queue import clock, operations
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.queue.operations import Kind, OperationalEvent
from webhook_admin.sender.request import Request
from webhook_admin.webhooks import DisabledReason

_OFF = f"{PREFIX}OPERATIONS_URL is not set."


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
    if receiver is None:
        return transitions.end(due, State.CANCELLED, _OFF)
    if final := decide.final(due, policy, now):
        return final
    body = due.event.encode()
    headers = notification.headers(formats.DEFAULT, body, [receiver.secret], due.id, now // clock.SECOND)
    success = formats.success(formats.DEFAULT)
    return Sending(
        due=due,
        begun=decide.begun(due, receiver.url, formats.DEFAULT, now),
        request=Request(url=receiver.url, body=body, headers=headers, account_id=due.account_id, success=success),
        message_id=due.message_id,
    )


class Warnings:
    """The operational events of one dispatcher: stored with what they are about, and then made due.

    What a transaction has done is noted with `concluded`, between `begin` and `committed`.
    """

    def __init__(self, receiver: Receiver | None) -> None:
        self._is_on = receiver is not None
        self._of_receivers: list[OperationalEvent] = []
        self._concluded: list[OperationalEvent] = []
        self._are_stored = False
        # Also what a dispatcher before has stored, and not made due any more.
        self._are_due = self._is_on

    def begin(self) -> None:
        """Forget what was noted of a transaction that was not committed."""
        self._concluded.clear()
        self._are_stored = False

    def ended(self, ended: Ended, lane: Lane, now: int, *, was_failing: bool) -> None:
        """Note what an attempt says about the webhook's receiver, which has been failing before or not."""
        due, attempt = ended.sending.due, ended.attempt
        if not self._is_on or not due.webhook_id or due.test:
            return
        data: dict[str, Any] = {
            "accountId": due.account_id,
            "webhookId": due.webhook_id,
            "callbackUrl": ended.sending.begun.callback_url,
        }
        if was_failing and lane.failing.since is None:
            self._of_receivers.append(_event(Kind.RECOVERED, due.webhook_id, due.id, now, data))
        elif lane.paused_until and lane.failing.since is not None:
            data |= {"failingSince": clock.text(lane.failing.since), "outcome": attempt.outcome}
            data |= {"statusCode": attempt.status_code, "detail": attempt.detail, "hint": attempt.hint}
            self._of_receivers.append(_event(Kind.FAILING, due.webhook_id, str(lane.failing.since), now, data))

    def concluded(self, decided: Sequence[tuple[Due, Transition]], now: int) -> None:
        """Note the next states of deliveries."""
        if self._is_on:
            self._concluded += [
                _undelivered(due, transition, now)
                for due, transition in decided
                if transition.state is State.FAILED and not due.test and not due.is_operational
            ]

    def disabled(self, transaction: Transaction, due: Due, reason: DisabledReason, now: int) -> None:
        """Store that the delivery's webhook is disabled. It is made due after the next turn's transaction."""
        if self._is_on and due.webhook:
            data = {
                "accountId": due.account_id,
                "webhookId": due.webhook.id,
                "callbackUrl": due.webhook.callback_url,
                "disabledReason": reason,
            }
            event = _event(Kind.DISABLED, due.webhook.id, str(due.webhook.revision), now, data)
            operations.store(transaction, [event])
            self._are_due = True

    def store(self, transaction: Transaction) -> None:
        """Store what was noted, in the transaction that records what it is about."""
        self._are_stored = operations.store(transaction, [*self._of_receivers, *self._concluded])

    def committed(self, database: Database, now: int) -> None:
        """Make due what is stored, in a transaction of its own: nobody holds lanes while waiting for another."""
        self._of_receivers.clear()
        self._are_due = self._are_due or self._are_stored
        if self._are_due:
            with database.transaction() as transaction:
                operations.make_due(transaction, now)
            self._are_due = False


def _undelivered(due: Due, transition: Transition, now: int) -> OperationalEvent:
    data = {
        "accountId": due.account_id,
        "webhookId": due.webhook_id,
        "deliveryId": due.id,
        "messageId": due.message_id,
        "attempts": transition.attempts,
        "detail": transition.state_detail,
    }
    return _event(Kind.UNDELIVERED, due.webhook_id or f"{due.account_id}/{due.destination}", due.id, now, data)


def _event(kind: Kind, subject: str, occasion: str, now: int, data: dict[str, Any]) -> OperationalEvent:
    return OperationalEvent(kind=kind, subject=subject, occasion=occasion, at=now, data=data)
