"""Operational events: what the platform is told, by signed requests to a receiver of its own."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

import webhook_admin
from tests.engine import LANE, URL, Configure, Dispatch, Queue, event
from tests.receiver import Received, Receiver, answer, in_turn
from tests.waiting import wait_until
from webhook_admin.dispatch.operational_events import OperationalEvents
from webhook_admin.dispatch.operational_events import Receiver as PlatformReceiver
from webhook_admin.errors import Misconfigured
from webhook_admin.models import statistics
from webhook_admin.queue import clock, due_deliveries
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due, Wanted
from webhook_admin.queue.lanes import Key
from webhook_admin.queue.operational_events import Kind, OperationalEvent, make_due, store

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# 5 failures in a row make a pause, which ends after 10 s; a delivery fails with its first attempt.
AT_ONCE = {"retry_schedule": "", "operations_secret": SECRET}

FIELDS = {"accountId", "webhookId", "callbackUrl", "failingSince", "outcome", "statusCode", "hint"}


def told(receiver: Receiver) -> list[dict[str, Any]]:
    """The operational events that have arrived, each with a signature that verifies."""
    return [verified(each) for each in list(receiver.requests) if each.path == "/operations"]


def verified(request: Received) -> dict[str, Any]:
    Webhook(SECRET).verify(request.body, dict(request.headers))
    found: dict[str, Any] = json.loads(request.body)
    return found


def kinds(receiver: Receiver) -> list[str]:
    return [each["type"] for each in told(receiver)]


def test_a_failing_receiver_and_its_recovery(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Once in a time of failing, and once when it is over; failed deliveries once in an hour."""
    answers = in_turn(*[answer(500)] * 5, answer(200))
    queue.customer(callback_url=receiver.url("/status", answers))
    dispatch(**AT_ONCE, operations_url=receiver.url("/operations"))
    queue.accept(*[event(number) for number in range(5)])
    wait_until(lambda: kinds(receiver).count("webhook.failing") == 1, 30)
    wait_until(lambda: not queue.deliveries(state="PENDING"), 40)
    queue.accept(event(7))
    wait_until(lambda: "webhook.recovered" in kinds(receiver), 40)
    assert sorted(kinds(receiver)) == ["delivery.failed", "webhook.failing", "webhook.recovered"]
    failing = next(each for each in told(receiver) if each["type"] == "webhook.failing")
    assert set(failing["data"]) == FIELDS
    assert failing["data"]["webhookId"] == queue.webhook().id
    assert failing["data"]["statusCode"] == 500


