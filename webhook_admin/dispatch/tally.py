"""What a dispatcher has recorded and not yet added to the statistics."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from webhook_admin.db import Database
from webhook_admin.dispatch.sending import Ended
from webhook_admin.queue import clock, statistics
from webhook_admin.queue.clock import HOUR, SECOND
from webhook_admin.queue.deliveries import Transition
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.queue.statistics import Cell, Kind, of_latency, of_outcome

# What is counted and not yet added is lost in a crash.
_ADD_EVERY = 3 * SECOND


class Tally:
    """Counts by account, hour and kind. Tests and operational events count nowhere.

    What a transaction has done is noted with `concluded` and `cancelled`, between `begin` and `committed`.
    """

    def __init__(self) -> None:
        self._counts: Counter[Cell] = Counter()
        self._concluded: list[tuple[Due, Transition]] = []
        self._cancelled: Counter[str] = Counter()
        self._add_at = 0

    @property
    def is_empty(self) -> bool:
        """Whether all is added."""
        return not self._counts

    def begin(self) -> None:
        """Forget what was noted of a transaction that was not committed."""
        self._concluded.clear()
        self._cancelled.clear()

    def concluded(self, decided: Sequence[tuple[Due, Transition]]) -> None:
        """Note the next states of deliveries."""
        self._concluded += decided

    def cancelled(self, by_account: Mapping[str, int]) -> None:
        """Note deliveries that were cancelled in bulk, by account."""
        self._cancelled.update(by_account)

    def committed(self, recorded: Iterable[Ended], now: int) -> None:
        """Count what was noted, and the attempts that were recorded."""
        hour = now // HOUR
        for ended in recorded:
            if ended.sending.due.is_counted:
                self._count_attempt(ended, hour)
        for due, transition in self._concluded:
            if transition.due_at is None and due.is_counted:
                self._counts[Cell(due.account_id, hour, transition.state)] += 1
        for account_id, count in self._cancelled.items():
            self._counts[Cell(account_id, hour, Kind.CANCELLED)] += count

    def _count_attempt(self, ended: Ended, hour: int) -> None:
        due, attempt = ended.sending.due, ended.attempt
        self._counts[Cell(due.account_id, hour, Kind.ATTEMPTS)] += 1
        self._counts[Cell(due.account_id, hour, of_outcome(attempt.outcome))] += 1
        if (milliseconds := ended.acknowledged_after) is not None:
            self._counts[Cell(due.account_id, hour, of_latency(milliseconds))] += 1

    def add_to(self, database: Database, *, at_once: bool) -> None:
        """Add the counts to the statistics every few seconds, or `at_once`.

        In a transaction of its own: nobody holds lanes while waiting for a row of the statistics.
        """
        monotonic = clock.monotonic()
        if self._counts and (at_once or monotonic >= self._add_at):
            with database.transaction() as transaction:
                statistics.add(transaction, self._counts)
            self._counts.clear()
            self._add_at = monotonic + _ADD_EVERY
