"""POST /webhooks/delivery-status/test: a made-up event goes through the whole pipeline, once."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook as Verifier

from tests.api import URL_1, WEBHOOK, Answer, Api
from tests.engine import LANE, Dispatch, Queue
from tests.engine import event as queued_event
from tests.receiver import Receiver, answer, hang
from tests.waiting import wait_until
from tests.web.event_calls import faults
from webhook_admin.db import Database
from webhook_admin.events import Channel, Status
from webhook_admin.models import webhooks
from webhook_admin.queue.lanes import Standing

TEST = f"{WEBHOOK}/test"
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
GONE, FAIL = answer(410), answer(500)


def ask(api: Api, **body: Any) -> Answer:
    """Ask for a test event."""
    return api("POST", TEST, json=body)


def send(api: Api, **body: Any) -> dict[str, Any]:
    """Send a test event, which is accepted; its delivery as the answer has it."""
    done = ask(api, **body)
    assert done.status_code == 202, done.text
    delivery: dict[str, Any] = done.json
    return delivery


def register(api: Api, url: str = URL_1, **fields: Any) -> str:
    """Make the webhook; its signing secret."""
    return str(api("POST", WEBHOOK, json={"callbackUrl": url} | fields).json["signingSecret"])


# What the receiver gets


def test_it_arrives_signed_and_marked(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """The webhook gets a DELIVERED by SMS of a message `test-...`, with `webhook-test: true`, and can verify it."""
    secret = register(customer, receiver.url("/hook"))
    dispatch()
    delivery = send(customer)
    queue.wait_for(DELIVERED=1)
    (request,) = receiver.requests
    body = Verifier(secret).verify(request.body, dict(request.headers))
    assert (request.path, request.headers["webhook-test"]) == ("/hook", "true")
    assert (body["status"], body["channel"]) == ("DELIVERED", "SMS")
    assert body["messageId"] == delivery["messageId"]
    assert body["messageId"].startswith("test-")
    assert request.headers["webhook-id"] == delivery["id"]


def test_real_notifications_are_not_marked(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """Only a test has the header."""
    register(customer, receiver.url())
    dispatch()
    queue.accept(queued_event())
    queue.wait_for(DELIVERED=1)
    assert "webhook-test" not in receiver.requests[0].headers


def test_a_url_is_tried_before_it_is_saved(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """It goes there, signed with the webhook's secret and in its format; the webhook stays as it is."""
    secret = register(customer, receiver.url("/old"), payloadFormat="insider")
    dispatch()
    delivery = send(customer, callbackUrl=receiver.url("/new"), status="SENT")
    queue.wait_for(DELIVERED=1)
    (request,) = receiver.requests
    assert request.path == "/new"
    assert Verifier(secret).verify(request.body, dict(request.headers))["event"] == "sent"
    assert (delivery["callbackUrl"], delivery["payloadFormat"]) == (receiver.url("/new"), "insider")
    assert customer("GET", WEBHOOK).json["callbackUrl"] == receiver.url("/old")


def test_without_a_webhook_a_url_is_tried_unsigned(
    dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue
) -> None:
    """In the format `standard` unless another is asked for."""
    dispatch()
    send(customer, callbackUrl=receiver.url("/standard"))
    send(customer, callbackUrl=receiver.url("/mta"), payloadFormat="mta-v1")
    queue.wait_for(DELIVERED=2)
    bodies = {request.path: json.loads(request.body) for request in receiver.requests}
    assert "eventId" in bodies["/standard"]
    assert bodies["/mta"]["type"] == "delivery-status"
    assert not [request for request in receiver.requests if "webhook-signature" in request.headers]


