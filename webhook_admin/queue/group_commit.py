"""One commit for the events of many requests: `fsync` costs the same for one event and for a hundred."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webhook_admin.db import Database
from webhook_admin.errors import StoreUnavailable
from webhook_admin.events import Event
from webhook_admin.queue.accept import Accepted, accept, accept_together

# Requests with more events have little to gain from a common commit, and the others would wait for them.
_MAX_EVENTS = 100


@dataclass(eq=False, slots=True)
class _Waiting:
    """A request's events, and what became of them with the group; None if they have to be tried alone."""

    events: Sequence[Event]
    now: datetime
    is_next: bool = False
    outcome: Accepted | Exception | None = None
    woken: threading.Event = field(default_factory=threading.Event)


class GroupCommit:
    """Stores the events of concurrent requests together.

    Requests gather while another one commits. The first of them then commits the events of all of them, while the next
    ones gather: an answer waits for the commit in progress and for its own, and for no third. A group that fails is
    rolled back, and each of its requests is tried again alone: one that is refused takes no other with it. Only where
    the store is unavailable, all of them fail: trying again would double the time that they wait.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathered: list[_Waiting] = []
        self._is_committing = False
        self._lock = threading.Lock()

    def accept(self, events: Sequence[Event], now: datetime) -> Accepted:
        """Store the events, all or none, and wake the dispatchers. Returns after the commit; raises what `accept` does.

        The caller must not hold a connection: it may wait for another request, which needs one.
        """
        outcome = self._accept_together(_Waiting(events, now)) if len(events) <= _MAX_EVENTS else None
        if outcome is None:
            with self._database.transaction() as transaction:
                return accept(transaction, events, now)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _accept_together(self, own: _Waiting) -> Accepted | Exception | None:
        with self._lock:
            self._gathered.append(own)
            own.is_next, self._is_committing = not self._is_committing, True
        if not own.is_next:
            own.woken.wait()
        if own.is_next:
            self._commit_gathered()
        return own.outcome

    def _commit_gathered(self) -> None:
        """Commit all that has gathered, wake its requests, and let the first of those that have come since go on."""
        with self._lock:
            group, self._gathered = self._gathered, []
        try:
            self._commit(group)
        finally:
            with self._lock:
                following = self._gathered[:1]
                self._is_committing = bool(following)
            for each in following:
                each.is_next = True
            for each in [*following, *group]:
                each.woken.set()

    def _commit(self, group: Sequence[_Waiting]) -> None:
        try:
            with self._database.transaction() as transaction:
                results = accept_together(transaction, [each.events for each in group], max(each.now for each in group))
            for each, accepted in zip(group, results, strict=True):
                each.outcome = accepted
        except Exception as error:  # noqa: BLE001  raised by the request that caused it, here or when it is tried alone
            if len(group) == 1 or isinstance(error, StoreUnavailable):
                for each in group:
                    each.outcome = error
