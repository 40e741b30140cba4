"""The overview: how the webhook does, what waits, and the last 24 hours."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api import URL_1, WEBHOOK, Api
from tests.engine import LONG_AGO, Queue, event
from tests.portal.portal_client import Browser
from tests.portal.portal_day import conclude
from webhook_admin.models import lanes, webhooks
from webhook_admin.portal import charts
from webhook_admin.queue import statistics
from webhook_admin.queue.clock import HOUR, milliseconds
from webhook_admin.queue.history import Attempt
from webhook_admin.queue.statistics import Cell, Counts, Kind, of_latency

REFUSED = Attempt(
    1, LONG_AGO, 4, "connect", None, None, "Connection refused by 203.0.113.7, port 443.", "Check the port."
)


def test_without_a_webhook(acme: Browser) -> None:
    """It says that nothing is sent."""
    shown = acme.get("/portal").text
    assert "No URL is registered yet" in shown
    assert "Nothing waits." in shown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "Nothing has been acknowledged in the last 24 hours"),
        ({"status": "DISABLED", "disabled_reason": "GONE"}, "answered 410 Gone"),
        ({"status": "DISABLED", "disabled_reason": "FAILING"}, "failed for too long"),
    ],
)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_webhooks_state_in_words(
    acme: Browser, customer: Api, queue: Queue, changed: dict[str, str], said: str
) -> None:
    """With its URL, and what to do."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    with queue.database.transaction() as transaction:
        transaction.execute(webhooks.update().values(updated_at=LONG_AGO, **changed))
    shown = acme.get("/portal").text
    assert URL_1 in shown
    assert said in shown
    assert ("What to do" in shown) == bool(changed)


def test_what_waits_and_why(acme: Browser, customer: Api, queue: Queue) -> None:
    """How many, since when, the latest failure with its hint, and the next try, the lane's pause counted in."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    now = datetime.now(UTC)
    queue.accept(event(1), event(2), now=now)
    conclude(queue, 1, "PENDING", REFUSED)
    with queue.database.transaction() as transaction:
        paused = milliseconds(now + timedelta(seconds=600))
        transaction.execute(lanes.update().values(paused_until=paused, failing_since=milliseconds(now)))
    shown = acme.get("/portal").text
    for said in ("2 deliveries wait", "Next try in 9 min 5", "Connection refused by 203.0.113.7", "Check the port."):
        assert said in shown
    assert "acknowledged nothing since" in shown


def test_the_last_hours_as_picture_and_table(acme: Browser, queue: Queue) -> None:
    """Deliveries by hour, failed ones apart, and percentiles; hours of before are left out."""
    current = milliseconds(datetime.now(UTC)) // HOUR
    counts = {
        Cell("acme", current, Kind.DELIVERED): 1_234,
        Cell("acme", current, Kind.FAILED): 5,
        Cell("acme", current, of_latency(40)): 1_234,
        Cell("acme", current - 24, Kind.DELIVERED): 7_000_000,
    }
    with queue.database.transaction() as transaction:
        statistics.add(transaction, counts)
    shown = acme.get("/portal").text
    assert shown.count('<rect class="delivered"') == 24
    assert "1,234 delivered, 5 failed" in shown
    assert "<td>1,234</td><td>5</td>" in shown
    assert "7,000,000" not in shown


@pytest.mark.parametrize("counted", [{}, {"DELIVERED": 1}, {"DELIVERED": 10_000_000, "FAILED": 1}])
@pytest.mark.parametrize("latency", [0, 1, 15, 260_000_000])
def test_every_chart_is_inside_its_frame(counted: dict[str, int], latency: int) -> None:
    """From no delivery to ten million, from a millisecond to three days; one in ten million is still seen."""
    by_hour = {hour: Counts() for hour in range(24)}
    by_hour[3].counts.update(counted | ({of_latency(latency): 1} if counted else {}))
    chart = charts.chart(by_hour)
    for counts in by_hour.values():
        bars = [chart.bar(counts[kind]) for kind in (Kind.DELIVERED, Kind.FAILED)]
        assert 0 <= sum(bars) <= chart.bottom
        assert [bar > 0 for bar in bars] == [counts[kind] > 0 for kind in (Kind.DELIVERED, Kind.FAILED)]
        assert all(0 <= chart.y(ms) <= chart.bottom for ms in counts.acknowledged_after_ms.values() if ms is not None)
    assert [chart.y(time) for time in chart.times] == sorted({chart.y(time) for time in chart.times}, reverse=True)
    assert len(chart.times) >= 2
