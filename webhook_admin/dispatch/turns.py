"""A dispatcher's turns at the store: lease lanes, fetch due deliveries, send, record the outcomes, release the lanes.

A turn is the work of the store's thread. The event loop appends to `opened` and `ended` meanwhile, and nothing else.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from cryptography.fernet import MultiFernet

from webhook_admin.config import Settings
from webhook_admin.db import Database, Transaction
from webhook_admin.dispatch import decide, operational_events, order
from webhook_admin.dispatch.guard import guarded
from webhook_admin.dispatch.leased_lanes import LeasedLanes
from webhook_admin.dispatch.outcomes import Outcomes
from webhook_admin.dispatch.retry import Policy
from webhook_admin.dispatch.sending import Sending
from webhook_admin.dispatch.superseding import Backlogs
from webhook_admin.errors import StoreUnavailable
from webhook_admin.ids import new_id
from webhook_admin.metrics.dispatcher import DispatcherMetrics
from webhook_admin.metrics.store_time import Step
from webhook_admin.queue import attempts, clock, due_deliveries, due_lanes, lanes, leases, orphans, siblings
from webhook_admin.queue.clock import SECOND, StoreClock
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.queue.leases import Lease
from webhook_admin.queue.siblings import Sibling
from webhook_admin.sender.request import Result
from webhook_admin.sender.sender import Opened

_AT_LEAST_EVERY = SECOND


@dataclass(slots=True, eq=False)
class Started:
    """A request that the sender has, since `started_at` (ms since the epoch)."""

    sending: Sending
    started_at: int
    is_ended: bool = False

    @property
    def due(self) -> Due:
        """The delivery as it was before the attempt."""
        return self.sending.due


Ready = tuple[Started, Opened]
"""A request whose connection is open, and of which nothing has been written."""

Done = tuple[Started, Result]
"""A request that has ended, and how."""

HandOver = Callable[[Sequence[Started], Sequence[Ready], Sequence[Ready]], Sequence[Started]]
"""Gives the sender new requests, ready ones to write and ready ones to give up; returns those that it has given up."""


class Turns:
    """One dispatcher's turns at the store. Each attempt is counted in one transaction and started in the next."""

    def __init__(self, settings: Settings, database: Database, cipher: MultiFernet, hand_over: HandOver) -> None:
        self._database = database
        self._hand_over = hand_over
        self._policy = Policy(
            [round(wait * SECOND) for wait in settings.retry_schedule],
            round(settings.delivery_max_age * SECOND),
            round(settings.disable_after * SECOND),
        )
        self._lease_time = settings.lease_seconds * SECOND
        self._decrypt = lru_cache(10_000)(lambda encrypted: cipher.decrypt(encrypted).decode())
        self._holder = new_id("dsp")
        self._clock = StoreClock()
        self._lanes = LeasedLanes(settings.max_in_flight, settings.lane_concurrency)
        self._backlogs = Backlogs()
        self.opened: deque[Ready] = deque()
        self.ended: deque[Done] = deque()
        # Attempts that are counted and not started: they are taken back unless the next step starts them.
        self._begun: list[Sending] = []
        self._ready: list[Ready] = []
        self._platform = operational_events.Receiver.of(settings)
        self.metrics = DispatcherMetrics()
        self._outcomes = Outcomes(settings, self._policy, self._lanes, self._holder, self.metrics)
        self._is_woken = self._is_stopping = False
        self._renew_at = 0

    def wake(self) -> None:
        """There may be new deliveries in every lane."""
        self._is_woken = True

    def stop(self) -> None:
        """From now on start nothing new, and give back every lane whose requests have ended."""
        self._is_stopping = True

    @property
    def is_unfinished(self) -> bool:
        """Whether there are requests in flight, outcomes to record or lanes to give back."""
        waiting = self.opened or self.ended or self._begun or self._ready or not self._outcomes.is_empty
        return bool(waiting or self._lanes.in_flight or self._lanes.leased)

    def take(self) -> int:
        """Take one turn. Returns for how many milliseconds there is nothing to do unless something happens.

        Raises `StoreUnavailable`; the next turn then makes up for what this one did not commit.
        """
        try:
            self._judge()
            self._outcomes.begin()
            laps = self.metrics.laps
            laps.begin()
            with self._database.transaction() as transaction:
                now = self._clock.now(transaction)
                attempts.take_back(transaction, [each.begun for each in self._begun])
                self._outcomes.record(transaction, now)
                laps.end(Step.RECORD)
                self._renew(transaction, now)
                self._release(transaction, now)
                self._outcomes.note_failing(transaction)
                laps.end(Step.RELEASE)
                self._lease(transaction, now)
                laps.end(Step.LEASE)
                begun = self._fetch(transaction, now)
                self._outcomes.store_events(transaction)
                next_due = lanes.next_due(transaction, now)
                laps.end(Step.FETCH)
            laps.end(Step.COMMIT)
            self._begun = begun
            self._outcomes.committed(now)
            laps.begin()
            self._send()
            laps.end(Step.SEND)
            self._outcomes.make_events_due(self._database, now)
            self._outcomes.add_up(self._database, at_once=self._is_stopping)
            self.metrics.turned(in_flight=self._lanes.in_flight, is_last=self._is_stopping)
        except StoreUnavailable:
            # Whether the last transaction was committed is not known, and so it is not known which lanes are leased.
            self._renew_at = 0
            self._backlogs.restart()
            raise
        return self._idle_for(next_due)

    def _idle_for(self, next_due: int | None) -> int:
        can_start = (self._lanes.can_start or self._lanes.is_looking) and not self._is_stopping
        if can_start or self._lanes.can_release or self._lanes.changed or self.ended or self.opened:
            return 0
        until_due = _AT_LEAST_EVERY if next_due is None else next_due - self._clock.estimate()
        return min(until_due, self._renew_at - clock.monotonic(), _AT_LEAST_EVERY)

    def _judge(self) -> None:
        now = self._clock.estimate()
        while self.ended:
            started, result = self.ended.popleft()
            self._outcomes.judge(started.sending, result, started.started_at, now)
        self._outcomes.disable(self._database, now)

    def _renew(self, transaction: Transaction, now: int) -> None:
        monotonic = clock.monotonic()
        if monotonic >= self._renew_at:
            self._lanes.renewed(leases.renew(transaction, self._holder, now + self._lease_time), monotonic)
            self._renew_at = monotonic + self._lease_time // 3

    def _release(self, transaction: Transaction, now: int) -> None:
        if self._is_woken:
            self._is_woken = False
            self._lanes.wake()
        if releases := self._lanes.releases(now, clock.monotonic(), closing=self._is_stopping):
            leases.release(transaction, self._holder, releases, now)
            self._lanes.forget([release.key for release in releases])

    def _lease(self, transaction: Transaction, now: int) -> None:
        if not self._is_stopping:
            leased = due_lanes.lease(transaction, self._holder, now, now + self._lease_time, self._lanes.asks())
            self._lanes.take(leased, clock.monotonic())
        if changed := leases.lock_changed(transaction, self._holder, self._lanes.changed):
            self._settle(transaction, now, changed)

    def _settle(self, transaction: Transaction, now: int, changed: Collection[Lease]) -> None:
        """Cancel the orphans of changed lanes, then skip what is superseded there, in parts; then they are settled."""
        self._lanes.notice(changed)
        orphaned = [lease.key for lease in changed if self._lanes.may_have_orphans(lease)]
        cancelled = orphans.cancel(transaction, orphaned)
        self._outcomes.cancelled(cancelled.by_account)
        if cancelled.is_all:
            leases.note_no_orphans(transaction, orphaned)
            self._lanes.without_orphans(orphaned)
            conclude = partial(self._outcomes.conclude, transaction, now)
            settled = self._backlogs.shrink(transaction, [lease.key for lease in changed], now, conclude)
            leases.settle(transaction, self._holder, settled)
            self._lanes.settled(settled)

    def _fetch(self, transaction: Transaction, now: int) -> list[Sending]:
        """Count the next attempts, of the deliveries that are still as they were found."""
        wanted = [] if self._is_stopping else self._lanes.wanted()
        found = due_deliveries.due(transaction, wanted, now)
        self._lanes.found(wanted, Counter(due.lane for due in found))
        self._outcomes.recover(transaction, found)
        others = siblings.find(transaction, [due for due in found if order.depends_on_siblings(due)])
        decided = [(due, self._before(due, others.get(due.id, ()), now)) for due in found]
        transitions = [(due, each) for due, each in decided if isinstance(each, Transition)]
        self._outcomes.conclude(transaction, now, transitions)
        self._lanes.have_orphans({due.lane for due, each in transitions if each.state is State.CANCELLED})
        sendings = [each for _, each in decided if isinstance(each, Sending)]
        # Also if the commit fails, or nobody knows whether it did.
        self._begun = [*self._begun, *sendings]
        still_due = attempts.begin(transaction, [each.begun for each in sendings])
        return [each for each in sendings if each.due.id in still_due]

    def _send(self) -> None:
        """Start the requests whose webhooks are unchanged and whose events have not expired.

        Nobody can change a webhook meanwhile, so nothing is started to the old URL once a PUT or DELETE has been
        answered. The others do not count.
        """
        while self.opened:
            self._ready.append(self.opened.popleft())
        if not self._begun and not self._ready:
            return
        with self._database.transaction() as transaction:
            sendings = [*self._begun, *(started.sending for started, _ in self._ready)]
            unchanged = attempts.hold_unchanged(transaction, [each.due for each in sendings])
            now = self._clock.estimate()
            unchanged -= {each.due.id for each in sendings if each.is_expired(now)}
            new = [Started(each, now) for each in self._begun if each.due.id in unchanged]
            for each in new:
                self._lanes.started(each.due.lane, each.due.id)
            given_up = self._hand_over(
                new,
                [each for each in self._ready if each[0].due.id in unchanged],
                [each for each in self._ready if each[0].due.id not in unchanged],
            )
            for each in given_up:
                self._lanes.given_up(each.due.lane, each.due.id)
            self._ready = []
            self._begun = [each for each in self._begun if each.due.id not in unchanged]
            self._begun += [each.sending for each in given_up]
            attempts.take_back(transaction, [each.begun for each in self._begun])
        self._begun = []

    def _before(self, due: Due, others: Sequence[Sibling], now: int) -> Sending | Transition:
        work = partial(decide.before_attempt, due, others, self._policy, self._decrypt, now)
        if due.is_operational:
            work = partial(operational_events.before_attempt, due, self._platform, self._policy, now)
        return guarded(due, work, partial(decide.put_off, due, self._policy, now))
