"""Deliveries and attempts, many at a time: counted before they are made, and recorded whatever has happened since."""

import json
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests.engine import LANE, LONG_AGO, Queue, event
from tests.stores import dsn
from tests.waiting import wait_until
from webhook_admin import accounts
from webhook_admin.queue import attempts, clock, deliveries, due_deliveries
from webhook_admin.queue.attempts import Attempt, Begun
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due, Wanted
from webhook_admin.queue.lanes import Key

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)

NOW = clock.milliseconds(LONG_AGO) + 60_000
ORIGIN = "https://orders.example.com:443"
OWN = "https://orders.example.com/order-1"
NEW_URL = "https://new.example.com/"
ANSWER = "a\n\"'\\ ☃"


def find(queue: Queue, *keys: Key, limit: int = 10, in_flight: tuple[str, ...] = (), now: int = NOW) -> list[Due]:
    """What is due in the lanes (the webhook's of `acme`)."""
    with queue.database.transaction() as connection:
        return due_deliveries.due(connection, [Wanted(key, limit, in_flight) for key in keys or (LANE,)], now)


def begun(due: Due, url: str = NEW_URL, payload_format: str = "standard", now: int = NOW) -> Begun:
    """The next attempt for the delivery."""
    return Begun(
        account_id=due.account_id,
        id=due.id,
        attempts=due.attempts + 1,
        begun_at=now,
        callback_url=url,
        payload_format=payload_format,
    )


def begin(queue: Queue, *begun: Begun) -> set[str]:
    """Count attempts."""
    with queue.database.transaction() as connection:
        return attempts.begin(connection, begun)


def conclude(
    queue: Queue, due: Due, attempts: int, state: State = State.DELIVERED, due_at: int | None = None, **kept: Any
) -> None:
    """Give the delivery its next state."""
    with queue.database.transaction() as connection:
        transition = Transition(
            account_id=due.account_id, id=due.id, attempts=attempts, state=state, due_at=due_at, **kept
        )
        deliveries.conclude(connection, [transition])


def record(queue: Queue, due: Due, number: int, outcome: str, status_code: int | None = None) -> None:
    """Put an attempt on record."""
    attempt = Attempt(
        account_id=due.account_id,
        delivery_id=due.id,
        number=number,
        started_at=NOW,
        duration_ms=5,
        outcome=outcome,
        status_code=status_code,
        response=ANSWER,
        detail=ANSWER,
        hint=outcome,
    )
    with queue.database.transaction() as connection:
        attempts.record(connection, [attempt])


@pytest.fixture
def one(queue: Queue) -> Due:
    """A delivery that is due."""
    queue.customer()
    queue.accept(event(), now=LONG_AGO)
    (due,) = find(queue)
    return due


def test_what_is_due_comes_with_its_webhook(queue: Queue, one: Due) -> None:
    """All that an attempt needs: event, count, and the webhook as it is now."""
    webhook = queue.webhook()
    assert (one.account_id, one.destination, one.attempts, one.recorded, one.has_account) == (*LANE, 0, 0, True)
    assert json.loads(one.event)["id"] == "evt_1"
    assert one.webhook
    assert (one.webhook.id, one.webhook.callback_url, one.webhook.revision) == (
        one.webhook_id,
        webhook.callback_url,
        webhook.revision,
    )
    assert [queue.cipher.decrypt(each)[:6] for each in one.webhook.signing_secrets] == [b"whsec_"]


def test_the_oldest_come_first_and_no_more_than_wanted(queue: Queue) -> None:
    """Each lane's first deliveries by the time that they are due at, and none before it."""
    queue.customer()
    for number, second in [(1, 3), (2, 1), (3, 2), (4, 90)]:
        queue.accept(event(number), now=clock.moment(NOW - 10_000 + 1_000 * second))
    ids = [queue.delivery(number).id for number in (2, 3, 1)]
    assert [due.id for due in find(queue)] == ids
    assert [due.id for due in find(queue, limit=2)] == ids[:2]
    assert [due.id for due in find(queue, limit=2, in_flight=(ids[0],))] == ids[1:]


def test_every_lane_gets_what_it_may(queue: Queue) -> None:
    """Several lanes in one question, each with a number of its own."""
    queue.customer("a")
    queue.customer("b")
    queue.accept(*(event(number, name) for number in range(5) for name in ("a", "b")), now=LONG_AGO)
    queue.accept(event(9, "a", callback_url=OWN), now=LONG_AGO)
    most = {Key("a", ""): 1, Key("b", ""): 3, Key("a", ORIGIN): 3}
    with queue.database.transaction() as connection:
        found = due_deliveries.due(connection, [Wanted(key, count, []) for key, count in most.items()], NOW)
    assert Counter((due.account_id, due.destination) for due in found) == {**most, Key("a", ORIGIN): 1}


