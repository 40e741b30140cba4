"""What a process measures that takes events in: over HTTP, or from a broker."""

from contextlib import AbstractContextManager

from webhook_admin.metrics.instruments import ByWord
from webhook_admin.metrics.store_time import Step, StoreTime
from webhook_admin.queue.accept import Accepted


class EventMetrics:
    """The events, and what the store takes for them."""

    def __init__(self) -> None:
        self._events = ByWord("events", "Events taken in.", "result", ("accepted", "duplicate", "unrouted", "refused"))
        self._store_time = StoreTime()

    def storing(self) -> AbstractContextManager[None]:
        """Measure the block, in which events are stored and committed."""
        return self._store_time.measure(Step.ACCEPT)

    def accepted(self, accepted: Accepted) -> None:
        """Count the events of a batch."""
        self._events.add("accepted", accepted.accepted)
        self._events.add("duplicate", accepted.duplicates)
        self._events.add("unrouted", accepted.unrouted)

    def refused(self, count: int) -> None:
        """Count events from a broker that went to the dead letters."""
        self._events.add("refused", count)
