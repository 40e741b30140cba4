"""What became of events, as people look at it."""

import pytest
from engine import ANY, LANE, LONG_AGO, OWN_URL, URL, Queue, event

from webhook_admin.db import Page
from webhook_admin.errors import DeliveryNotFound
from webhook_admin.queue import attempts, clock, deliveries, history
from webhook_admin.queue.attempts import Attempt, Begun
from webhook_admin.queue.deliveries import State, Transition, Wanted
from webhook_admin.queue.history import Delivery

pytest_plugins = ["engine_fixtures"]

NOW = clock.milliseconds(LONG_AGO)
SENT_TO = "https://hooks.example.com/then"


def page(queue: Queue, after: str | None = None, limit: int = 100, **wanted: str) -> Page[Delivery]:
    """A page of the deliveries that fit."""
    filters = {"account_id": None, "state": None, "message_id": None} | wanted
    with queue.database.connect() as connection:
        return history.list_deliveries(connection, *filters.values(), after, limit)


def show(queue: Queue, number: int = 1) -> tuple[Delivery, list[history.Attempt]]:
    """The delivery of an event, with its attempts."""
    with queue.database.connect() as connection:
        return history.get(connection, queue.delivery(number).id)


def attempt(queue: Queue, outcome: str, status_code: int, state: State, due_at: int | None) -> None:
    """Make the next attempt for the first delivery, as a dispatcher does."""
    with queue.database.transaction() as connection:
        (due,) = deliveries.due(connection, [Wanted(LANE, 1, [])], NOW + ANY)
        number = due.attempts + 1
        delivery = {"account_id": due.account_id, "id": due.id, "attempts": number}
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
    queue.accept(event(tags={"a": "b"}), now=LONG_AGO)
    delivery, attempts = show(queue)
    assert delivery == Delivery(
        queue.delivery().id, "acme", "msg_1", "evt_1", "SENT", "PENDING", None, URL, "insider", 0, LONG_AGO, LONG_AGO
    )
    assert attempts == []


def test_attempts_come_in_their_order(queue: Queue) -> None:
    """Each with its number, time, outcome and answer; the delivery shows where the latest went."""
    queue.customer()
    queue.accept(event(), now=LONG_AGO)
    attempt(queue, "http_status", 500, State.PENDING, NOW + 5)
    attempt(queue, "delivered", 200, State.DELIVERED, None)
    queue.put_webhook(callback_url="https://hooks.example.com/later", payload_format="routee")
    delivery, attempts = show(queue)
    assert (delivery.state, delivery.attempts, delivery.next_attempt_at) == ("DELIVERED", 2, None)
    assert (delivery.callback_url, delivery.payload_format) == (SENT_TO, "standard")
    assert attempts == [
        history.Attempt(1, clock.moment(NOW + 1), 48, "http_status", 500, "said so"),
        history.Attempt(2, clock.moment(NOW + 2), 48, "delivered", 200, "said so"),
    ]


def test_the_next_attempt_waits_for_the_lane(queue: Queue) -> None:
    """Where the breaker has put the lane off, that is when the delivery's turn comes."""
    queue.customer()
    queue.accept(event(), now=LONG_AGO)
    queue.lease(now=NOW)
    queue.release(LANE, failures=5, paused_until=NOW + 10_000)
    assert show(queue)[0].next_attempt_at == clock.moment(NOW + 10_000)


@pytest.mark.parametrize(("own", "expected"), [(None, "standard"), ("routee", "routee")])
def test_a_messages_own_url(queue: Queue, own: str | None, expected: str) -> None:
    """It shows that URL, and its format where it has one."""
    queue.customer("acme", None)
    queue.accept(event(callback_url=OWN_URL, payload_format=own))
    assert (show(queue)[0].callback_url, show(queue)[0].payload_format) == (OWN_URL, expected)


def test_a_webhook_that_is_gone_is_not_shown(queue: Queue) -> None:
    """What waits for it goes nowhere; and not to the one that has come since."""
    queue.customer()
    queue.accept(event())
    queue.delete_webhook()
    assert show(queue)[0].callback_url is None
    with queue.database.connect() as connection:
        queue.register(connection, "acme", "https://hooks.example.com/another")
    assert show(queue)[0].callback_url is None


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
    assert found(page(queue, state="DELIVERED")) == [("acme", "evt_1"), ("globex", "evt_1")]
    assert found(page(queue, message_id="msg_2")) == [("acme", "evt_2"), ("globex", "evt_2")]
    assert found(page(queue, account_id="acme", state="PENDING", message_id="msg_2")) == [("acme", "evt_2")]
    assert found(page(queue, account_id="acme", state="PENDING", message_id="msg_1")) == []


def found(page: Page[Delivery]) -> list[tuple[str, str]]:
    """Accounts and events, in the order of both."""
    return sorted((delivery.account_id, delivery.event_id) for delivery in page.items)


def test_pages_are_complete(queue: Queue) -> None:
    """Page by page, every delivery comes once, in the order in which the events came in."""
    queue.customer()
    for number in range(7):
        queue.accept(event(number))
    seen, after = [], None
    while True:
        part = page(queue, after, 3, account_id="acme")
        seen += [delivery.event_id for delivery in part.items]
        after = part.next
        if after is None:
            break
    assert seen == [f"evt_{number}" for number in range(7)]