def test_an_attempt_is_counted_once(queue: Queue, one: Due) -> None:
    """Of two dispatchers that found the same delivery, one may send it."""
    assert begin(queue, begun(one)) == {one.id}
    assert begin(queue, begun(one)) == set()
    row = queue.delivery()
    assert (row.attempts, row.recorded, row.begun_at, row.due_at) == (1, 0, NOW, clock.milliseconds(LONG_AGO))
    assert (row.callback_url, row.payload_format) == (NEW_URL, "standard")


def test_what_has_ended_is_not_begun(queue: Queue, one: Due) -> None:
    """A delivery that is not pending any more gets no attempt."""
    conclude(queue, one, 0, State.CANCELLED)
    assert begin(queue, begun(one)) == set()
    assert queue.delivery().attempts == 0


def test_an_attempt_that_is_not_made_leaves_nothing(queue: Queue, one: Due) -> None:
    """It does not count, and settles neither URL nor format: a PUT that came between has its say in both."""
    before = queue.delivery()
    begin(queue, begun(one, "https://old.example.com/", "insider"))
    with queue.database.transaction() as connection:
        attempts.take_back(connection, [begun(one, "https://old.example.com/", "insider")])
    row = queue.delivery()
    assert (row.attempts, row.recorded, row.callback_url, row.payload_format) == (0, 0, None, None)
    assert (row.state, row.due_at) == (before.state, before.due_at)


def test_a_later_attempt_that_is_not_made_keeps_the_format(queue: Queue, one: Due) -> None:
    """What the first attempt has settled stays."""
    begin(queue, begun(one, payload_format="insider"))
    conclude(queue, one, 1, State.PENDING, NOW)
    (due,) = find(queue)
    begin(queue, begun(due, payload_format="insider"))
    with queue.database.transaction() as connection:
        attempts.take_back(connection, [begun(due, payload_format="insider")])
    row = queue.delivery()
    assert (row.attempts, row.recorded, row.payload_format) == (1, 1, "insider")


def test_a_messages_own_url_is_never_taken_back(queue: Queue) -> None:
    """It belongs to the event, and not to the attempt."""
    queue.customer("acme", None)
    queue.accept(event(callback_url=OWN), now=LONG_AGO)
    (due,) = find(queue, Key("acme", ORIGIN))
    begin(queue, begun(due, OWN))
    with queue.database.transaction() as connection:
        attempts.take_back(connection, [begun(due, OWN)])
    assert queue.delivery().callback_url == OWN


def test_only_ones_own_attempt_is_taken_back(queue: Queue, one: Due) -> None:
    """An attempt that was never committed, and that another dispatcher has made meanwhile, stays the other's."""
    never_committed = begun(one)
    begin(queue, begun(one, now=NOW + 40_000))
    with queue.database.transaction() as connection:
        attempts.take_back(connection, [never_committed])
    assert queue.delivery().attempts == 1


def test_a_result_ends_the_delivery(queue: Queue, one: Due) -> None:
    """Delivered: not due any more, and everything on record."""
    begin(queue, begun(one))
    record(queue, one, 1, "delivered", 200)
    conclude(queue, one, 1)
    row = queue.delivery()
    assert (row.state, row.due_at, row.attempts, row.recorded) == ("DELIVERED", None, 1, 1)
    assert find(queue) == []


def test_a_result_that_comes_late_changes_nothing(queue: Queue, one: Due) -> None:
    """What another dispatcher has done meanwhile stays; the attempt is on record all the same."""
    begin(queue, begun(one))
    (taken_over,) = find(queue)
    record(queue, taken_over, 1, "unknown")
    begin(queue, begun(taken_over))
    before = queue.delivery()
    record(queue, one, 1, "http_status", 500)
    conclude(queue, one, 1, State.FAILED)
    assert queue.delivery() == before
    assert queue.outcomes() == ["http_status"]
    conclude(queue, taken_over, 2)
    conclude(queue, one, 1, State.FAILED)
    assert queue.delivery().state == "DELIVERED"


