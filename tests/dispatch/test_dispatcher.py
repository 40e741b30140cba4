"""The dispatcher, end to end: a real store, a real receiver, and every promise of the contract's section 2."""

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from tests.engine import LONG_AGO, Dispatch, Queue, errors, event, together
from tests.receiver import Receiver, after, answer, hold, in_turn
from tests.waiting import wait_until
from webhook_admin import webhooks
from webhook_admin.dispatch import decide
from webhook_admin.queue import resend
from webhook_admin.queue.deliveries import State
from webhook_admin.queue.selection import Filter

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)

FAIL = answer(500, b"out of order")
SOON = {"retry_schedule": "0.05,0.05"}
LATER = {"retry_schedule": "3600"}
# What happens at once happens within this many seconds, on a busy machine too.
SLACK = 2


def paths(receiver: Receiver) -> list[str]:
    """The paths that were called, in order."""
    return [request.path for request in receiver.requests]


def bodies(receiver: Receiver) -> list[str]:
    """The messages that the receiver was told about."""
    return [json.loads(request.body)["messageId"] for request in receiver.requests]


def test_an_event_arrives(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """What is accepted is delivered, once, with its attempt on record, and leaves nothing waiting."""
    queue.customer(callback_url=receiver.url("/ok"))
    dispatch()
    queue.accept(event())
    queue.wait_for(DELIVERED=1)
    queue.wait_for_rest()
    assert paths(receiver) == ["/ok"]
    (attempt,) = queue.attempts()
    assert (attempt.number, attempt.outcome, attempt.status_code) == (1, "delivered", 200)


def test_the_receiver_can_verify_it(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """The published library accepts the signature, and the id is the delivery's."""
    secret = queue.customer(callback_url=receiver.url("/ok"))
    dispatch()
    queue.accept(event())
    queue.wait_for(DELIVERED=1)
    (request,) = receiver.requests
    assert Verifier(secret).verify(request.body, dict(request.headers))["eventId"] == "evt_1"
    assert request.headers["webhook-id"] == queue.delivery().id
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")


def test_what_fails_is_tried_again(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """With the same id and the same bytes, at a time of its own, and every attempt verifies and is on record."""
    secret = queue.customer(callback_url=receiver.url("/", in_turn(FAIL, answer(404), answer())))
    dispatch(retry_schedule="1.2,0.05")
    queue.accept(event())
    queue.wait_for(DELIVERED=1)
    first, second, third = receiver.requests
    assert first.body == second.body == third.body
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    for request in receiver.requests:
        Verifier(secret).verify(request.body, dict(request.headers))
    assert [(row.outcome, row.status_code, row.response) for row in queue.attempts()] == [
        ("http_status", 500, "out of order"),
        ("http_status", 404, ""),
        ("delivered", 200, ""),
    ]


def test_retries_keep_to_the_schedule(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Each wait is the schedule's, up to a fifth shorter or longer, and little more passes."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    dispatch(retry_schedule="0.3,0.6")
    queue.accept(event())
    queue.wait_for(FAILED=1)
    first, second, third = (request.at for request in receiver.requests)
    assert 0.23 < second - first < 0.37 + SLACK
    assert 0.47 < third - second < 0.73 + SLACK


def test_the_last_attempt_is_the_last(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Then it is FAILED, says so, and stays on record."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    dispatch(**SOON)
    queue.accept(event())
    queue.wait_for(FAILED=1)
    queue.wait_for_rest()
    assert len(receiver.requests) == 3
    assert queue.outcomes() == ["http_status"] * 3
    assert queue.delivery().state_detail == "All 3 attempts have failed."


def test_too_old_is_the_end(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """A delivery that has reached its greatest age is not tried again, whatever the schedule has left."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    dispatch(**LATER, delivery_max_age=0.3)
    queue.accept(event())
    queue.wait_for(FAILED=1)
    assert len(receiver.requests) == 1


def test_retry_after_is_heeded(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """A receiver that asks for a second gets a second, and no attempt is used up by it."""
    queue.customer(callback_url=receiver.url("/", in_turn(answer(429, headers={"Retry-After": "1"}), answer())))
    dispatch(retry_schedule="0.05")
    queue.accept(event())
    queue.wait_for(DELIVERED=1)
    first, second = (request.at for request in receiver.requests)
    assert 0.95 < second - first < 1 + SLACK


def test_a_redirect_is_a_failure(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """It is not followed."""
    queue.customer(callback_url=receiver.url("/", answer(301, headers={"Location": receiver.url("/other")})))
    dispatch(**SOON)
    queue.accept(event())
    queue.wait_for(FAILED=1)
    assert queue.outcomes() == ["redirect"] * 3
    assert set(paths(receiver)) == {"/"}


def test_gone_disables_the_webhook(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """After a 410 nothing is sent, what waits ends CANCELLED, and the webhook says why."""
    queue.customer(callback_url=receiver.url("/", answer(410)))
    queue.accept(*map(event, range(5)))
    dispatch()
    queue.wait_for(CANCELLED=5)
    assert len(receiver.requests) == 1
    assert (queue.webhook().status, queue.webhook().disabled_reason) == ("DISABLED", "GONE")
    queue.accept(event(9))
    queue.wait_for(CANCELLED=6)
    assert len(receiver.requests) == 1


def test_put_makes_a_gone_webhook_active(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """What comes in after it is delivered again."""
    queue.customer(callback_url=receiver.url("/", answer(410)))
    queue.accept(event())
    dispatch()
    queue.wait_for(CANCELLED=1)
    queue.put_webhook(callback_url=receiver.url("/new"))
    queue.accept(event(2))
    queue.wait_for(CANCELLED=1, DELIVERED=1)
    assert paths(receiver) == ["/", "/new"]


def test_gone_for_one_message_disables_nothing(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """It is that message's failure, and the webhook's other events go on."""
    queue.customer(callback_url=receiver.url("/ok"))
    queue.accept(event(1, callback_url=receiver.url("/own", answer(410))), event(2))
    dispatch()
    queue.wait_for(FAILED=1, DELIVERED=1)
    assert queue.webhook().status == "ACTIVE"


def test_what_a_format_cannot_say_is_skipped(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Without a request, and it says what it could not say."""
    queue.customer(callback_url=receiver.url("/ok"), payload_format="routee")
    dispatch()
    queue.accept(event(1, status="READ"), event(2))
    queue.wait_for(SKIPPED=1, DELIVERED=1)
    assert len(receiver.requests) == len(queue.attempts()) == 1
    assert "READ" in queue.delivery(1).state_detail


def test_put_sends_retries_to_the_new_url(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """In the format of the first attempt, as all attempts have the same bytes."""
    queue.customer(callback_url=receiver.url("/old", FAIL))
    dispatch(retry_schedule="0.5")
    queue.accept(event())
    wait_until(queue.attempts)
    queue.put_webhook(callback_url=receiver.url("/new"), payload_format="insider")
    queue.wait_for(DELIVERED=1)
    assert paths(receiver) == ["/old", "/new"]
    assert receiver.requests[0].body == receiver.requests[1].body


def test_nothing_goes_to_the_old_url_after_put(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Under load: every request that is started after PUT's end goes to the new URL."""
    queue.customer(callback_url=receiver.url("/0"))
    dispatch()
    for round_ in range(1, 20):
        queue.accept(*(event(100 * round_ + number) for number in range(20)))
        queue.put_webhook(callback_url=receiver.url(f"/{round_}"))
        mark = time.time_ns() // 1_000_000
        wait_until(lambda: set(queue.states()) == {"DELIVERED"})
        late = [row for row in queue.deliveries() if row.begun_at > mark]
        assert {row.callback_url for row in late} <= {receiver.url(f"/{round_}")}
        assert queue.states()["DELIVERED"] == len(receiver.requests)


@ON_POSTGRESQL
@pytest.mark.parametrize("change", ["put", "delete"])
def test_a_change_between_fetch_and_start_is_heeded(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, change: str
) -> None:
    """What was read before PUT or DELETE and not yet started when it is answered is not sent, and does not count."""
    queue.customer(callback_url=receiver.url("/old"))
    queue.accept(event())
    with queue.database.transaction() as transaction:
        transaction.exec_driver_sql("SELECT 1 FROM webhooks FOR UPDATE")
        dispatch()
        wait_until(lambda: queue.delivery().attempts == 1)
        if change == "put":
            changes = {"callback_url": receiver.url("/new"), "payload_format": "insider"}
            webhooks.replace(transaction, "acme", LONG_AGO, **changes)
        else:
            webhooks.remove(transaction, "acme", LONG_AGO)
    queue.wait_for(**{"DELIVERED" if change == "put" else "CANCELLED": 1})
    assert paths(receiver) == ["/new"] * (change == "put")
    assert queue.outcomes() == ["delivered"] * (change == "put")
    assert queue.delivery().payload_format == ("insider" if change == "put" else None)


@pytest.mark.parametrize("behaviour", ["retry", "pause"])
def test_delete_cancels_what_waits(queue: Queue, dispatch: Dispatch, receiver: Receiver, behaviour: str) -> None:
    """At once, though the next attempt is an hour away, or the lane is put off by its breaker."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    queue.accept(*(event(number) for number in range(8 if behaviour == "pause" else 1)))
    dispatch(**LATER)
    wait_until(lambda: any(row.failures >= (5 if behaviour == "pause" else 1) for row in queue.lanes(holder=None)))
    before = len(receiver.requests)
    queue.delete_webhook()
    queue.wait_for(CANCELLED=len(queue.deliveries()), seconds=3)
    queue.wait_for_rest()
    assert len(receiver.requests) == before


def test_a_new_webhook_does_not_revive_the_old_ones_events(
    queue: Queue, dispatch: Dispatch, receiver: Receiver
) -> None:
    """After DELETE and POST what came before is CANCELLED, and what comes after is delivered."""
    queue.customer(callback_url=receiver.url("/old", FAIL))
    dispatch(**LATER)
    queue.accept(event(1))
    wait_until(queue.attempts)
    queue.delete_webhook()
    with queue.database.connect() as connection:
        queue.register(connection, "acme", receiver.url("/new"))
    queue.accept(event(2))
    queue.wait_for(CANCELLED=1, DELIVERED=1)
    assert paths(receiver) == ["/old", "/new"]
    assert queue.delivery(1).state == "CANCELLED"


def test_an_account_takes_all_its_deliveries_with_it(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Those to its webhook and those to messages' own URLs, also while their lanes wait for a retry."""
    queue.customer(callback_url=receiver.url("/", FAIL))
    queue.customer("globex", receiver.url("/ok"))
    dispatch(**LATER)
    queue.accept(event(1), event(2, callback_url=receiver.url("/own", FAIL)))
    wait_until(lambda: len(queue.attempts()) == 2)
    queue.delete_account()
    queue.accept(event(1, "globex"))
    queue.wait_for(CANCELLED=2, DELIVERED=1)
    queue.wait_for_rest()
    assert {row.state_detail for row in queue.deliveries(account_id="acme")} == {"The account has been deleted."}


def test_a_dead_receiver_gets_a_request_per_pause(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Five failures in a row, and then nothing for ten seconds, though a hundred events wait; others go on."""
    queue.customer("dead", receiver.url("/dead", FAIL))
    queue.customer("fine", receiver.url("/fine"))
    queue.accept(*(event(number, "dead") for number in range(100)))
    dispatch()
    wait_until(lambda: queue.lanes(account_id="dead", holder=None, failures=5))
    calls = Counter(paths(receiver))["/dead"]
    queue.accept(event(100, "dead"), *(event(number, "fine") for number in range(20)))
    queue.wait_for(PENDING=101, DELIVERED=20)
    assert Counter(paths(receiver))["/dead"] == calls == 5
    assert sum(row.attempts for row in queue.deliveries(account_id="dead")) == 5


def test_a_pause_ends_with_one_probe(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """One request asks whether the receiver is back; as soon as it is, everything is delivered."""
    queue.customer(callback_url=receiver.url("/", in_turn(*[FAIL] * 5, after(0.3, answer()), answer())))
    queue.accept(*map(event, range(30)))
    dispatch(**SOON)
    wait_until(lambda: queue.lanes(holder=None, failures=5))
    end_pause(queue)
    wait_until(lambda: len(receiver.requests) == 6)
    queue.wait_for(DELIVERED=30)
    probe, rest = receiver.requests[5], receiver.requests[6:]
    assert min(request.at for request in rest) > probe.at + 0.3


def end_pause(queue: Queue) -> None:
    """As if the pause had passed."""
    with queue.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE lanes SET due_at = 0, paused_until = 0")


@pytest.mark.parametrize("has_webhook", [True, False])
def test_a_messages_own_url(queue: Queue, dispatch: Dispatch, receiver: Receiver, has_webhook: bool) -> None:
    """It is signed with the webhook's secret where there is one, and goes without a signature where there is none."""
    secret = queue.customer(callback_url=receiver.url("/webhook") if has_webhook else None)
    dispatch()
    queue.accept(event(callback_url=receiver.url("/own?order=1")))
    queue.wait_for(DELIVERED=1)
    (request,) = receiver.requests
    assert request.path == "/own?order=1"
    assert ("webhook-signature" in request.headers) is has_webhook
    if has_webhook:
        Verifier(secret).verify(request.body, dict(request.headers))


def test_a_slow_lane_delays_no_other(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Not even another of the same account, to another destination."""
    held = hold()
    with Receiver() as other:
        queue.customer(callback_url=receiver.url("/", held))
        queue.accept(*(event(number) for number in range(20)))
        dispatch()
        wait_until(lambda: receiver.requests)
        queue.accept(event(99, callback_url=other.url("/ok")))
        wait_until(lambda: other.requests, SLACK)
        assert len(receiver.requests) == 1
        held.release()


def test_no_more_at_once_than_allowed(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """For one lane, LANE_CONCURRENCY; in all, MAX_IN_FLIGHT."""
    held = hold()
    queue.customer("a", receiver.url("/a", in_turn(*[answer()] * 7, held)))
    queue.accept(*(event(number, "a") for number in range(40)))
    for number in range(10):
        queue.customer(f"b{number}", receiver.url("/b", held))
    dispatch(lane_concurrency=3, max_in_flight=6)
    wait_until(lambda: len(receiver.requests) == 10)
    queue.accept(*(event(1, f"b{number}") for number in range(10)))
    wait_until(lambda: len(receiver.requests) == 13)
    assert in_flight(queue) == {"a": 3, "b": 3}
    held.release()
    queue.wait_for(DELIVERED=50)
    assert len(receiver.requests) == 50


def in_flight(queue: Queue) -> Counter[str]:
    """Attempts that have been begun and not recorded, by the first letter of the account."""
    return Counter(row.account_id[0] for row in queue.deliveries() if row.attempts > row.recorded)


def test_lanes_that_wait_do_not_wait_for_the_clock(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """As soon as there is room again, the next lanes' turn has come: twenty lanes, two at a time, in no time."""
    for number in range(20):
        queue.customer(f"a{number}", receiver.url("/ok"))
    queue.accept(*(event(1, f"a{number}") for number in range(20)))
    dispatch(max_in_flight=2)
    queue.wait_for(DELIVERED=20, seconds=3)


@ON_POSTGRESQL
def test_two_dispatchers_send_each_once(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """They share the lanes, and nothing is sent twice, though their leases are short and the receiver is slow."""
    for number in range(12):
        queue.customer(f"a{number}", receiver.url("/slow", after(1.5, answer())))
    dispatch(lease_seconds=1)
    dispatch(lease_seconds=1)
    queue.accept(*(event(1, f"a{number}") for number in range(12)))
    queue.wait_for(DELIVERED=12)
    assert len(receiver.requests) == 12
    assert {row.outcome for row in queue.attempts()} == {"delivered"}


def test_what_cannot_be_written_stops_no_other(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """A secret that nobody can read is that customer's trouble alone."""
    queue.customer("bad", receiver.url("/bad"))
    queue.customer("good", receiver.url("/good"))
    with queue.database.connect() as connection:
        connection.exec_driver_sql(
            "UPDATE webhooks SET signing_secret = created_at WHERE account_id = 'bad'"
            if queue.database.file
            else "UPDATE webhooks SET signing_secret = '\\x00' WHERE account_id = 'bad'"
        )
    queue.accept(event(1, "bad"), event(1, "good"))
    dispatch()
    queue.wait_for(PENDING=1, DELIVERED=1)
    (row,) = queue.deliveries(account_id="bad")
    assert (row.attempts, row.state_detail) == (0, decide.PUT_OFF)


def test_stopping_lets_requests_end(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Attempts in flight are recorded, and every lane is free; then there is nothing to wait for."""
    held = hold()
    queue.customer(callback_url=receiver.url("/", held))
    queue.accept(*map(event, range(5)))
    running = dispatch()
    wait_until(lambda: receiver.requests)
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    held.release()
    started = time.monotonic()
    stopping.join()
    assert time.monotonic() - started < 0.9
    assert queue.states() == {"DELIVERED": len(receiver.requests), "PENDING": 5 - len(receiver.requests)}
    assert {row.holder for row in queue.lanes()} <= {None}
    assert queue.due_lanes() == queue.pending_lanes()


def test_an_idle_dispatcher_hears_at_once(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """From the commit to the receipt it takes a moment, on a lane that was at rest."""
    queue.customer(callback_url=receiver.url("/ok"))
    dispatch()

    def seconds(number: int) -> float:
        started = time.monotonic()
        queue.accept(event(number))
        wait_until(lambda: len(receiver.requests) > number)
        wait_until(lambda: queue.delivery(number).state == "DELIVERED")
        return receiver.requests[-1].at - started

    took = [seconds(number) for number in range(15)]
    print(f"median {statistics.median(took) * 1000:.1f} ms")  # noqa: T201  for whoever asks with -s
    assert statistics.median(took) < 0.5


@ON_POSTGRESQL
def test_accepting_and_dispatching_never_deadlock(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever a turn locks of the lanes: events of many accounts come in while their receivers fail and recover, and
    while their webhooks are changed and deleted and their deliveries resent.
    """
    behaviour = in_turn(*[answer(200), answer(500), answer(500)] * 2_000)
    urls = {name: receiver.url(f"/{name}", behaviour) for name in (f"a{number:02}" for number in range(30))}
    for name, url in urls.items():
        queue.customer(name, url)
    dispatch(retry_schedule="0,0,0,0,0,0")
    assert errors(together(4, lambda place: use(queue, place, urls))) == []
    assert queue.attempts()
    assert "deadlock" not in "".join(capfd.readouterr())


def use(queue: Queue, place: int, urls: Mapping[str, str]) -> None:
    """Take in events of all the accounts, again and again; or change, delete and resend what one of them has."""
    for round_ in range(40):
        name = sorted(urls)[round_ % len(urls)]
        if place < 3:
            queue.accept(*(event(f"{place}.{round_}.{each}", each) for each in urls))
        elif round_ % 3 == 0:
            queue.put_webhook(name, callback_url=urls[name])
        elif round_ % 3 == 1:
            queue.delete_webhook(name)
            with queue.database.transaction() as transaction:
                queue.register(transaction, name, urls[name])
        else:
            resend_all(queue, name)


def resend_all(queue: Queue, account_id: str) -> None:
    """Resend all that has ended, and what waits."""
    with queue.database.transaction() as transaction:
        matched = resend.choose(transaction, Filter(account_id=account_id, states=tuple(State)), datetime.now(UTC))
        resend.some(transaction, account_id, matched.deliveries, datetime.now(UTC))