def test_a_put_that_mends_it(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """The first success at the new URL is the recovery, though a PUT forgets that the receiver has been failing."""
    queue.customer(callback_url=receiver.url("/status", answer(500)))
    dispatch(**AT_ONCE, operations_url=receiver.url("/operations"))
    queue.accept(*[event(number) for number in range(5)])
    wait_until(lambda: "webhook.failing" in kinds(receiver), 30)
    queue.put_webhook(callback_url=receiver.url("/mended"))
    queue.accept(event(7))
    wait_until(lambda: "webhook.recovered" in kinds(receiver))


def test_a_receiver_that_is_gone(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """The platform hears that the webhook is disabled, and why."""
    queue.customer(callback_url=receiver.url("/status", answer(410)))
    queue.accept(event())
    dispatch(**AT_ONCE, operations_url=receiver.url("/operations"))
    wait_until(lambda: told(receiver))
    webhook = queue.webhook()
    (disabled,) = told(receiver)
    assert disabled["type"] == "webhook.disabled"
    assert disabled["data"] == {
        "accountId": "acme",
        "webhookId": webhook.id,
        "callbackUrl": webhook.callback_url,
        "disabledReason": "GONE",
    }


def test_a_delivery_that_has_failed(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """It is named, with what became of it; one that goes to a URL of its own, too."""
    queue.customer(callback_url=None)
    queue.accept(event(callback_url=receiver.url("/own", answer(400))))
    dispatch(**AT_ONCE, operations_url=receiver.url("/operations"))
    wait_until(lambda: told(receiver))
    (failed,) = told(receiver)
    assert failed == {
        "type": "delivery.failed",
        "timestamp": failed["timestamp"],
        "data": {
            "accountId": "acme",
            "webhookId": None,
            "deliveryId": queue.delivery().id,
            "attempts": 1,
            "detail": "The only attempt has failed.",
        },
    }


def test_it_is_tried_again_while_the_platform_is_away(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """An operational event is attempted by the retry schedule, like any other, and delays no customer's lane."""
    queue.customer(callback_url=receiver.url("/status", answer(410)))
    queue.customer("other", receiver.url("/other"))
    operations = receiver.url("/operations", in_turn(answer(503), answer(503), answer(200)))
    queue.accept(event())
    dispatch(retry_schedule="0.2,0.2,0.2", operations_secret=SECRET, operations_url=operations)
    wait_until(lambda: len(told(receiver)) == 3)
    ids = {each.headers["webhook-id"] for each in receiver.requests if each.path == "/operations"}
    assert len(ids) == 1
    wait_until(lambda: queue.deliveries(account_id="operations:", state="DELIVERED"))
    queue.accept(event(2, "other"))
    wait_until(lambda: queue.delivery(2).state == "DELIVERED")


def test_what_a_dispatcher_before_has_stored_is_sent(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Also if it was killed before it made the lane due."""
    with queue.database.transaction() as transaction:
        assert store(transaction, [operational(Kind.DISABLED)])
    dispatch(**AT_ONCE, operations_url=receiver.url("/operations"))
    wait_until(lambda: kinds(receiver) == ["webhook.disabled"])


def test_without_a_url_nothing_is_kept(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Nobody is told by default; what a dispatcher with the setting has stored waits for one of its kind."""
    with queue.database.transaction() as transaction:
        store(transaction, [operational(Kind.DISABLED, 0, str(number)) for number in range(3)])
        make_due(transaction, clock.now())
    queue.customer(callback_url=receiver.url("/status", answer(410)))
    queue.accept(event())
    dispatch(retry_schedule="")
    wait_until(lambda: queue.webhook().status == "DISABLED")
    wait_until(lambda: all(each.state_detail for each in queue.deliveries(account_id="operations:")))
    kept = queue.deliveries(account_id="operations:")
    assert {each.state for each in kept} == {"PENDING"}
    assert len(kept) == 3
    assert "WEBHOOK_ADMIN_OPERATIONS_URL is not set" in kept[0].state_detail


def operational(kind: Kind, at: int = 0, occasion: str = "1") -> OperationalEvent:
    """An operational event about the webhook `wh_1`."""
    return OperationalEvent(kind=kind, subject="wh_1", occasion=occasion, at=at or clock.now(), data={})


@pytest.mark.parametrize("kind", [Kind.FAILING, Kind.DELIVERY_FAILED])
def test_at_most_one_in_an_hour(queue: Queue, kind: Kind) -> None:
    """Of a webhook and a kind; the next one an hour later."""
    now = clock.now()
    for at, occasion, is_news in ((now, "1", True), (now + 1, "2", False), (now + clock.HOUR + 60_000, "3", True)):
        with queue.database.transaction() as transaction:
            assert (
                store(transaction, [operational(kind, at, occasion), operational(kind, at, f"{occasion}b")]) is is_news
            )
    assert len(queue.deliveries()) == 2


def test_a_recovery_belongs_to_a_time_of_failing(queue: Queue) -> None:
    """Nobody hears of a recovery who has not heard of the failure, nor of two in a row."""
    for kind, occasion, is_news in (
        (Kind.RECOVERED, "1", False),
        (Kind.FAILING, "1", True),
        (Kind.RECOVERED, "2", True),
        (Kind.RECOVERED, "3", False),
    ):
        with queue.database.transaction() as transaction:
            assert store(transaction, [operational(kind, 0, occasion)]) is is_news


def test_a_failure_and_a_recovery_at_once(queue: Queue) -> None:
    """Both are told, also if one turn sees them."""
    now = clock.now()
    with queue.database.transaction() as transaction:
        assert store(transaction, [operational(Kind.RECOVERED, now), operational(Kind.FAILING, now)])
    assert len(queue.deliveries()) == 2


def test_nobody_knows_whether_it_was_committed(queue: Queue, configure: Configure) -> None:
    """What is stored is made due, also if the commit's answer was lost: it is not news to the next turn."""
    settings = configure(operations_url="https://platform.example.com", operations_secret=SECRET)
    events = OperationalEvents(PlatformReceiver.of(settings))
    events.make_due(queue.database, clock.now())
    queue.release(*queue.lease())
    queue.customer(callback_url=URL)
    queue.accept(event())
    failed = [(due_now(queue), Transition(account_id="acme", id=queue.delivery().id, attempts=1, state=State.FAILED))]
    for _ in range(2):
        events.begin()
        events.concluded(failed, clock.now())
        with queue.database.transaction() as transaction:
            events.store(transaction)
    assert not events.is_empty
    events.make_due(queue.database, clock.now())
    assert events.is_empty
    assert Key("operations:", "operations:") in queue.due_lanes()


def test_it_is_no_business_of_customers(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Statistics are of customers' deliveries; an erasure finds no recipient in an operational event."""
    queue.customer(callback_url=receiver.url("/status", answer(400)))
    dispatch(**AT_ONCE, operations_url=receiver.url("/operations"))
    queue.accept(event(to="+353861234567"))
    wait_until(lambda: queue.deliveries(account_id="operations:", state="DELIVERED"))
    with queue.database.connect() as connection:
        wait_until(lambda: connection.execute(select(statistics.c.account_id)).all())
        assert set(connection.execute(select(statistics.c.account_id)).scalars()) == {"acme"}
    (kept,) = queue.deliveries(account_id="operations:")
    assert "msg_1" not in kept.event
    assert "+353861234567" not in kept.event


def due_now(queue: Queue) -> Due:
    """The delivery of `event()` as a dispatcher finds it."""
    with queue.database.transaction() as transaction:
        (found,) = due_deliveries.due(transaction, [Wanted(LANE, 1, [])], clock.now())
    return found


def test_the_same_is_told_once(queue: Queue) -> None:
    """However often it is noted, as after an outage of the store; and it is in no account."""
    for is_news in (True, False):
        with queue.database.transaction() as transaction:
            assert store(transaction, [operational(Kind.DISABLED)] * 2) is is_news
    (kept,) = queue.deliveries()
    assert (kept.account_id, kept.recipient) == ("operations:", None)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"operations_url": "http://platform.example.com"}, "OPERATIONS_URL"),
        ({"operations_url": "https://platform.example.com"}, "OPERATIONS_SECRET"),
        ({"operations_secret": "whsec_c2hvcnQ="}, "OPERATIONS_SECRET"),
    ],
)
def test_bad_settings_are_named(configure: Configure, values: dict[str, str], named: str) -> None:
    """Before anything starts."""
    with pytest.raises(Misconfigured, match=f"WEBHOOK_ADMIN_{named}: Must be "):
        configure(**values)


def test_the_guide_shows_what_is_sent() -> None:
    """Its example has the fields of a real one."""
    guide = Path(webhook_admin.__file__).parent / "guides" / "operations.md"
    (shown,) = re.findall(r"```json\n(\{\n  \"type\": \"webhook.failing\".*?\n\})\n```", guide.read_text(), re.DOTALL)
    assert set(json.loads(shown)["data"]) == FIELDS