def test_a_final_state_stays(queue: Queue, one: Due) -> None:
    """A delivery that has ended does not begin again, or end otherwise."""
    conclude(queue, one, 0, State.CANCELLED)
    conclude(queue, one, 0, State.PENDING, NOW)
    conclude(queue, one, 0, State.DELIVERED)
    assert (queue.delivery().state, queue.delivery().due_at) == ("CANCELLED", None)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("unknown", "delivered", "delivered"),
        ("delivered", "unknown", "delivered"),
        ("http_status", "delivered", "http_status"),
        ("unknown", "unknown", "unknown"),
    ],
)
def test_what_is_known_stays_known(queue: Queue, one: Due, first: str, second: str, expected: str) -> None:
    """What came of an attempt replaces `unknown`, and nothing replaces what came of it."""
    record(queue, one, 1, first)
    record(queue, one, 1, second)
    assert queue.outcomes() == [expected]


def test_texts_come_back_as_they_were(queue: Queue, one: Due) -> None:
    """Quotes, line ends, backslashes, other alphabets: what a receiver said is kept as it was."""
    record(queue, one, 1, "http_status", 500)
    (attempt,) = queue.attempts()
    assert (attempt.response, attempt.detail, attempt.hint) == ("a\n\"'\\ ☃", "a\n\"'\\ ☃", "http_status")
    assert (attempt.status_code, attempt.duration_ms, attempt.started_at) == (500, 5, NOW)


@ON_POSTGRESQL
@pytest.mark.parametrize("change", ["put", "delete", "account"])
def test_who_changes_a_webhook_waits_for_what_is_started(queue: Queue, one: Due, change: str) -> None:
    """Between the last look at a webhook and the start of its requests nobody can change or delete it."""
    changing = threading.Thread(target=make_change, args=(queue, change))
    with psycopg.connect(dsn(queue.database.url), autocommit=True) as admin:
        with queue.database.transaction() as connection:
            assert attempts.hold_unchanged(connection, [one]) == {one.id}
            changing.start()
            wait_until(lambda: waiting(admin) == 1)
            assert queue.webhook().revision == 1
        changing.join()
    with queue.database.transaction() as connection:
        assert attempts.hold_unchanged(connection, [one]) == set()


def make_change(queue: Queue, change: str) -> None:
    """PUT or DELETE of the webhook, or DELETE of the account."""
    if change == "put":
        queue.put_webhook(callback_url=NEW_URL)
    elif change == "delete":
        queue.delete_webhook()
    else:
        queue.delete_account()


def waiting(admin: psycopg.Connection) -> int:
    """How many connections wait for a lock."""
    row = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
    assert row
    return int(row[0])


@ON_POSTGRESQL
def test_two_dispatchers_start_at_once(queue: Queue, one: Due) -> None:
    """They keep webhooks from being changed, and not from each other."""
    with queue.database.transaction() as first, queue.database.transaction() as second:
        assert attempts.hold_unchanged(first, [one]) == attempts.hold_unchanged(second, [one]) == {one.id}


def test_a_change_before_the_start_is_seen(queue: Queue, one: Due) -> None:
    """What was prepared for the old URL is not sent once PUT has been answered."""
    queue.put_webhook(callback_url=NEW_URL)
    with queue.database.transaction() as connection:
        assert attempts.hold_unchanged(connection, [one]) == set()


def test_a_body_is_kept_for_later_attempts(queue: Queue, one: Due) -> None:
    """The first failure stores it, and what follows does not lose it."""
    begin(queue, begun(one))
    conclude(queue, one, 1, State.PENDING, NOW, body=ANSWER)
    (due,) = find(queue)
    assert due.body == ANSWER
    begin(queue, begun(due))
    conclude(queue, due, 2, State.PENDING, NOW)
    assert find(queue)[0].body == ANSWER


def test_a_delivery_of_a_deleted_account_is_not_started_for_the_next(queue: Queue) -> None:
    """A per-message delivery belongs to the account that it was accepted for, and not to a later one of the same id."""
    queue.customer("acme", None)
    queue.accept(event(callback_url=OWN), now=LONG_AGO)
    (due,) = find(queue, Key("acme", ORIGIN))
    with queue.database.transaction() as transaction:
        assert attempts.hold_unchanged(transaction, [due]) == {due.id}
    with queue.database.transaction() as transaction:
        accounts.remove(transaction, "acme", LONG_AGO)
        accounts.create(transaction, "acme", datetime.now(UTC))
    with queue.database.transaction() as transaction:
        assert attempts.hold_unchanged(transaction, [due]) == set()
