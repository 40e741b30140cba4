"""A dispatcher's turns: nothing is started that has changed meanwhile, and one mistake stops one delivery."""

import time
from typing import Any

import pytest

from tests.dispatch.gate import Gate
from tests.engine import Dispatch, Queue, event
from tests.receiver import Receiver, answer
from tests.waiting import wait_until
from webhook_admin.dispatch import decide, retry

FAIL = answer(500)


def test_put_while_a_connection_is_opened_is_heeded(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """The old URL gets no byte of a request, although its connection was being opened before; that attempt does not
    count, and the new URL gets the notification.
    """
    with Gate(receiver.port) as gate:
        queue.customer(callback_url=gate.url("/old"))
        queue.accept(event())
        dispatch()
        wait_until(lambda: gate.connections)
        queue.put_webhook(callback_url=receiver.url("/new"))
        gate.open()
        queue.wait_for(DELIVERED=1)
    assert [request.path for request in receiver.requests] == ["/new"]
    assert (queue.delivery().attempts, queue.outcomes()) == (1, ["delivered"])


@pytest.mark.parametrize("change", ["delete", "account"])
def test_delete_while_a_connection_is_opened_is_heeded(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, change: str
) -> None:
    """Nothing is sent, and the delivery ends without an attempt."""
    with Gate(receiver.port) as gate:
        queue.customer(callback_url=gate.url("/old"))
        queue.accept(event())
        dispatch()
        wait_until(lambda: gate.connections)
        queue.delete_webhook() if change == "delete" else queue.delete_account()
        gate.open()
        queue.wait_for(CANCELLED=1)
        queue.wait_for_rest()
    assert receiver.requests == []
    assert (queue.delivery().attempts, queue.attempts()) == (0, [])


def test_a_connection_that_is_not_opened_in_time_counts(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """An attempt that fails before its request is written is on record like any other, and says why it failed."""
    with Gate(receiver.port) as gate:
        queue.customer(callback_url=gate.url())
        queue.accept(event())
        dispatch(connect_timeout=0.2, retry_schedule="3600")
        (attempt,) = wait_until(queue.attempts)
    assert (attempt.number, attempt.outcome) == (1, "timeout")
    assert attempt.detail
    assert attempt.hint


def test_a_mistake_in_judging_stops_one_delivery(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt is on record, the delivery is tried again later, and all others go on, in the same dispatcher."""
    next_due = retry.next_due

    def mistaken(schedule: Any, attempt: int, now: int, retry_after: int | None, random: Any) -> int | None:
        if retry_after == 7_000:
            raise ZeroDivisionError
        return next_due(schedule, attempt, now, retry_after, random)

    monkeypatch.setattr(retry, "next_due", mistaken)
    queue.customer("bad", receiver.url("/bad", answer(503, headers={"Retry-After": "7"})))
    queue.customer("good", receiver.url("/good"))
    queue.accept(event(1, "bad"))
    dispatch()
    (attempt,) = wait_until(lambda: queue.attempts(account_id="bad"))
    queue.accept(*(event(number, "good") for number in range(5)))
    queue.wait_for(PENDING=1, DELIVERED=5)
    assert (attempt.outcome, attempt.status_code) == ("http_status", 503)
    (row,) = queue.deliveries(account_id="bad")
    assert (row.attempts, row.recorded, row.state_detail) == (1, 1, decide.PUT_OFF)
    assert row.due_at > time.time() * 1_000 + 500_000


def test_a_damaged_event_ends_by_its_age(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """It is put off while it is young, stops no other delivery, and fails when it is too old."""
    queue.customer(callback_url=receiver.url("/"))
    queue.accept(event(1), event(2))
    with queue.database.transaction() as transaction:
        transaction.exec_driver_sql("UPDATE deliveries SET event = 'not json' WHERE event_id = 'evt_1'")
    dispatch(delivery_max_age=2)
    queue.wait_for(FAILED=1, DELIVERED=1)
    assert queue.delivery(1).state_detail == "It was not delivered within 2 seconds."


def test_a_clock_that_goes_back_delays_no_cancelling(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans inside the process are monotonic: three hours less on the machine's clock change nothing about a DELETE."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    queue.accept(event())
    dispatch(retry_schedule="3600")
    wait_until(queue.attempts)
    present = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: present() - 3 * 3_600 * 10**9)
    queue.delete_webhook()
    queue.wait_for(CANCELLED=1, seconds=5)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_dispatchers_go_by_the_stores_clock(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dispatcher on a machine whose clock is an hour ahead neither sends a retry early nor takes a leased lane."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    queue.customer("leased", receiver.url("/leased"))
    queue.accept(event(1), event(1, "leased"))
    queue.lease("another dispatcher")
    queue.release(*[key for key in queue.due_lanes() if key.account_id == "acme"], holder="another dispatcher")
    present = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: present() + 3_600 * 10**9)
    dispatch(retry_schedule="600")
    wait_until(lambda: queue.attempts(account_id="acme"))
    with pytest.raises(pytest.fail.Exception):
        wait_until(lambda: len(receiver.requests) > 1, 2)
