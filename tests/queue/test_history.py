"""What became of events, as people look at it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.engine import ANY, LANE, LONG_AGO, OWN_URL, URL, Queue, event
from webhook_admin.db import Page
from webhook_admin.errors import DeliveryNotFound
from webhook_admin.models import deliveries as table
from webhook_admin.queue import attempts, clock, deliveries, due_deliveries, history
from webhook_admin.queue.attempts import Attempt, Begun
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Wanted
from webhook_admin.queue.history import Delivery, DeliveryWithAttempts
from webhook_admin.queue.selection import Filter

NOW = clock.milliseconds(LONG_AGO)
SENT_TO = "https://hooks.example.com/then"


def page(
    queue: Queue, after: str | None = None, limit: int = 100, *, oldest_first: bool = False, **wanted: Any
) -> Page[Delivery]:
    """A page of the deliveries that fit."""
    with queue.database.connect() as connection:
        return history.list_deliveries(connection, Filter(**wanted), after, limit, oldest_first=oldest_first)


def show(queue: Queue, number: int = 1) -> DeliveryWithAttempts:
    """The delivery of an event, with its attempts."""
    with queue.database.connect() as connection:
        return history.get(connection, queue.delivery(number).id)


def attempt(queue: Queue, outcome: str, status_code: int, state: State, due_at: int | None) -> None:
    """Make the next attempt for the first delivery, as a dispatcher does."""
    with queue.database.transaction() as connection:
        (due,) = due_deliveries.due(connection, [Wanted(LANE, 1, [])], NOW + ANY)
        number = due.attempts + 1
        delivery: dict[str, Any] = {"account_id": due.account_id, "id": due.id, "attempts": number}
        begun = Begun(**delivery, begun_at=NOW, callback_url=SENT_TO, payload_format="standard")
        attempts.begin(connection, [begun])
        row = Attempt(
            account_id=due.account_id,
            delivery_id=due.id,
            number=number,
            started_at=NOW + number,
            duration_ms=48,
            outcome=outcome,
            status_code=status_code,
            response="said so",
        )
        attempts.record(connection, [row])
        deliveries.conclude(connection, [Transition(**delivery, state=state, due_at=due_at)])


def test_a_new_delivery(queue: Queue) -> None:
    """Before its first attempt it shows where it would go now, and that it is due."""
    queue.customer(payload_format="insider")
    sent = event(tags={"a": "b"})
    queue.accept(sent, now=LONG_AGO)
    delivery = show(queue)
    assert delivery == DeliveryWithAttempts(
        id=queue.delivery().id,
        account_id="acme",
        message_id="msg_1",
        event_id="evt_1",
        channel="SMS",
        status="SENT",
        event=sent,
        state="PENDING",
        state_detail=None,
        callback_url=URL,
        payload_format="insider",
        test=False,
        attempt_count=0,
        created_at=LONG_AGO,
        next_attempt_at=LONG_AGO,
        last_outcome=None,
        last_status_code=None,
        attempts=[],
    )
    assert delivery.timestamp == sent.timestamp


def test_attempts_come_in_their_order(queue: Queue) -> None:
    """Each with its number, time, outcome and answer; the delivery shows where the latest went."""
    queue.customer()
    queue.accept(event(), now=LONG_AGO)
    attempt(queue, "http_status", 500, State.PENDING, NOW + 5)
    attempt(queue, "delivered", 200, State.DELIVERED, None)
    queue.put_webhook(callback_url="https://hooks.example.com/later", payload_format="routee")
    delivery = show(queue)
    assert (delivery.state, delivery.attempt_count, delivery.next_attempt_at) == ("DELIVERED", 2, None)
    assert (delivery.last_outcome, delivery.last_status_code) == ("delivered", 200)
    assert (delivery.callback_url, delivery.payload_format) == (SENT_TO, "standard")
    assert delivery.attempts == [
        history.Attempt(1, clock.moment(NOW + 1), 48, "http_status", 500, "said so"),
        history.Attempt(2, clock.moment(NOW + 2), 48, "delivered", 200, "said so"),
    ]


def test_the_next_attempt_waits_for_the_lane(queue: Queue) -> None:
    """Where the breaker has put the lane off, that is when the delivery's turn comes."""
    queue.customer()
    queue.accept(event(), now=LONG_AGO)
    queue.lease(now=NOW)
    queue.release(LANE, failures=5, paused_until=NOW + 10_000)
    assert show(queue).next_attempt_at == clock.moment(NOW + 10_000)


@pytest.mark.parametrize(("own", "expected"), [(None, "standard"), ("routee", "routee")])
def test_a_messages_own_url(queue: Queue, own: str | None, expected: str) -> None:
    """It shows that URL, and its format where it has one."""
    queue.customer("acme", None)
    queue.accept(event(callback_url=OWN_URL, payload_format=own))
    assert (show(queue).callback_url, show(queue).payload_format) == (OWN_URL, expected)