@ON_SQLITE
def test_every_status_and_channel(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """Each can be asked for; one that has a reason comes with it."""
    register(customer, receiver.url())
    dispatch()
    for status in Status:
        send(customer, status=status)
    for channel in Channel:
        send(customer, channel=channel)
    queue.wait_for(DELIVERED=len(Status) + len(Channel))
    bodies = [json.loads(request.body) for request in receiver.requests]
    assert {body["status"] for body in bodies} == set(Status)
    assert {body["channel"] for body in bodies} == set(Channel)
    assert [body["reason"] for body in bodies if body["status"] == "UNDELIVERED"] == ["UNREACHABLE"]


def test_what_the_format_cannot_express(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """SKIPPED, with the reason, and nothing is sent."""
    register(customer, receiver.url())
    dispatch()
    send(customer, status="READ", payloadFormat="routee")
    queue.wait_for(SKIPPED=1)
    assert queue.deliveries()[0].state_detail == "The payload format routee cannot express READ."
    assert receiver.requests == []


# One attempt


@pytest.mark.parametrize("is_own_url", [False, True])
def test_one_attempt_and_no_other(
    dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue, is_own_url: bool
) -> None:
    """It fails for good, also where the receiver asks to wait."""
    url = receiver.url("/", answer(503, headers={"Retry-After": "0"}))
    register(customer, url)
    dispatch(retry_schedule="0,0,0")
    send(customer, **({"callbackUrl": url} if is_own_url else {}))
    queue.wait_for(FAILED=1)
    queue.wait_for_rest()
    assert len(receiver.requests) == 1
    assert queue.deliveries()[0].state_detail == "The only attempt has failed."
    assert [row.outcome for row in queue.attempts()] == ["http_status"]


def test_an_attempt_that_nobody_saw_the_end_of_is_the_only_one(
    dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue, database: Database
) -> None:
    """Where a dispatcher died with the test in flight, the attempt is `unknown`, and there is no other."""
    register(customer, receiver.url())
    send(customer)
    with database.connect() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET attempts = 1, begun_at = due_at")
    dispatch()
    queue.wait_for(FAILED=1)
    assert [row.outcome for row in queue.attempts()] == ["unknown"]
    assert receiver.requests == []


def test_gone_disables_the_webhook(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """410 to a test is as final as to any other notification; 410 of a URL that is only tried says nothing of it."""
    url = receiver.url("/", GONE)
    register(customer, url)
    dispatch()
    send(customer, callbackUrl=url)
    queue.wait_for(FAILED=1)
    assert customer("GET", WEBHOOK).json["status"] == "ACTIVE"
    send(customer)
    queue.wait_for(FAILED=2)
    assert customer("GET", WEBHOOK).json["disabledReason"] == "GONE"
    assert {row.state_detail for row in queue.deliveries()} == {"The receiver has answered 410 Gone."}


# Apart from real deliveries


def test_a_pause_does_not_hold_it_up(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """While the webhook's lane is paused for an hour, a test goes at once, and the pause stays."""
    register(customer, receiver.url("/hook"))
    queue.accept(queued_event())
    queue.lease()
    in_an_hour = queue.deliveries()[0].due_at + 3_600_000
    queue.release(LANE, failures=9, paused_until=in_an_hour, standing=Standing.FAILING)
    dispatch()
    send(customer)
    queue.wait_for(DELIVERED=1, PENDING=1)
    (lane,) = queue.lanes(destination="")
    assert (lane.failures, lane.paused_until) == (9, in_an_hour)


def test_a_backlog_does_not_hold_it_up(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """Behind deliveries to a receiver that hangs, a test of another URL is sent at once."""
    register(customer, receiver.url("/hang", hang))
    queue.accept(*map(queued_event, range(100)))
    dispatch(request_timeout=1)
    wait_until(lambda: receiver.requests)
    send(customer, callbackUrl=receiver.url("/new"))
    queue.wait_for(DELIVERED=1, PENDING=100)


def test_failed_tests_do_not_pause_real_deliveries(
    dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue
) -> None:
    """Ten tests that fail, one after the other, each at once, leave the webhook's lane as it was."""
    register(customer, receiver.url("/", FAIL))
    dispatch()
    for number in range(10):
        send(customer)
        queue.wait_for(FAILED=number + 1)
    queue.wait_for_rest()
    assert queue.lanes(destination="") == []
    assert [lane.destination for lane in queue.lanes()] == ["test:"]


@ON_SQLITE
def test_a_deleted_webhook_cancels_it(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """What was accepted for it is not sent afterwards."""
    register(customer, receiver.url())
    send(customer)
    assert customer("DELETE", WEBHOOK).status_code == 204
    dispatch()
    queue.wait_for(CANCELLED=1)
    queue.wait_for_rest()
    assert receiver.requests == []


# The answer, and refusals


def test_the_answer_is_the_delivery(customer: Api, queue: Queue) -> None:
    """Pending, with its event, without attempts, and marked as a test."""
    register(customer)
    delivery = send(customer, status="FAILED", channel="RCS")
    assert delivery["id"] == queue.deliveries()[0].id
    assert (delivery["state"], delivery["test"], delivery["attempts"]) == ("PENDING", True, [])
    assert (delivery["accountId"], delivery["callbackUrl"], delivery["payloadFormat"]) == ("acme", URL_1, "standard")
    assert (delivery["status"], delivery["channel"]) == ("FAILED", "RCS")
    assert delivery["event"]["messageId"] == delivery["messageId"]
    assert delivery["event"]["reason"] == "DELIVERY_FAILURE"


@ON_SQLITE
def test_a_call_without_a_body_is_a_test(customer: Api) -> None:
    """Every field may be left out, and so may the object that would have them."""
    register(customer)
    assert customer("POST", TEST).status_code == 202


def test_without_a_webhook(customer: Api) -> None:
    """404 that names POST, and nothing is stored."""
    refused = ask(customer)
    assert (refused.status_code, refused.json["type"]) == (404, "urn:webhook-admin:webhook-not-found")
    assert f"POST {WEBHOOK}" in refused.json["detail"]


def test_a_disabled_webhook(customer: Api, database: Database, queue: Queue) -> None:
    """409 that names PUT; another URL can be tried all the same."""
    register(customer)
    with database.connect() as connection:
        connection.execute(update(webhooks).values(status="DISABLED", disabled_reason="GONE"))
    refused = ask(customer)
    assert (refused.status_code, refused.json["type"]) == (409, "urn:webhook-admin:webhook-disabled")
    assert f"PUT {WEBHOOK}" in refused.json["detail"]
    assert queue.deliveries() == []
    assert send(customer, callbackUrl=URL_1)["state"] == "PENDING"


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"status": "LOST"}, ("status", "unknown_value")),
        ({"channel": "FAX"}, ("channel", "unknown_value")),
        ({"payloadFormat": "xml"}, ("payloadFormat", "unknown_value")),
        ({"status": None}, ("status", "null")),
        ({"callbackUrl": "http://hooks.example.com/"}, ("callbackUrl", "not_https")),
        ({"callbackUrl": "https://10.0.0.1/"}, ("callbackUrl", "private_address")),
        ({"callbackUrl": "https://localhost/"}, ("callbackUrl", "private_host")),
        ({"to": "+353861234567"}, ("to", "unknown_field")),
        ([], ("body", "wrong_type")),
    ],
)
def test_what_is_refused(customer: Api, queue: Queue, body: Any, fault: tuple[str, str]) -> None:
    """400 with the field; the URL by the rules of registration. Nothing is stored."""
    register(customer)
    assert faults(customer("POST", TEST, json=body)) == [fault]
    assert queue.deliveries() == []


def test_another_account_is_out_of_reach(
    make_customer: Callable[[str], Api], platform: Api, anyone: Api, customer: Api, queue: Queue
) -> None:
    """A key of `other` sends no test to the webhook of `acme`, and signs nothing with its secret."""
    register(customer)
    other = make_customer("other")
    assert ask(replace(other, account="acme")).status_code == 403
    assert ask(other).status_code == 404
    assert ask(platform).status_code == 400
    assert ask(anyone).status_code == 401
    assert queue.deliveries() == []
    assert send(replace(platform, account="acme"))["accountId"] == "acme"
