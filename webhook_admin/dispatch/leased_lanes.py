"""The lanes that a dispatcher holds, and whose turn it is. Pure: no SQL, no clock. Times are in milliseconds.

What every rule serves: no lane's receiver, however slow, and no lane's backlog, however long, delays another lane.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from webhook_admin.dispatch import retry
from webhook_admin.queue.deliveries import Wanted, Webhook
from webhook_admin.queue.lanes import Key, Lease, Release

QUANTUM = 1_000
"""How long a lane may hold its place while others wait for one."""


@dataclass(slots=True)
class Lane:
    """One lane, while it is held.

    `window` is how many requests may be under way at once: one at first, twice as many after each success.
    """

    key: Key
    since: int
    failures: int
    webhook_etag: str | None
    window: int = 1
    paused_until: int = 0
    more: bool = True
    leased: bool = True
    under_way: set[str] = field(default_factory=set)

    def ended(self, delivery_id: str, delivered: bool, now: int, most: int) -> None:
        """Learn from an attempt."""
        self.under_way.discard(delivery_id)
        if delivered:
            self.failures, self.paused_until, self.window = 0, 0, min(self.window * 2, most)
        elif now >= self.paused_until:
            # Those that were under way when the pause began say nothing new.
            self.failures, self.window = self.failures + 1, max(self.window // 2, 1)
            self.paused_until = now + retry.pause(self.failures)

    def may_start(self, now: int) -> int:
        """How many more requests this lane can have under way."""
        ready = self.leased and self.more and self.paused_until <= now
        return max(self.window - len(self.under_way), 0) if ready else 0

    def is_entitled(self, now: int) -> bool:
        """Whether its next request comes before those of lanes that are not held yet."""
        return self.may_start(now) > 0 and not self.under_way and not self.failures and now < self.since + QUANTUM

    def release(self, now: int) -> Release:
        """How to give it back: behind the lanes that wait already, if there is more to do."""
        not_before = max(self.paused_until, now if self.more else 0)
        return Release(self.key, self.failures, self.paused_until, self.webhook_etag, not_before)


class Holdings:
    """The lanes that one dispatcher holds: at most `most` requests are under way, and `most_per_lane` for each.

    Lanes whose latest attempt has failed share half of all requests: however many receivers are dead, the other half
    is for those that answer.
    """

    def __init__(self, most: int, most_per_lane: int) -> None:
        self._most = most
        self._most_per_lane = most_per_lane
        self._lanes: dict[Key, Lane] = {}

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return sum(len(lane.under_way) for lane in self._lanes.values())

    @property
    def leased(self) -> list[Key]:
        """The lanes that are held."""
        return [lane.key for lane in self._lanes.values() if lane.leased]

    def room(self, now: int) -> int:
        """How many more lanes can be leased and given a request each."""
        entitled = sum(lane.is_entitled(now) for lane in self._lanes.values())
        return max(self._most - self.under_way - entitled, 0)

    def take(self, leases: Iterable[Lease], now: int) -> None:
        """Hold these lanes, too."""
        for key, failures, webhook_etag in leases:
            lane = self._lanes.setdefault(key, Lane(key, now, failures, webhook_etag))
            lane.leased, lane.more, lane.since = True, True, now

    def hold(self, leases: Collection[Lease], now: int) -> None:
        """Hold these lanes and no others. What is under way on others ends as it may."""
        for lane in self._lanes.values():
            lane.leased = False
        self.take([lease for lease in leases if lease.key not in self._lanes], now)
        for lease in leases:
            self._lanes[lease.key].leased = True
        self.forget([lane.key for lane in self._lanes.values() if not lane.leased and not lane.under_way])

    def forget(self, keys: Iterable[Key]) -> None:
        """These lanes have been given back."""
        for key in keys:
            del self._lanes[key]

    def wake(self) -> None:
        """There may be something new in every lane."""
        for lane in self._lanes.values():
            lane.more = True

    @property
    def takes_doubtful(self) -> bool:
        """Whether lanes whose latest attempt has failed can be leased."""
        return self._free_for_doubtful > 0

    def wanted(self, now: int) -> list[Wanted]:
        """How many more requests each lane may start: one each, before any lane has a second."""
        free, free_for_doubtful = self._most - self.under_way, self._free_for_doubtful
        grants: Counter[Key] = Counter()
        for lane in self._turns(now):
            if free <= 0:
                break
            if lane.failures:
                if free_for_doubtful <= 0:
                    continue
                free_for_doubtful -= 1
            free -= 1
            grants[lane.key] += 1
        return [Wanted(key, most, sorted(self._lanes[key].under_way)) for key, most in grants.items()]

    def found(self, wanted: Iterable[Wanted], counts: Mapping[Key, int]) -> None:
        """Learn which lanes had fewer deliveries than they could start."""
        for each in wanted:
            self._lanes[each.key].more = counts.get(each.key, 0) >= each.most

    def is_replaced(self, key: Key, webhook: Webhook | None) -> bool:
        """Whether the lane's webhook is another than the one that has been delivered to last."""
        etag = self._lanes[key].webhook_etag
        return bool(etag and webhook and not etag.startswith(f"{webhook.id}."))

    def started(self, key: Key, delivery_id: str, webhook_etag: str | None) -> None:
        """A request is under way."""
        lane = self._lanes[key]
        lane.under_way.add(delivery_id)
        lane.webhook_etag = webhook_etag

    def ended(self, key: Key, delivery_id: str, delivered: bool, now: int) -> None:
        """A request has ended."""
        lane = self._lanes[key]
        lane.ended(delivery_id, delivered, now, self._most_per_lane)
        if not lane.leased and not lane.under_way:
            self.forget([key])

    def idle(self, now: int, *, closing: bool) -> list[Release]:
        """The lanes to give back: they have nothing due, are put off, or make room for others. `closing`: all."""
        return [
            lane.release(now)
            for lane in self._lanes.values()
            if lane.leased and not lane.under_way and (closing or not lane.is_entitled(now))
        ]

    @property
    def _free_for_doubtful(self) -> int:
        return self._most // 2 - sum(len(lane.under_way) for lane in self._lanes.values() if lane.failures)

    def _turns(self, now: int) -> Iterator[Lane]:
        ready = [(lane, most) for lane in self._lanes.values() if (most := lane.may_start(now))]
        ready.sort(key=lambda pair: (not pair[0].is_entitled(now), len(pair[0].under_way)))
        for place in itertools.count():
            ready = [(lane, most) for lane, most in ready if most > place]
            if not ready:
                return
            yield from (lane for lane, _ in ready)
