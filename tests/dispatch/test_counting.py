"""What a dispatcher counts, and what it knows about webhooks that fail: end to end, as the API shows it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.api import WEBHOOK, Api
from tests.engine import Dispatch, Queue, event
from tests.receiver import Receiver, answer, in_turn
from tests.waiting import wait_until
from webhook_admin import testing
from webhook_admin.models import lanes

FAIL = answer(500)
OK = answer()
Statistics = Callable[[], dict[str, Any]]


@pytest.fixture
def shown(platform: Api) -> Statistics:
    """GET statistics, as the platform asks for acme's."""
    return lambda: platform("GET", f"{WEBHOOK}/statistics", headers={"X-Account-Id": "acme"}).json


@pytest.fixture
def failing_since(platform: Api) -> Callable[[], str | None]:
    """When acme's webhook began to fail, as GET says it."""
    return lambda: platform("GET", WEBHOOK, headers={"X-Account-Id": "acme"}).json["failingSince"]


def test_everything_is_counted(queue: Queue, dispatch: Dispatch, receiver: Receiver, shown: Statistics) -> None:
    """Deliveries by their ends, attempts by their outcomes; test events count nowhere."""
    url = receiver.url("/", in_turn(FAIL, OK, FAIL, FAIL, OK))
    queue.customer(callback_url=url, payload_format="insider")
    dispatch(retry_schedule="0.05")
    queue.accept(event(1))
    queue.wait_for(DELIVERED=1)
    queue.accept(event(2))
    queue.wait_for(DELIVERED=1, FAILED=1)
    queue.accept(event(3, status="READ"), event(4))
    queue.wait_for(DELIVERED=2, FAILED=1, SKIPPED=1)
    with queue.database.transaction() as transaction:
        testing.send(transaction, "acme", datetime.now(UTC))
    queue.wait_for(DELIVERED=3, FAILED=1, SKIPPED=1)
    wait_until(lambda: shown()["delivered"] == 2)
    counted = shown()
    assert {name: counted[name] for name in ("failed", "skipped", "cancelled", "attempts", "pending")} == {
        "failed": 1,
        "skipped": 1,
        "cancelled": 0,
        "attempts": 5,
        "pending": 0,
    }
    assert counted["outcomes"] == {"delivered": 2, "http_status": 3}
    assert 1 <= counted["acknowledgedAfterMs"]["p50"] <= counted["acknowledgedAfterMs"]["p99"] < 10_000
    assert len(counted["hours"]) == 24
    assert sum(hour["delivered"] for hour in counted["hours"][-2:]) == 2


def test_cancelled_ones_are_counted(queue: Queue, dispatch: Dispatch, receiver: Receiver, shown: Statistics) -> None:
    """Also those that are cancelled in bulk."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    dispatch(retry_schedule="3600")
    queue.accept(*map(event, range(20)))
    wait_until(queue.attempts)
    queue.delete_webhook()
    queue.wait_for(CANCELLED=20)
    wait_until(lambda: shown()["cancelled"] == 20)


def test_nothing_is_lost_at_stop(queue: Queue, dispatch: Dispatch, receiver: Receiver, shown: Statistics) -> None:
    """A dispatcher that is stopped adds what it has counted."""
    queue.customer(callback_url=receiver.url("/"))
    dispatcher = dispatch()
    queue.accept(event(1))
    queue.wait_for(DELIVERED=1)
    queue.accept(event(2))
    queue.wait_for(DELIVERED=2)
    dispatcher.stop()
    assert shown()["delivered"] == 2


def test_failing_since_the_first_failure(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, failing_since: Callable[[], str | None], platform: Api
) -> None:
    """It stays while failures follow, and a success ends it. The list can be asked for those that fail."""
    queue.customer(callback_url=receiver.url("/", in_turn(FAIL, FAIL, OK)))
    queue.customer("globex", receiver.url("/ok"))
    dispatch(retry_schedule="0.5,2")
    queue.accept(event(1))
    first = wait_until(failing_since)
    assert datetime.now(UTC) - datetime.fromisoformat(first) < timedelta(seconds=10)
    wait_until(lambda: len(receiver.requests) == 2)
    assert failing_since() == first

    def listed(value: str) -> list[str]:
        return [item["accountId"] for item in platform("GET", f"/webhooks?failing={value}").json["items"]]

    assert (listed("true"), listed("false")) == (["acme"], ["globex"])
    queue.wait_for(DELIVERED=1)
    wait_until(lambda: failing_since() is None)
    assert (listed("true"), listed("false")) == ([], ["acme", "globex"])


def test_put_starts_anew(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, failing_since: Callable[[], str | None]
) -> None:
    """Nothing is known about another URL."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    dispatch(retry_schedule="3600")
    queue.accept(event(1))
    wait_until(failing_since)
    queue.put_webhook(callback_url=receiver.url("/new"))
    assert failing_since() is None


def days_ago(queue: Queue, days: int, exhausted: int) -> None:
    """Let acme's lane have been failing for so long, and so many deliveries have used up their attempts."""
    since = datetime.now(UTC) - timedelta(days=days)
    with queue.database.connect() as connection:
        connection.execute(update(lanes).values(failing_since=round(since.timestamp() * 1_000), exhausted=exhausted))


@pytest.mark.parametrize(
    ("days", "exhausted", "is_disabled"), [(6, 9, True), (4, 9, False), (6, 8, False)], ids=["both", "young", "few"]
)
def test_a_webhook_that_fails_for_too_long_is_disabled(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, days: int, exhausted: int, is_disabled: bool
) -> None:
    """After 5 days without a success, once 10 deliveries have used up their attempts; what waits is cancelled."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    queue.accept(event(1))
    days_ago(queue, days, exhausted)
    dispatch(retry_schedule="0.05")
    queue.wait_for(FAILED=1)
    queue.wait_for_rest()
    webhook = queue.webhook()
    assert (webhook.status, webhook.disabled_reason) == (("DISABLED", "FAILING") if is_disabled else ("ACTIVE", None))
    assert webhook.failing_since
    queue.accept(event(2))
    queue.wait_for(FAILED=1, CANCELLED=1) if is_disabled else queue.wait_for(FAILED=2)
    if is_disabled:
        expected = "The webhook is disabled, as its receiver has failed for too long."
        assert queue.delivery(2).state_detail == expected


def test_it_can_be_switched_off(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """With DISABLE_AFTER=0, no webhook is disabled for failing."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    queue.accept(event(1))
    days_ago(queue, 60, 99)
    dispatch(retry_schedule="0.05", disable_after=0)
    queue.wait_for(FAILED=1)
    queue.wait_for_rest()
    assert queue.webhook().status == "ACTIVE"


def test_tests_do_not_count_towards_failing(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, failing_since: Callable[[], str | None]
) -> None:
    """A test that fails says nothing about real deliveries."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    dispatch(retry_schedule="0.05")
    with queue.database.transaction() as transaction:
        testing.send(transaction, "acme", datetime.now(UTC))
    queue.wait_for(FAILED=1)
    queue.wait_for_rest()
    assert failing_since() is None
