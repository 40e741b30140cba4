"""Order, superseded statuses and expiry, end to end: a real store, a real dispatcher, a real receiver."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.dispatch.gate import Gate
from tests.engine import Dispatch, Queue, event
from tests.receiver import Receiver, answer, hold, in_turn
from tests.waiting import wait_until
from webhook_admin.queue.siblings import BLOCKED

FAIL = answer(500)


def status(number: int, name: str, message_id: str = "m", **fields: Any) -> Any:
    """The event `evt_<number>`: a message has this status."""
    return event(number, message_id=message_id, status=name, **fields)


def seen(receiver: Receiver) -> list[tuple[str, str]]:
    """Messages and statuses, as the receiver has got them."""
    bodies = [json.loads(request.body) for request in receiver.requests]
    return [(body["messageId"], body["status"]) for body in bodies]


def test_an_earlier_status_goes_first(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """A status waits for the retries of the one before it, and goes as soon as that one has ended."""
    queue.customer(callback_url=receiver.url("/", in_turn(FAIL, FAIL, answer())), ordering="message")
    dispatch(retry_schedule="0.2,0.2")
    queue.accept(status(1, "SENT"), status(2, "DELIVERED"))
    queue.wait_for(DELIVERED=2)
    queue.wait_for_rest()
    assert seen(receiver) == [("m", "SENT")] * 3 + [("m", "DELIVERED")]
    first, second = receiver.requests[-2:]
    assert second.at - first.at < 1
    assert queue.outcomes(2) == ["delivered"]


def test_other_messages_do_not_wait(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """A message whose first status fails again and again holds up no other message of the account."""
    queue.customer(callback_url=receiver.url("/", in_turn(FAIL, answer())), ordering="message")
    dispatch(retry_schedule="3600")
    queue.accept(status(1, "SENT"))
    wait_until(lambda: queue.outcomes() == ["http_status"])
    queue.accept(status(2, "DELIVERED"), *(status(number, "SENT", f"other-{number}") for number in range(3, 20)))
    queue.wait_for(DELIVERED=17, PENDING=2)
    assert queue.delivery(2).state_detail == BLOCKED
    assert queue.delivery(2).attempts == 0


def test_an_attempt_in_flight_is_waited_for(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Not even a newer status overtakes a request that has been started."""
    held = hold()
    queue.customer(callback_url=receiver.url("/", in_turn(answer(), answer(), held)), ordering="message")
    dispatch()
    queue.accept(*(status(number, "SENT", f"other-{number}") for number in (1, 2)))
    queue.wait_for(DELIVERED=2)
    queue.accept(status(3, "SENT"))
    wait_until(lambda: len(receiver.requests) == 3)
    queue.accept(status(4, "DELIVERED"))
    wait_until(lambda: queue.delivery(4).state_detail == BLOCKED)
    held.release()
    queue.wait_for(DELIVERED=4)
    assert seen(receiver)[2:] == [("m", "SENT"), ("m", "DELIVERED")]


def test_a_failed_one_is_waited_for_no_longer(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Once its schedule has ended, the next status goes."""
    queue.customer(callback_url=receiver.url("/", in_turn(FAIL, FAIL, answer())), ordering="message")
    dispatch(retry_schedule="0.1")
    queue.accept(status(1, "SENT"), status(2, "DELIVERED"))
    queue.wait_for(FAILED=1, DELIVERED=1)


def test_superseded_ones_are_skipped(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Whatever order they come in, and also between two attempts; the newer status is in the detail."""
    queue.customer(callback_url=receiver.url("/", in_turn(FAIL, answer())), superseded="skip")
    dispatch(retry_schedule="0.5")
    queue.accept(status(1, "SENT"))
    wait_until(lambda: queue.outcomes() == ["http_status"])
    queue.accept(status(2, "READ"), status(3, "DELIVERED"))
    queue.wait_for(SKIPPED=2, DELIVERED=1)
    assert seen(receiver) == [("m", "SENT"), ("m", "READ")]
    expected = "A newer status of the message has been accepted: READ."
    assert [queue.delivery(number).state_detail for number in (1, 3)] == [expected] * 2


def test_a_backlog_shrinks_when_it_is_set(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """PUT of `superseded: skip` skips what is superseded at once, though the receiver is down and paused."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    dispatch(retry_schedule="3600", lane_concurrency=1)
    for rank, name in enumerate(("QUEUED", "SENT", "DELIVERED")):
        queue.accept(*(status(rank * 500 + number, name, f"m{number}") for number in range(200)))
    wait_until(queue.attempts)
    queue.put_webhook(superseded="skip")
    wait_until(lambda: queue.states() == {"PENDING": 200, "SKIPPED": 400}, 30)
    assert {row.status for row in queue.deliveries(state="PENDING")} == {"DELIVERED"}
    assert len(receiver.requests) < 50


def test_by_default_all_are_sent(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Without the options, each status is sent, and none waits for another."""
    queue.customer(callback_url=receiver.url("/", in_turn(FAIL, answer())))
    dispatch(retry_schedule="0.5")
    queue.accept(status(1, "SENT"))
    wait_until(lambda: queue.outcomes() == ["http_status"])
    queue.accept(status(2, "DELIVERED"))
    queue.wait_for(DELIVERED=2)
    assert seen(receiver) == [("m", "SENT"), ("m", "DELIVERED"), ("m", "SENT")]


def test_from_its_expiry_on_nothing_is_sent(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """A delivery whose event has expired is FAILED and says so, when it expires and not at its next attempt."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    dispatch(retry_schedule="3600")
    expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    queue.accept(event(1, expires_at="2026-01-31T09:30:00Z"), event(2, expires_at=expiry))
    queue.wait_for(FAILED=2)
    assert queue.delivery(1).state_detail == "The event expired at 2026-01-31T09:30:00Z."
    assert queue.outcomes(1) == []
    assert len(receiver.requests) <= 1


def test_expiry_while_connecting(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """A request whose connection takes so long that its event expires is not sent, and leaves no attempt."""
    with Gate(receiver.port) as gate:
        queue.customer(callback_url=gate.url())
        dispatch()
        expires_at = datetime.now(UTC) + timedelta(seconds=1.5)
        queue.accept(event(expires_at=expires_at.isoformat().replace("+00:00", "Z")))
        wait_until(lambda: gate.connections)
        wait_until(lambda: datetime.now(UTC) > expires_at)
        gate.open()
        queue.wait_for(FAILED=1)
    assert receiver.requests == queue.attempts() == []


def test_every_account_has_its_own_order(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """The options are a webhook's: another account's message of the same id is not touched."""
    queue.customer("acme", receiver.url("/acme", in_turn(FAIL, answer())), ordering="message", superseded="skip")
    queue.customer("globex", receiver.url("/globex"))
    dispatch(retry_schedule="3600")
    queue.accept(status(1, "SENT"))
    wait_until(lambda: queue.outcomes() == ["http_status"])
    queue.accept(status(1, "SENT", account_id="globex"), status(2, "DELIVERED", account_id="globex"))
    queue.wait_for(PENDING=1, DELIVERED=2)
