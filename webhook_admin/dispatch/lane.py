"""A leased lane, and what its dispatcher learns about the receiver. Pure: no SQL, no clock."""

from dataclasses import dataclass, field
from typing import Self

from webhook_admin.dispatch import retry
from webhook_admin.dispatch.fair_shares import Window
from webhook_admin.queue.lanes import Key, Standing
from webhook_admin.queue.leases import SUCCEEDING, Failing, Lease, Release

QUICK = 1_000
"""A success in less than so many milliseconds makes a lane quick."""

UNTRUSTED = -1
"""The round of requests that teach nothing."""


@dataclass(slots=True, eq=False)
class Lane:
    """One lane, with what was learned about its receiver.

    `since` is when it was leased. `more`: it may have more deliveries due than are in flight. `leased`: no other
    dispatcher has taken it. `served`: it has started a request. `spent`: others wait, so it starts nothing until it is
    given back. `in_flight` has the group and the window's round in which each request started. `held_in` and `ready_in`
    say where `LeasedLanes` has entered it: the group in which it counts, and the standing in which it waits its turn.
    `failing` is about the time since the latest success. `orphaned`: a delivery turned out to be an orphan.
    """

    key: Key
    since: int
    failures: int
    standing: Standing
    window: Window
    changed: bool
    paused_until: int = 0
    more: bool = True
    leased: bool = True
    served: bool = False
    spent: bool = False
    in_flight: dict[str, tuple[str, int]] = field(default_factory=dict)
    held_in: str | None = None
    ready_in: Standing | None = None
    failing: Failing = SUCCEEDING
    orphaned: bool = False

    @classmethod
    def of(cls, lease: Lease, monotonic: int, max_in_flight: int) -> Self:
        """The lane as the dispatchers before have left it, whose limit may have been another."""
        window = Window(min(lease.window, max_in_flight), lease.threshold)
        return cls(lease.key, monotonic, lease.failures, lease.standing, window, lease.changed, failing=lease.failing)

    @property
    def free_slots(self) -> int:
        """How many more requests it may start; after a pause, one alone asks whether the receiver is back."""
        if not self.leased or not self.more or self.spent or self.paused_until:
            return 0
        limit = 1 if self.failures >= retry.FAILURES_BEFORE_PAUSE else int(self.window.size)
        return max(limit - len(self.in_flight), 0)

    def succeeded(self, latency_ms: int, max_in_flight: int) -> None:
        """Learn from a success, which ends any pause."""
        self.failures = self.paused_until = 0
        self.failing = SUCCEEDING
        self.standing = Standing.QUICK if latency_ms < QUICK else Standing.SLOW
        self.window.succeeded(max_in_flight)

    def failed(self, started_in: int, now: int, *, is_exhausted: bool = False) -> None:
        """Learn from a failure: those that were in flight together count once."""
        since, exhausted = self.failing
        self.failing = Failing(now if since is None else since, exhausted + is_exhausted)
        if started_in < self.window.round:
            return
        self.standing = Standing.FAILING
        self.failures += 1
        self.window.failed()
        if pause := retry.pause(self.failures):
            self.paused_until, self.window.size = now + pause, 1

    def forget(self, failing: Failing) -> None:
        """The webhook has changed: nothing is known about its receiver any more, but since when it has failed."""
        self.failures, self.paused_until, self.standing = 0, 0, Standing.UNTRIED
        self.window, self.changed, self.failing = Window(), True, failing
        self.distrust_requests()

    def distrust_requests(self) -> None:
        """What is in flight says nothing about the receiver as it is now."""
        self.in_flight = {delivery_id: (name, UNTRUSTED) for delivery_id, (name, _) in self.in_flight.items()}

    def release(self, now: int) -> Release:
        """How to give it back: if it has had its turn and there is more to do, behind the lanes that wait already."""
        return Release(
            key=self.key,
            failures=self.failures,
            paused_until=self.paused_until,
            standing=self.standing,
            window=self.window.size,
            threshold=self.window.threshold,
            not_before=max(self.paused_until, now if self.more and self.served else 0),
            failing=self.failing,
        )
