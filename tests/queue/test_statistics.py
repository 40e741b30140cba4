"""Statistics: counts by account and hour, and what waits."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine import LANE, LONG_AGO, Queue, event
from webhook_admin.queue import clock, latency, statistics
from webhook_admin.queue.clock import HOUR
from webhook_admin.queue.statistics import Cell, Kind, of_latency, of_outcome

NOW = clock.milliseconds(LONG_AGO)
THIS = NOW // HOUR
OWN = "https://orders.example.com/order-1"


@given(st.lists(st.integers(0, 300_000_000), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_percentiles_are_right_to_within_10_percent(latencies: list[int], share: float) -> None:
    """However few or many there are, from a millisecond to three days."""
    found = latency.percentile(Counter(map(latency.bucket, latencies)), share)
    rank = next(number for number in range(1, len(latencies) + 1) if number >= share * len(latencies))
    exact = max(sorted(latencies)[rank - 1], 1)
    assert found is not None
    assert abs(found - exact) <= max(exact * 0.1, 0.5)


def test_nothing_has_no_percentiles() -> None:
    """None of them."""
    assert latency.percentile({}, 0.5) is None


def test_counts_add_up(queue: Queue) -> None:
    """What dispatchers add is summed by hour; other accounts and other hours are left out."""
    cells = [
        Cell("acme", THIS, Kind.DELIVERED),
        Cell("acme", THIS - 1, Kind.DELIVERED),
        Cell("acme", THIS - 2, Kind.DELIVERED),
        Cell("globex", THIS, Kind.DELIVERED),
        Cell("acme", THIS, of_outcome("timeout")),
        Cell("acme", THIS, of_latency(100)),
    ]
    with queue.database.transaction() as transaction:
        statistics.add(transaction, dict.fromkeys(cells, 2))
        statistics.add(transaction, {cells[0]: 3})
        by_hour = statistics.by_hour(transaction, "acme", range(THIS - 1, THIS + 1))
    assert {hour: counts[Kind.DELIVERED] for hour, counts in by_hour.items()} == {THIS - 1: 2, THIS: 5}
    total = statistics.total(by_hour)
    assert (total[Kind.DELIVERED], total[Kind.FAILED], total.outcomes) == (7, 0, {"timeout": 2})
    assert total.acknowledged_after_ms["p50"] == pytest.approx(100, rel=0.1)


def test_what_waits(queue: Queue) -> None:
    """How many, since when the oldest waits, the pause of the webhook's lane, and when its next delivery is due.

    Deliveries that have ended are not counted.
    """
    queue.customer()
    queue.accept(event(1, status="READ"), now=datetime.now(UTC))
    queue.accept(event(2), now=LONG_AGO)
    queue.accept(event(3, callback_url=OWN), now=datetime.now(UTC))
    queue.accept(event(4), now=LONG_AGO)
    queue.finish(queue.deliveries(event_id="evt_4"))
    queue.lease()
    queue.release(LANE, paused_until=NOW + 60_000)
    with queue.database.connect() as connection:
        waiting = statistics.waiting(connection, "acme", NOW)
        later = statistics.waiting(connection, "acme", NOW + 60_000)
        nobody = statistics.waiting(connection, "globex", NOW)
    assert (waiting.pending, waiting.oldest_pending_since, waiting.paused_until) == (3, NOW, NOW + 60_000)
    assert waiting.next_due == NOW + 60_000
    assert (later.paused_until, later.next_due) == (None, NOW)
    assert nobody.next_due is None
    assert (nobody.pending, nobody.oldest_pending_since, nobody.paused_until) == (0, None, None)


def test_pending_is_counted_up_to_a_limit(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the answer costs the same for a backlog of any length."""
    monkeypatch.setattr(statistics, "MAX_PENDING", 3)
    queue.customer()
    queue.accept(*map(event, range(5)))
    with queue.database.connect() as connection:
        assert statistics.waiting(connection, "acme", NOW).pending == 3
