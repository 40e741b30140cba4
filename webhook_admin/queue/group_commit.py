"""One commit for the events of many requests: `fsync` costs the same for one event and for a hundred."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from webhook_admin.db import Database
from webhook_admin.errors import StoreUnavailable
from webhook_admin.events import Event
from webhook_admin.queue.accept import Accepted, accept, accept_together

# More events in one transaction are hardly any cheaper, and all of its requests wait for the last of them.
_MAX_EVENTS = 500


@dataclass(eq=False, slots=True)
class _Waiting:
    """A request's events, and what became of them with the group; None if they have to be tried alone."""

    events: Sequence[Event]
    now: datetime
    taken: bool = False
    outcome: Accepted | Exception | None = None


class GroupCommit:
    """Stores the events of concurrent requests together.

    Requests queue up while another one commits. The next one to hold the lock commits the events of all of them, so an
    answer waits for the commit in progress and for its own. A group that fails is rolled back, and each of its requests
    is tried again alone: one that is refused takes no other with it. Only where the store is unavailable, all of them
    fail: trying again would double the time that they wait.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Waiting] = deque()
        self._lock = threading.Lock()

    def accept(self, events: Sequence[Event], now: datetime) -> Accepted:
        """Store the events, all or none, and wake the dispatchers. Returns after the commit; raises what `accept` does.

        The caller must not hold a connection: it may wait for another request, which needs one.
        """
        own = _Waiting(events, now)
        if len(events) < _MAX_EVENTS:
            self._queue.append(own)
            with self._lock:
                while not own.taken:
                    self._commit(self._take())
        if own.outcome is None:
            with self._database.transaction() as connection:
                return accept(connection, events, now)
        if isinstance(own.outcome, Exception):
            raise own.outcome
        return own.outcome

    def _take(self) -> list[_Waiting]:
        """The requests that have waited longest, as many as fit into a group."""
        group: list[_Waiting] = []
        room = _MAX_EVENTS
        while self._queue and len(self._queue[0].events) <= room:
            group.append(self._queue.popleft())
            group[-1].taken = True
            room -= len(group[-1].events)
        return group

    def _commit(self, group: Sequence[_Waiting]) -> None:
        try:
            with self._database.transaction() as connection:
                results = accept_together(connection, [each.events for each in group], max(each.now for each in group))
            for each, accepted in zip(group, results, strict=True):
                each.outcome = accepted
        except Exception as error:  # noqa: BLE001  raised by the request that caused it, here or when it is tried alone
            if len(group) == 1 or isinstance(error, StoreUnavailable):
                for each in group:
                    each.outcome = error
