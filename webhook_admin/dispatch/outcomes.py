"""The outcomes of requests until they are on record, and what else follows: statistics and operational events."""

import random
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from webhook_admin.config import Settings
from webhook_admin.db import Database, Transaction
from webhook_admin.dispatch import decide, order
from webhook_admin.dispatch.attempt_log import log_attempt
from webhook_admin.dispatch.disabling import Disabling
from webhook_admin.dispatch.guard import guarded
from webhook_admin.dispatch.leased_lanes import LeasedLanes
from webhook_admin.dispatch.operational_events import OperationalEvents, Receiver
from webhook_admin.dispatch.retry import Policy
from webhook_admin.dispatch.sending import Ended, Sending
from webhook_admin.dispatch.tally import Tally
from webhook_admin.metrics.dispatcher import DispatcherMetrics
from webhook_admin.queue import attempts, deliveries, lanes, leases, siblings
from webhook_admin.queue.clock import SECOND
from webhook_admin.queue.deliveries import Transition
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.sender.request import Outcome, Result
from webhook_admin.webhook_enums import DisabledReason


class Outcomes:
    """The outcomes that one dispatcher has judged and not yet recorded.

    In a turn: `judge`, then `begin` and one transaction with `record` and `conclude`; once it is committed,
    `committed`.
    """

    def __init__(
        self, settings: Settings, policy: Policy, held: LeasedLanes, holder: str, metrics: DispatcherMetrics
    ) -> None:
        self._policy = policy
        self._lanes = held
        self._holder = holder
        self._metrics = metrics
        self._unrecorded: list[Ended] = []
        self._recovered = 0
        self._noted: Collection[lanes.Key] = ()
        self._events = OperationalEvents(Receiver.of(settings))
        self._disabling = Disabling(self._events)
        self._tally = Tally()

    @property
    def is_empty(self) -> bool:
        """Whether all is recorded and counted."""
        return not self._unrecorded and self._tally.is_empty and self._events.is_empty

    def judge(self, sending: Sending, result: Result, started_at: int, now: int) -> None:
        """Decide what follows from a request that has ended, and have its lane learn from it."""
        due = sending.due
        of_attempt = (sending, result, started_at, self._policy, now)
        ended = guarded(
            due,
            partial(decide.after_attempt, *of_attempt, random.random),
            partial(decide.after_mistake, *of_attempt),
        )
        self._unrecorded.append(ended)
        before = self._lanes.standing(due.lane)
        lane = self._lanes.ended(
            due.lane,
            due.id,
            success=result.outcome is Outcome.DELIVERED,
            latency_ms=result.duration_ms,
            now=now,
            is_exhausted=ended.is_exhausted,
        )
        log_attempt(ended, lane.paused_until)
        self._events.ended(ended, lane, now, before)
        if ended.is_gone:
            self._disabling.add(due, DisabledReason.GONE)
        elif lane.key.destination == lanes.WEBHOOK and decide.must_disable(ended, lane.failing, self._policy, now):
            self._disabling.add(due, DisabledReason.FAILING)

    def disable(self, database: Database, now: int) -> None:
        """Disable webhooks that are gone, before that is on record."""
        self._disabling.run(database, now)

    def begin(self) -> None:
        """Forget what was noted of a transaction that was not committed."""
        self._recovered = 0
        self._tally.begin()
        self._events.begin()

    def record(self, transaction: Transaction, now: int) -> None:
        """Put on record what was judged: next states and attempts."""
        # The deliveries are locked first: an erasure that follows sees the attempts.
        erased = self.conclude(transaction, now, [(ended.sending.due, ended.transition) for ended in self._unrecorded])
        made = [ended.attempt for ended in self._unrecorded]
        if erased:
            made = [attempts.without_answer(each) if each.delivery_id in erased else each for each in made]
        attempts.record(transaction, made)

    def conclude(self, transaction: Transaction, now: int, decided: Sequence[tuple[Due, Transition]]) -> set[str]:
        """Give deliveries their next states; those that waited for one that has ended are due.

        Returns the ids of those whose answers are not to be kept.
        """
        changed, erased = deliveries.conclude(transaction, [transition for _, transition in decided])
        really = [(due, transition) for due, transition in decided if due.id in changed]
        self._tally.concluded(really)
        self._events.concluded(really, now)
        ended = [due for due, transition in decided if transition.due_at is None and order.is_message_ordered(due)]
        if ended:
            siblings.unblock(transaction, {siblings.key(due) for due in ended}, now)
            self._lanes.have_more({due.lane for due in ended})
        return erased

    def note_failing(self, transaction: Transaction) -> None:
        """Put on record which webhooks fail, of those lanes that stay leased."""
        self._noted = leases.note_failing(transaction, self._holder, self._lanes.failing_news)

    def recover(self, transaction: Transaction, found: Collection[Due]) -> None:
        """Put on record those attempts of the deliveries whose dispatcher has died before they ended."""
        unknown = [decide.unknown_attempt(due) for due in found if due.attempts > due.recorded]
        attempts.record(transaction, unknown)
        self._recovered = len(unknown)

    def cancelled(self, by_account: Mapping[str, int]) -> None:
        """Note deliveries that were cancelled in bulk, by account."""
        self._tally.cancelled(by_account)

    def store_events(self, transaction: Transaction) -> None:
        """Store the operational events that follow from all that the transaction does."""
        self._events.store(transaction)

    def committed(self, now: int) -> None:
        """Count what the transaction has recorded, now that it is committed."""
        self._lanes.failing_noted(self._noted)
        self._tally.committed(self._unrecorded, now)
        outcomes = [each.attempt.outcome for each in self._unrecorded] + [Outcome.UNKNOWN] * self._recovered
        times = [each.acknowledged_after for each in self._unrecorded if each.sending.due.is_counted]
        self._metrics.recorded(outcomes, [each / SECOND for each in times if each is not None])
        self._unrecorded.clear()
        self._events.committed()

    def make_events_due(self, database: Database, now: int) -> None:
        """Make the operational events due that are stored."""
        self._events.make_due(database, now)

    def add_up(self, database: Database, *, at_once: bool) -> None:
        """Add the counts to the account's statistics every few seconds, or `at_once`."""
        self._tally.add_to(database, at_once=at_once)
