"""Fair shares: which lanes start the next requests, over two levels, account and then lane. Pure: no SQL, no clock.

A request in flight takes one of the dispatcher's places. Lanes of like standing form a group, and each group is sure of
some places. An account may take that part of its group's free places that is free: half of them when half are free, a
quarter of them when a quarter is. So newcomers find a place, however many accounts take what they can.
"""

from collections import Counter, deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from typing import Generic, Protocol, TypeVar

from webhook_admin.queue.lanes import Standing

GROUPS = {
    Standing.QUICK: "quick",
    Standing.UNTRIED: "unproven",
    Standing.SLOW: "slow",
    Standing.FAILING: "unproven",
}
"""Which lanes share places. Where accounts take equally many, the standings have their turns in this order."""


UNPROVEN = {standing for standing, name in GROUPS.items() if name == "unproven"}


def adjust(counts: Counter[str], name: str, by: int) -> None:
    """Count up or down; what is zero takes no memory."""
    counts[name] += by
    if not counts[name]:
        del counts[name]


class Places:
    """All requests in flight, at most `max_in_flight`, by group and account.

    Each group is sure of an eighth. Unproven lanes take at most half, of which failing ones leave a quarter to others.
    """

    def __init__(self, max_in_flight: int) -> None:
        self._max = max_in_flight
        self._reserved = max_in_flight // 8
        unproven = max(max_in_flight // 2, 1)
        self._sizes = {"quick": max_in_flight, "slow": max_in_flight, "unproven": unproven}
        self._taken = dict.fromkeys(self._sizes, 0)
        self._by_account: dict[str, Counter[str]] = {name: Counter() for name in self._sizes}

    @property
    def in_flight(self) -> int:
        """How many requests are in flight."""
        return sum(self._taken.values())

    def free(self, standing: Standing) -> int:
        """How many more requests lanes of this standing can start."""
        own = GROUPS[standing]
        left = self._max
        for name, taken in self._taken.items():
            if name != own:
                left -= max(taken, self._reserved)
        available = min(self._sizes[own], left)
        if standing is Standing.FAILING and available > 1:
            available = available * 3 // 4
        return max(available - self._taken[own], 0)

    def share(self, standing: Standing) -> int:
        """How many places of the group one account may take now: free² / size, at least one while any is free."""
        free = self.free(standing)
        return -(-free * free // self._sizes[GROUPS[standing]])

    def taken(self, account_id: str, standing: Standing) -> int:
        """How many places of the group the account takes."""
        return self._by_account[GROUPS[standing]][account_id]

    def by_account(self, standing: Standing) -> Mapping[str, int]:
        """How many places of the group each account takes."""
        return self._by_account[GROUPS[standing]]

    def take(self, account_id: str, name: str) -> None:
        """A request is in flight, from now on."""
        self._taken[name] += 1
        adjust(self._by_account[name], account_id, 1)

    def give_back(self, account_id: str, name: str) -> None:
        """A request in flight has ended; `name` is the group that its lane was in when it started."""
        self._taken[name] -= 1
        adjust(self._by_account[name], account_id, -1)


@dataclass(slots=True)
class Window:
    """How many requests a lane may have in flight: additive increase, multiplicative decrease, as in TCP (RFC 5681).

    It grows by one with each success up to `threshold`, and by one in a round trip beyond it. A failure halves it, once
    for all that were in flight together: `round` counts the cuts, and every request carries the round it started in.
    """

    size: float = 1
    threshold: float | None = None
    round: int = 0

    def succeeded(self, max_size: int) -> None:
        """Widen it."""
        slow = self.threshold is not None and self.size >= self.threshold
        self.size = min(self.size + (1 / self.size if slow else 1), max_size)

    def failed(self) -> None:
        """Halve it."""
        self.size = self.threshold = max(self.size / 2, 1)
        self.round += 1


class Startable(Protocol):
    """A lane, as far as its turn depends on it."""

    @property
    def in_flight(self) -> Sized:
        """Its requests in flight."""

    @property
    def free_slots(self) -> int:
        """How many more requests it may start."""


L = TypeVar("L", bound=Startable)


def turns(
    places: Places, ready: Mapping[Standing, Mapping[str, Iterable[L]]], finished: Container[Standing] = ()
) -> Iterator[L]:
    """The lanes that start a request, in order; `ready` has them by standing and account.

    The account with the fewest requests in flight in its group comes first, and of its lanes the one with the fewest;
    ties go to the one that came to as many first. The caller counts each with `Places.take` before it takes the next,
    and enters a standing in `finished` when no more of its lanes are to start.
    """
    queues = {
        standing: _Queue(places.by_account(standing), ready[standing])
        for standing in GROUPS
        if ready[standing] and places.free(standing)
    }
    while queues:
        standing = min(queues, key=lambda each: queues[each].taken)
        queue = queues[standing]
        if standing in finished or queue.taken >= places.share(standing):
            # All other accounts take as many places or more.
            del queues[standing]
            continue
        if (lane := queue.pop()) is not None:
            yield lane
        if queue.is_empty:
            del queues[standing]


class _Queue(Generic[L]):
    """The accounts that may start requests of one standing, in the order of the places that they take in its group.

    `taken` is how many the first one takes. Nothing is sorted: most turns do not get beyond the first accounts.
    """

    def __init__(self, by_account: Mapping[str, int], ready: Mapping[str, Iterable[L]]) -> None:
        self._by_account = by_account
        self._ready = ready
        self._lanes: dict[str, Iterator[L]] = {}
        self._levels: dict[int, deque[str]] = {}
        for account_id in ready:
            self._push(account_id, by_account.get(account_id, 0))
        self.taken = min(self._levels)

    @property
    def is_empty(self) -> bool:
        """Whether no account is left."""
        return not self._levels

    def pop(self) -> L | None:
        """The next lane; None if the first account has none left, or has started a request of another standing."""
        level = self._levels[self.taken]
        account_id = level.popleft()
        lane = None
        taken = self._by_account.get(account_id, 0)
        if taken > self.taken:
            self._push(account_id, taken)
        elif (lane := next(self._lanes_of(account_id), None)) is not None:
            self._push(account_id, taken + 1)
        if not level:
            del self._levels[self.taken]
            self.taken = min(self._levels, default=0)
        return lane

    def _push(self, account_id: str, taken: int) -> None:
        self._levels.setdefault(taken, deque()).append(account_id)

    def _lanes_of(self, account_id: str) -> Iterator[L]:
        if account_id not in self._lanes:
            self._lanes[account_id] = _in_turn(self._ready[account_id])
        return self._lanes[account_id]


def _in_turn(lanes: Iterable[L]) -> Iterator[L]:
    """An account's lanes, each as often as it may start a request."""
    queue = [(len(lane.in_flight), n, lane.free_slots, lane) for n, lane in enumerate(lanes)]
    heapify(queue)
    while queue:
        in_flight, n, slots, lane = queue[0]
        yield lane
        if slots > 1:
            heapreplace(queue, (in_flight + 1, n, slots - 1, lane))
        else:
            heappop(queue)
