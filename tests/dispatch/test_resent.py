"""What is resent is sent as if it were new, and never twice at once."""

import json

from sqlalchemy import text

from tests.api import WEBHOOK, Answer, Api
from tests.engine import Dispatch, Queue, event
from tests.receiver import Receiver, answer, hold, in_turn
from tests.waiting import wait_until

FAIL = answer(500)


def resend(customer: Api, queue: Queue) -> Answer:
    """POST /deliveries/{id}/resend for the delivery of the first event."""
    return customer("POST", f"/deliveries/{queue.delivery().id}/resend")


def test_it_goes_to_todays_url_in_todays_format(
    dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue
) -> None:
    """With the same `webhook-id`, after a failed schedule, and with a schedule of its own."""
    customer("POST", WEBHOOK, json={"callbackUrl": receiver.url("/old", FAIL)})
    dispatch(retry_schedule="0.05")
    queue.accept(event())
    queue.wait_for(FAILED=1)
    url = receiver.url("/new", in_turn(FAIL, answer()))
    customer("PUT", WEBHOOK, json={"callbackUrl": url, "payloadFormat": "insider"})
    answered = resend(customer, queue)
    assert (answered.status_code, answered.json["state"], answered.json["callbackUrl"]) == (202, "PENDING", url)
    queue.wait_for(DELIVERED=1)
    old, new = receiver.requests[:2], receiver.requests[2:]
    assert [request.path for request in (*old, *new)] == ["/old", "/old", "/new", "/new"]
    assert {request.headers["webhook-id"] for request in (*old, *new)} == {queue.delivery().id}
    assert {json.loads(request.body)["event"] for request in new} == {"sent"}
    assert [row.number for row in queue.attempts()] == [1, 2, 3, 4]
    assert queue.delivery().attempts == 4


def test_nothing_is_sent_twice_at_once(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """While an attempt is in flight a resend is refused; the delivery then goes on as it would have."""
    held = hold(FAIL)
    customer("POST", WEBHOOK, json={"callbackUrl": receiver.url("/", in_turn(held, answer()))})
    dispatch(retry_schedule="0.05,0.05")
    queue.accept(event())
    wait_until(lambda: receiver.requests)
    refused = resend(customer, queue)
    assert (refused.status_code, refused.json["type"]) == (409, "urn:webhook-admin:delivery-in-flight")
    counted = customer("POST", "/deliveries/resend", json={"states": ["PENDING"]})
    assert counted.json == {"matched": 0, "resent": 0, "more": False}
    held.release()
    queue.wait_for(DELIVERED=1)
    assert [row.outcome for row in queue.attempts()] == ["http_status", "delivered"]


def test_a_pending_one_is_sent_at_once(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """However far away its next attempt was; the lane is leased by a dispatcher all the while, or by none."""
    customer("POST", WEBHOOK, json={"callbackUrl": receiver.url("/", in_turn(FAIL, answer()))})
    dispatch(retry_schedule="3600")
    queue.accept(event())
    wait_until(queue.attempts)
    wait_until(lambda: resend(customer, queue).status_code == 202)
    queue.wait_for(DELIVERED=1)


def test_resends_beside_dispatchers_end_and_lose_nothing(
    dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue
) -> None:
    """Two dispatchers and repeated resends of all: no deadlock, no two attempts at once, and all are delivered."""
    customer("POST", WEBHOOK, json={"callbackUrl": receiver.url("/", FAIL)})
    for _ in range(2):
        dispatch(retry_schedule="", lease_seconds=30)
    queue.accept(*(event(number) for number in range(60)))
    wait_until(lambda: queue.states()["FAILED"] >= 3)
    for _ in range(20):
        everything = {"states": ["PENDING", "FAILED"]}
        assert customer("POST", "/deliveries/resend", json=everything).status_code == 202
    customer("PUT", WEBHOOK, json={"callbackUrl": receiver.url("/good")})
    wait_until(lambda: all_delivered(customer, queue), 30)
    rows = queue.deliveries()
    assert all(row.attempts == row.recorded for row in rows)
    with queue.database.connect() as connection:
        counted = connection.execute(text("SELECT delivery_id, count(*) FROM attempts GROUP BY delivery_id")).all()
    assert {row.id: row.attempts for row in rows} == {row[0]: row[1] for row in counted}


def all_delivered(customer: Api, queue: Queue) -> bool:
    """Whether all are delivered; what has failed meanwhile is resent."""
    customer("POST", "/deliveries/resend")
    return queue.states() == {"DELIVERED": 60}
