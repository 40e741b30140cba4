"""A dispatcher in virtual time: the real `LeasedLanes`, a model of the store's lanes, and receivers of every kind.

Turns take 20 ms. Not modelled: what a turn costs, the network, the end of leases.
"""

import itertools
import random
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Any

from webhook_admin.dispatch.leased_lanes import LeasedLanes
from webhook_admin.queue.due_lanes import LOOKED_AT, Ask, Due, lease_fairly
from webhook_admin.queue.lanes import Key, Standing
from webhook_admin.queue.leases import Lease, Release

TURN = 20
TIMEOUT = 15_000
LAST = "\uffff"
SCHEDULE = [seconds * 1_000 for seconds in (5, 30, 120, 600, 1800, 7200, 21600, 43200)]

Receiver = Callable[[int, int], tuple[int, bool]]
"""From the time and the lane's requests in flight to the answer: after how many milliseconds, and whether it is 2xx."""


def answering(latency: int, *, success: bool = True) -> Receiver:
    """A receiver that always answers alike."""
    return lambda _now, _in_flight: (latency, success)


FAST, HANGING = answering(20), answering(TIMEOUT, success=False)


@dataclass(eq=False)
class Lane:
    """A lane's row, its deliveries, and its receiver. `group` is whose figures it counts in."""

    key: Key
    group: str
    receiver: Receiver
    standing: Standing = Standing.UNTRIED
    failures: int = 0
    window: float = 1.0
    threshold: float | None = None
    paused_until: int = 0
    leased: bool = False
    in_flight: int = 0
    # A heap of due time, number of the delivery, and number of its next attempt.
    deliveries: list[tuple[int, int, int]] = field(default_factory=list)

    def lease(self) -> Lease:
        """What the dispatcher is told that leases it."""
        learned = {name: getattr(self, name) for name in ("failures", "standing", "window", "threshold")}
        return Lease(key=self.key, changed=False, **learned)


class Store:
    """The lanes that nobody leases, by standing, in the order in which they are due."""

    def __init__(self) -> None:
        self._waiting: dict[Standing, list[Due]] = {standing: [] for standing in Standing}
        self._due: dict[Key, Due] = {}

    def put(self, lane: Lane, due_at: int) -> None:
        """The lane is due then, and at no other time."""
        self.remove(lane)
        self._due[lane.key] = Due(due_at, *lane.key)
        insort(self._waiting[lane.standing], self._due[lane.key])

    def remove(self, lane: Lane) -> None:
        """The lane is leased."""
        if due := self._due.pop(lane.key, None):
            waiting = self._waiting[lane.standing]
            del waiting[bisect_left(waiting, due)]

    def look(self, now: int, asks: Sequence[Ask]) -> dict[Standing, list[Due]]:
        """The next due lanes of each standing."""
        looks = {}
        for ask in asks:
            waiting = self._waiting[ask.standing]
            start, end = bisect_left(waiting, (*ask.after, LAST)), bisect_left(waiting, (now + 1,))
            looks[ask.standing] = waiting[start : min(end, start + LOOKED_AT)]
        return looks


