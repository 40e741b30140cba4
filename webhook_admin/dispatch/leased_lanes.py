"""The lanes that a dispatcher leases, and which of them starts the next request. Pure: no SQL, no clock.

What every rule serves: no receiver, however slow, and no backlog, however long, delays another account.

Times are whole milliseconds, of two clocks that are never compared with each other: `now` is the queue's, in which
pauses and due times are written to the store; `monotonic` is this process's, for spans.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from webhook_admin.dispatch.fair_shares import GROUPS, UNPROVEN, Places, turns
from webhook_admin.dispatch.lane import UNTRUSTED, Lane
from webhook_admin.dispatch.lane_index import LaneIndex
from webhook_admin.queue.due_deliveries import Wanted
from webhook_admin.queue.due_lanes import FRONT, Ask, Leased, Position
from webhook_admin.queue.lanes import WEBHOOK, Key, Standing
from webhook_admin.queue.leases import Failing, Lease, Release

QUANTUM = 1_000
"""For how many milliseconds a lane with more to do keeps its lease while others wait for one."""


MAX_UNPROVEN_STARTS = 8
"""How many requests of untried and failing lanes start in a turn. Most need a new connection, and a TLS handshake takes
30 times the CPU of a request: many of them at once would hold up the event loop, and with it everybody. Failing lanes
are sure of a quarter of them.
"""


class LeasedLanes:
    """The lanes that one dispatcher leases.

    At most `max_in_flight` requests are in flight, `max_per_lane` of each lane, and at most `max_starts` start in a
    turn.
    """

    def __init__(self, max_in_flight: int, max_per_lane: int, max_starts: int = 500) -> None:
        self._places = Places(max_in_flight)
        self._max_per_lane = max_per_lane
        self._max_starts = max_starts
        self._index = LaneIndex()
        self._waiting: Collection[Standing] = ()
        self._after: Mapping[Standing, Position] = {}
        # Lanes of webhooks that have begun to fail, or ceased, or whose deliveries used up their attempts.
        self._failing_news: set[Key] = set()

    @property
    def in_flight(self) -> int:
        """How many requests are in flight."""
        return self._places.in_flight

    @property
    def leased(self) -> list[Key]:
        """The lanes that are leased."""
        return [lane.key for lane in self._index.by_key.values() if lane.leased]

    @property
    def changed(self) -> list[Key]:
        """The leased lanes that are marked, as their webhooks have been changed or are gone, or that have orphans."""
        return [lane.key for lane in self._index.by_key.values() if lane.leased and (lane.changed or lane.orphaned)]

    @property
    def is_looking(self) -> bool:
        """Whether there are due lanes that have not been looked at yet, so that the next turn should come at once."""
        return bool(self._after)

    @property
    def can_start(self) -> bool:
        """Whether any lane may start a request."""
        return next(turns(self._places, self._index.ready), None) is not None

    @property
    def can_release(self) -> bool:
        """Whether any lane is to be given back."""
        return bool(self._index.idle)

    def asks(self) -> list[Ask]:
        """What to lease: of each standing as many lanes as can start a request beside those that wait their turn."""
        return [
            Ask(
                standing=standing,
                limit=max(min(self._places.free(standing), self._starts(standing)) - self._newcomers(standing), 0),
                share=self._places.share(standing),
                held=self._index.held[GROUPS[standing]],
                after=self._after.get(standing, FRONT),
            )
            for standing in Standing
        ]

    def take(self, leased: Leased, monotonic: int) -> None:
        """Lease these lanes, too."""
        self._waiting, self._after = leased.waiting, leased.after
        for lease in leased.leases:
            self._enter(lease, monotonic)

    def renewed(self, leases: Collection[Lease], monotonic: int) -> None:
        """Lease these lanes and no others. What is in flight on others ends as it may."""
        kept = {lease.key for lease in leases}
        for lease in leases:
            known = self._index.by_key.get(lease.key)
            if known is None or not known.leased:
                self._enter(lease, monotonic)
        self.notice(leases)
        self.forget([key for key in self.leased if key not in kept])

    def notice(self, leases: Iterable[Lease]) -> None:
        """Forget what was learned in those of the lanes that are marked, unless that is done already."""
        for lease in leases:
            lane = self._index.by_key[lease.key]
            if lease.changed and not lane.changed:
                lane.forget(lease.failing)
                self._index.refile(lane)

    def forget(self, keys: Iterable[Key]) -> None:
        """These lanes are given back, or lost."""
        for key in keys:
            lane = self._index.by_key[key]
            lane.leased = False
            self._index.refile(lane)
            self._failing_news.discard(key)

    def have_orphans(self, keys: Iterable[Key]) -> None:
        """A delivery of each of these lanes turned out to be an orphan: there may be more."""
        for key in keys:
            self._index.by_key[key].orphaned = True

    def may_have_orphans(self, lease: Lease) -> bool:
        """Whether to look for orphans in the lane."""
        return not lease.no_orphans or self._index.by_key[lease.key].orphaned

    def without_orphans(self, keys: Iterable[Key]) -> None:
        """The orphans of these lanes have been cancelled."""
        for key in keys:
            self._index.by_key[key].orphaned = False

    def settled(self, keys: Iterable[Key]) -> None:
        """The mark has been taken off these lanes."""
        for key in keys:
            self._index.by_key[key].changed = False

    def wake(self) -> None:
        """There may be something new in every lane."""
        self.have_more(list(self._index.by_key))

    def have_more(self, keys: Iterable[Key]) -> None:
        """There may be something new in these lanes."""
        for key in keys:
            lane = self._index.by_key.get(key)
            if lane and not lane.more:
                lane.more = True
                self._index.refile(lane)

    def wanted(self) -> list[Wanted]:
        """How many more requests each lane may start in this turn."""
        grants: Counter[Lane] = Counter()
        granted = []
        unproven, finished = Counter[Standing](), set[Standing]()
        failing = MAX_UNPROVEN_STARTS // 4 if self._index.ready[Standing.FAILING] else 0
        for _, lane in zip(range(self._max_starts), turns(self._places, self._index.ready, finished), strict=False):
            granted.append((lane.key.account_id, GROUPS[lane.standing]))
            self._places.take(*granted[-1])
            grants[lane] += 1
            if lane.standing in UNPROVEN:
                unproven[lane.standing] += 1
            if unproven[Standing.UNTRIED] == MAX_UNPROVEN_STARTS - failing:
                finished.add(Standing.UNTRIED)
            if unproven.total() == MAX_UNPROVEN_STARTS:
                finished |= UNPROVEN
        for place in granted:
            self._places.give_back(*place)
        return [Wanted(lane.key, count, list(lane.in_flight)) for lane, count in grants.items()]

    def found(self, wanted: Iterable[Wanted], counts: Mapping[Key, int]) -> None:
        """Learn which lanes had fewer deliveries due than they could start."""
        for each in wanted:
            lane = self._index.by_key[each.key]
            lane.more = counts.get(each.key, 0) >= each.limit
            self._index.refile(lane)

    def started(self, key: Key, delivery_id: str) -> None:
        """A request takes its place, from the opening of its connection on."""
        lane = self._index.by_key[key]
        name = GROUPS[lane.standing]
        lane.in_flight[delivery_id] = (name, lane.window.round)
        lane.served = True
        self._places.take(key.account_id, name)
        self._index.refile(lane, last=True)

    def standing(self, key: Key) -> Standing:
        """How the lane's latest attempt went that counts."""
        return self._index.by_key[key].standing

    def ended(
        self, key: Key, delivery_id: str, *, success: bool, latency_ms: int, now: int, is_exhausted: bool = False
    ) -> Lane:
        """A request has ended, and its lane, which is returned, learns from it.

        `is_exhausted`: its delivery has used up its attempts.
        """
        lane = self._index.by_key[key]
        _, started_in = lane.in_flight[delivery_id]
        if started_in != UNTRUSTED:
            before = lane.failing
            if success:
                lane.succeeded(latency_ms, self._max_per_lane)
            else:
                lane.failed(started_in, now, is_exhausted=is_exhausted)
            if lane.failing != before and lane.leased and key.destination == WEBHOOK:
                self._failing_news.add(key)
        self.given_up(key, delivery_id)
        return lane

    @property
    def failing_news(self) -> dict[Key, Failing]:
        """What is to be written down about leased lanes that fail, or no longer do; a release writes it by itself."""
        return {key: self._index.by_key[key].failing for key in self._failing_news}

    def failing_noted(self, keys: Collection[Key]) -> None:
        """Of these lanes it has been written down."""
        self._failing_news.difference_update(keys)

    def given_up(self, key: Key, delivery_id: str) -> None:
        """A request gives its place back without being sent, and teaches nothing."""
        lane = self._index.by_key[key]
        name, _ = lane.in_flight.pop(delivery_id)
        self._places.give_back(key.account_id, name)
        self._index.refile(lane)

    def releases(self, now: int, monotonic: int, *, closing: bool) -> list[Release]:
        """The lanes to give back: nothing is due, they are paused, or others wait. `closing`: all without requests."""
        shares = {standing: max(self._places.share(standing), 1) for standing in self._waiting}
        for lane in self._index.by_key.values() if shares else ():
            if (
                lane.standing in shares
                and monotonic >= lane.since + QUANTUM
                and self._index.held[GROUPS[lane.standing]][lane.key.account_id] >= shares[lane.standing]
                and not lane.spent
            ):
                lane.spent = True
                self._index.refile(lane)
        self._spend_failing()
        lanes = self._index.by_key.values() if closing else self._index.idle
        return [lane.release(now) for lane in lanes if lane.leased and not lane.in_flight]

    def _spend_failing(self) -> None:
        """Give failing lanes back that cannot start soon, or all that fail would in the end be leased and wait here."""
        waiting = [*islice(self._index.ready[Standing.FAILING].values(), MAX_UNPROVEN_STARTS, None)]
        for lane in [lane for lanes in waiting for lane in lanes if not lane.in_flight]:
            lane.spent = True
            self._index.refile(lane)

    def _starts(self, standing: Standing) -> int:
        return min(self._max_starts, MAX_UNPROVEN_STARTS) if standing in UNPROVEN else self._max_starts

    def _newcomers(self, standing: Standing) -> int:
        """How many accounts have a lane that may start their only request in the group."""
        return sum(not self._places.taken(account_id, standing) for account_id in self._index.ready[standing])

    def _enter(self, lease: Lease, monotonic: int) -> None:
        lane = Lane.of(lease, monotonic, self._max_per_lane)
        if lost := self._index.by_key.get(lease.key):
            lost.leased = False
            self._index.refile(lost)
            # Another dispatcher may have learned better meanwhile.
            lane.in_flight = lost.in_flight
            lane.distrust_requests()
        self._index.by_key[lease.key] = lane
        self._index.refile(lane)
