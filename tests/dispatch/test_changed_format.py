"""A webhook's payload format is changed while its deliveries wait, are in flight, and come in (contract, section 2)."""

import json

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from tests.api import WEBHOOK, Api
from tests.engine import Dispatch, Queue, event
from tests.receiver import Behaviour, Received, Receiver, answer, hold, in_turn
from tests.waiting import wait_until

FAIL = answer(500)
SOON = {"retry_schedule": "0.05,0.05"}


class Customer:
    """The account `acme`, its receiver, and its webhook in the format `standard` as the API has made it."""

    def __init__(self, api: Api, receiver: Receiver, behaviour: Behaviour | None = None) -> None:
        self.api, self.receiver = api, receiver
        self.url = receiver.url("/old", behaviour)
        self.secret = api("POST", WEBHOOK, json={"callbackUrl": self.url}).json["signingSecret"]

    def change(self, payload_format: str, url: str = "") -> None:
        """PUT another payload format, and another URL if there is one."""
        put = self.api("PUT", WEBHOOK, json={"callbackUrl": url or self.url, "payloadFormat": payload_format})
        assert put.status_code == 200

    def wait_for_request(self) -> None:
        """Wait until a request has come in."""
        wait_until(lambda: self.receiver.requests)

    def received(self, number: int) -> list[Received]:
        """What has come in about a message, all of it with a signature that holds; in order."""
        for request in self.receiver.requests:
            Verifier(self.secret).verify(request.body, dict(request.headers))
        return [request for request in self.receiver.requests if f'"msg_{number}"'.encode() in request.body]


def test_what_was_tried_keeps_its_bytes(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """All attempts of a delivery have the same id and bytes, also those after the change; later ones are in the new."""
    held = hold(FAIL)
    acme = Customer(customer, receiver, in_turn(held, FAIL, answer()))
    dispatch(**SOON)
    queue.accept(event(1))
    acme.wait_for_request()
    acme.change("routee")
    held.release()
    queue.wait_for(DELIVERED=1)
    queue.accept(event(2))
    queue.wait_for(DELIVERED=2)
    first, second, third = acme.received(1)
    assert json.loads(first.body)["eventId"] == "evt_1"
    assert first.body == second.body == third.body
    assert {request.headers["webhook-id"] for request in (first, second, third)} == {queue.delivery(1).id}
    (later,) = acme.received(2)
    assert json.loads(later.body)["status"]["name"] == "Sent"
    assert [queue.delivery(number).payload_format for number in (1, 2)] == ["standard", "routee"]


def test_what_only_waited_gets_the_new_format(
    dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue
) -> None:
    """Like a changed URL it counts for whatever has not been attempted yet, however long ago it was accepted."""
    acme = Customer(customer, receiver)
    queue.accept(event(1))
    acme.change("insider")
    dispatch(**SOON)
    queue.wait_for(DELIVERED=1)
    (request,) = acme.received(1)
    assert json.loads(request.body) == {"id": "msg_1", "uniqueArgs": {}, "event": "sent", "partCount": 1}


def test_the_bytes_go_along_to_a_new_url(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """With URL and format changed at once, what was tried goes to the new URL, in the format that it had."""
    held = hold(FAIL)
    acme = Customer(customer, receiver, held)
    dispatch(**SOON)
    queue.accept(event(1))
    acme.wait_for_request()
    acme.change("insider", receiver.url("/new"))
    held.release()
    queue.wait_for(DELIVERED=1)
    first, second = acme.received(1)
    assert (first.path, second.path) == ("/old", "/new")
    assert first.body == second.body


@pytest.mark.parametrize(
    ("before", "after", "state"), [("standard", "mta-v1", "DELIVERED"), ("mta-v1", "standard", "FAILED")]
)
def test_success_is_what_the_first_attempts_format_says(
    dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue, before: str, after: str, state: str
) -> None:
    """The receiver that understands the bytes acknowledges in its own way: 202 to `standard`, and not to `mta-v1`."""
    held = hold(FAIL)
    acme = Customer(customer, receiver, in_turn(held, answer(202)))
    acme.change(before)
    dispatch(**SOON)
    queue.accept(event(1))
    acme.wait_for_request()
    acme.change(after)
    held.release()
    queue.wait_for(**{state: 1})
    assert len({request.body for request in acme.received(1)}) == 1
    assert queue.delivery(1).payload_format == before


def test_what_the_new_format_cannot_say(dispatch: Dispatch, receiver: Receiver, customer: Api, queue: Queue) -> None:
    """Nothing is skipped that has been attempted in a format that could say it; what comes later is."""
    held = hold(FAIL)
    acme = Customer(customer, receiver, in_turn(held, answer()))
    dispatch(**SOON)
    queue.accept(event(1, status="READ"))
    acme.wait_for_request()
    acme.change("routee")
    held.release()
    queue.wait_for(DELIVERED=1)
    queue.accept(event(2, status="READ"))
    queue.wait_for(DELIVERED=1, SKIPPED=1)
    assert len(acme.received(1)) == 2
    assert queue.delivery(2).state_detail == "The payload format routee cannot express READ."
    assert not acme.received(2)