class Simulation:
    """One store, one or more dispatchers that take their turns one after the other, and what was seen."""

    def __init__(
        self, *, dispatchers: int = 1, max_in_flight: int = 500, max_per_lane: int = 50, seed: int = 1
    ) -> None:
        self.now = self._next_turn = 0
        self.store = Store()
        self.dispatchers = [LeasedLanes(max_in_flight, max_per_lane) for _ in range(dispatchers)]
        # By group: delays from due to the first attempt's start, successes, failures, and when the latest success was.
        self.delays: dict[str, list[int]] = defaultdict(list)
        self.succeeded, self.failed, self.last = Counter[str](), Counter[str](), dict[str, int]()
        self.random = random.Random(seed)
        self._lanes: dict[Key, Lane] = {}
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def lane(self, group: str, receiver: Receiver, account: int = 0, lane: int = 0, **known: Any) -> Lane:
        """A lane of the group's account of that number."""
        key = Key(f"{group}-{account}", str(lane))
        self._lanes[key] = Lane(key, group, receiver, **known)
        return self._lanes[key]

    def at(self, when: int, do: Callable[[], None]) -> None:
        """Let something happen."""
        heappush(self._events, (when, next(self._count), do))

    def accept_at(self, when: int, lane: Lane, count: int = 1) -> None:
        """So many deliveries come in for the lane."""
        self.at(when, lambda: self._accept(lane, count))

    def _accept(self, lane: Lane, count: int) -> None:
        for _ in range(count):
            heappush(lane.deliveries, (self.now, next(self._count), 1))
        if not lane.leased:
            self.store.put(lane, max(self.now, lane.paused_until))

    def run(self, until: int) -> None:
        """Let time pass. What has not been started then counts with what it has waited."""
        step = TURN // len(self.dispatchers)
        for turn in range(self._next_turn, until + 1, step):
            self._next_turn = turn + step
            while self._events and self._events[0][0] <= turn:
                self.now, _, do = heappop(self._events)
                do()
            self.now = turn
            self._turn(self.dispatchers[turn // step % len(self.dispatchers)])
        for lane in self._lanes.values():
            self.delays[lane.group] += [
                until - due for due, _, attempt in lane.deliveries if attempt == 1 and due < until
            ]

    def _turn(self, leased: LeasedLanes) -> None:
        """As `Dispatcher._work`."""
        releases = leased.releases(self.now, self.now, closing=False)
        for each in releases:
            self._release(each)
        leased.forget([each.key for each in releases])
        leased.take(lease_fairly(leased.asks(), partial(self.store.look, self.now), self._take), self.now)
        wanted = leased.wanted()
        found = {each.key: self._due(self._lanes[each.key], each.limit) for each in wanted}
        leased.found(wanted, {key: len(attempts) for key, attempts in found.items()})
        for key, attempts in found.items():
            for attempt in attempts:
                self._start(leased, self._lanes[key], *attempt)

    def _take(self, chosen: Sequence[Due], limit: int) -> list[Lease]:
        lanes = [self._lanes[Key(due.account_id, due.destination)] for due in chosen[:limit]]
        for lane in lanes:
            self.store.remove(lane)
            lane.leased = True
        return [lane.lease() for lane in lanes]

    def _release(self, release: Release) -> None:
        lane = self._lanes[release.key]
        lane.leased = False
        lane.failures, lane.paused_until, lane.standing = release.failures, release.paused_until, release.standing
        lane.window, lane.threshold = release.window, release.threshold
        if lane.deliveries:
            self.store.put(lane, max(lane.deliveries[0][0], release.not_before))

    def _due(self, lane: Lane, limit: int) -> list[tuple[int, int, int]]:
        due: list[tuple[int, int, int]] = []
        while lane.deliveries and lane.deliveries[0][0] <= self.now and len(due) < limit:
            due.append(heappop(lane.deliveries))
        return due

    def _start(self, leased: LeasedLanes, lane: Lane, due: int, number: int, attempt: int) -> None:
        leased.started(lane.key, str(number))
        lane.in_flight += 1
        latency, success = lane.receiver(self.now, lane.in_flight)
        if attempt == 1:
            self.delays[lane.group].append(self.now - due)
        self.at(self.now + latency, lambda: self._end(leased, lane, number, attempt, latency, success=success))

    def _end(self, leased: LeasedLanes, lane: Lane, number: int, attempt: int, latency: int, *, success: bool) -> None:
        leased.ended(lane.key, str(number), success=success, latency_ms=latency, now=self.now)
        lane.in_flight -= 1
        (self.succeeded if success else self.failed)[lane.group] += 1
        if success:
            self.last[lane.group] = self.now
        elif attempt <= len(SCHEDULE):
            wait = round(SCHEDULE[attempt - 1] * self.random.uniform(0.8, 1.2))
            heappush(lane.deliveries, (self.now + wait, number, attempt + 1))
