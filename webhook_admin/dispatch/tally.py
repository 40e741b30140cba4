"""What a dispatcher has recorded and not yet added to the statistics."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from webhook_admin.dispatch.decide import Ended
from webhook_admin.queue.clock import HOUR
from webhook_admin.queue.deliveries import Due, State, Transition
from webhook_admin.queue.statistics import Cell, Kind, of_latency, of_outcome


class Tally:
    """Counts by account, hour and kind. Test deliveries count nowhere."""

    def __init__(self) -> None:
        self.counts: Counter[Cell] = Counter()

    def attempts(self, recorded: Iterable[Ended], now: int) -> None:
        """Count attempts, and the time from acceptance, or from the resend, to acknowledgement."""
        hour = now // HOUR
        for ended in recorded:
            due, attempt = ended.sending.due, ended.attempt
            if due.test:
                continue
            self.counts[Cell(due.account_id, hour, Kind.ATTEMPTS)] += 1
            self.counts[Cell(due.account_id, hour, of_outcome(attempt.outcome))] += 1
            if ended.transition.state is State.DELIVERED:
                milliseconds = attempt.started_at + (attempt.duration_ms or 0) - due.starts_at
                self.counts[Cell(due.account_id, hour, of_latency(milliseconds))] += 1

    def concluded(self, decided: Sequence[tuple[Due, Transition]], now: int) -> None:
        """Count deliveries that have ended, by their final states."""
        for due, transition in decided:
            if transition.due_at is None and not due.test:
                self.counts[Cell(due.account_id, now // HOUR, transition.state)] += 1

    def cancelled(self, account_ids: Mapping[str, int], now: int) -> None:
        """Count deliveries that were cancelled in bulk, by account."""
        for account_id, count in account_ids.items():
            self.counts[Cell(account_id, now // HOUR, Kind.CANCELLED)] += count
