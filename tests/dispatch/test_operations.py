"""Operational events: what the platform is warned of, by signed requests to a receiver of its own."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

import webhook_admin
from tests.engine import Configure, Dispatch, Queue, event
from tests.receiver import Received, Receiver, answer, in_turn
from tests.waiting import wait_until
from webhook_admin.errors import Misconfigured
from webhook_admin.queue import clock
from webhook_admin.queue.operations import Kind, OperationalEvent, make_due, store

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# 5 failures in a row make a pause, which ends after 10 s; a delivery fails with its first attempt.
AT_ONCE = {"retry_schedule": "", "operations_secret": SECRET}

FIELDS = {"accountId", "webhookId", "callbackUrl", "failingSince", "outcome", "statusCode", "detail", "hint"}


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
    assert failing["data"]["detail"] == "The server answered 500 Internal Server Error."


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
            "messageId": "msg_1",
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
    """Nobody is warned by default; what waits from before the setting was taken away is cancelled."""
    with queue.database.transaction() as transaction:
        store(transaction, [operational(Kind.DISABLED)])
        make_due(transaction, clock.now())
    queue.customer(callback_url=receiver.url("/status", answer(410)))
    queue.accept(event())
    dispatch(retry_schedule="")
    wait_until(lambda: queue.webhook().status == "DISABLED")
    wait_until(lambda: queue.deliveries(account_id="operations:", state="CANCELLED"))
    (kept,) = queue.deliveries(account_id="operations:")
    assert kept.state_detail == "WEBHOOK_ADMIN_OPERATIONS_URL is not set."


def operational(kind: Kind, at: int = 0, occasion: str = "1") -> OperationalEvent:
    """An operational event about the webhook `wh_1`."""
    return OperationalEvent(kind=kind, subject="wh_1", occasion=occasion, at=at or clock.now(), data={})


@pytest.mark.parametrize("kind", [Kind.FAILING, Kind.UNDELIVERED])
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
