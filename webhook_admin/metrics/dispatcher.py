"""What a dispatcher measures."""

from collections import Counter
from collections.abc import Iterable

from webhook_admin.metrics.instruments import BulkHistogram, ByWord, gauge
from webhook_admin.metrics.store_time import Laps, StoreTime
from webhook_admin.queue import clock
from webhook_admin.queue.clock import SECOND
from webhook_admin.sender.request import Outcome

_WRITE_EVERY = SECOND // 4


class DispatcherMetrics:
    """All is gathered turn by turn, and written four times a second: a turn of one delivery would cost 20 us more."""

    def __init__(self) -> None:
        self._attempts = ByWord("attempts", "Attempts on record, by outcome.", "outcome", Outcome)
        self._acknowledged = BulkHistogram(
            "acknowledged_seconds", "From acceptance, or the resend, to the receiver's acknowledgement."
        )
        self._in_flight = gauge("notifications_in_flight", "Requests in flight to receivers.")
        connections = gauge("receiver_connections", "Connections to receivers, by state.", ["state"])
        self._used, self._idle = connections.labels("used"), connections.labels("idle")
        self.laps = Laps(StoreTime())
        self._outcomes: list[str] = []
        self._acknowledged_after: list[float] = []
        self._write_at = 0

    def recorded(self, outcomes: Iterable[str], acknowledged_after: Iterable[float]) -> None:
        """Count attempts whose record is committed, and the seconds of those that were acknowledged."""
        self._outcomes += outcomes
        self._acknowledged_after += acknowledged_after

    def turned(self, *, in_flight: int, is_last: bool) -> None:
        """A turn has ended. Now and then, and with the last turn, all that has gathered is written."""
        monotonic = clock.monotonic()
        if monotonic >= self._write_at or is_last:
            self._write_at = monotonic + _WRITE_EVERY
            self._in_flight.set(in_flight)
            self._write()

    def _write(self) -> None:
        for outcome, count in Counter(self._outcomes).items():
            self._attempts.add(outcome, count)
        self._acknowledged.observe_all(self._acknowledged_after)
        self._outcomes.clear()
        self._acknowledged_after.clear()
        self.laps.write()

    def connected(self, used: int, idle: int) -> None:
        """Note how many connections to receivers are in use, and how many are kept for later."""
        self._used.set(used)
        self._idle.set(idle)