def test_a_webhook_that_is_gone_is_not_shown(queue: Queue) -> None:
    """What waits for it goes nowhere; and not to the one that has come since."""
    queue.customer()
    queue.accept(event())
    queue.delete_webhook()
    assert show(queue).callback_url is None
    with queue.database.connect() as connection:
        queue.register(connection, "acme", "https://hooks.example.com/another")
    assert show(queue).callback_url is None


@pytest.mark.parametrize("id_", ["", "dlv_1", "dlv_" + "0" * 32, "dlv_\0", "evt_1", "%"])
def test_an_id_that_is_nobodys(queue: Queue, id_: str) -> None:
    """There is no such delivery, whatever the text."""
    with queue.database.connect() as connection, pytest.raises(DeliveryNotFound):
        history.get(connection, id_)


def test_filters(queue: Queue) -> None:
    """By account, by state, by message, and by all of them."""
    for name in ("acme", "globex"):
        queue.customer(name)
        queue.accept(event(1, name), event(2, name))
    queue.finish(queue.deliveries(event_id="evt_1"))
    assert found(page(queue)) == [("acme", "evt_1"), ("acme", "evt_2"), ("globex", "evt_1"), ("globex", "evt_2")]
    assert found(page(queue, account_id="acme")) == [("acme", "evt_1"), ("acme", "evt_2")]
    assert found(page(queue, states=["DELIVERED", "FAILED"])) == [("acme", "evt_1"), ("globex", "evt_1")]
    assert found(page(queue, message_id="msg_2")) == [("acme", "evt_2"), ("globex", "evt_2")]
    assert found(page(queue, account_id="acme", states=["PENDING"], message_id="msg_2")) == [("acme", "evt_2")]
    assert found(page(queue, account_id="acme", states=["PENDING"], message_id="msg_1")) == []


def found(page: Page[Delivery]) -> list[tuple[str, str]]:
    """Accounts and events, in the order of both."""
    return sorted((delivery.account_id, delivery.event_id) for delivery in page.items)


def test_the_filter_by_status_reads_the_events_own(queue: Queue) -> None:
    """Not what looks like it elsewhere: in a tag, in a text, in another account's id."""
    queue.customer()
    queue.accept(
        event(1, status="READ"),
        event(
            2,
            status="SENT",
            tags={"status": "READ", "then": "more"},
            customer_message_id='"status": "READ", "timestamp": "',
        ),
        event(3, status="DELIVERED"),
    )
    assert found(page(queue, status="READ")) == [("acme", "evt_1")]
    assert found(page(queue, status="EXPIRED")) == []


def test_the_filter_by_time_is_exact_to_the_millisecond(queue: Queue) -> None:
    """`since` is part of what is listed, `until` is not."""
    queue.customer()
    for number in range(3):
        queue.accept(event(number))
    made = [clock.moment(int(queue.delivery(number).id[4:16], 16)) for number in range(3)]
    found_since = found(page(queue, since=made[1]))
    found_until = found(page(queue, until=made[1]))
    assert found_since == [("acme", f"evt_{number}") for number in range(3) if made[number] >= made[1]]
    assert found_until == [("acme", f"evt_{number}") for number in range(3) if made[number] < made[1]]
    assert found(page(queue, since=LONG_AGO, until=LONG_AGO)) == []
    assert len(page(queue, since=datetime(1, 1, 2, tzinfo=UTC), until=datetime(9999, 1, 1, tzinfo=UTC)).items) == 3


@pytest.mark.parametrize("stored", ["", "{", "[]", "{}", '{"nothing": 1}', "null"])
def test_an_event_that_cannot_be_read_hides_no_other(queue: Queue, stored: str) -> None:
    """It is listed without what its event says, and so are all the other deliveries."""
    queue.customer()
    queue.accept(event(1), event(2))
    with queue.database.connect() as connection:
        connection.execute(table.update().where(table.c.event_id == "evt_1").values(event=stored))
    assert found(page(queue)) == [("acme", "evt_1"), ("acme", "evt_2")]
    assert found(page(queue, status="SENT")) == [("acme", "evt_1"), ("acme", "evt_2")]
    delivery = show(queue)
    assert (delivery.event, delivery.timestamp, delivery.status, delivery.message_id) == (None, None, "SENT", "msg_1")


@pytest.mark.parametrize("oldest_first", [False, True])
def test_pages_are_complete(queue: Queue, *, oldest_first: bool) -> None:
    """Page by page, every delivery comes once, the newest first or the oldest."""
    queue.customer()
    for number in range(7):
        queue.accept(event(number))
    seen, after = [], None
    while True:
        part = page(queue, after, 3, oldest_first=oldest_first, account_id="acme")
        seen += [delivery.event_id for delivery in part.items]
        after = part.next
        if after is None:
            break
    assert seen == [f"evt_{number}" for number in (range(7) if oldest_first else reversed(range(7)))]
