"""Resends: to today's webhook, in today's format, with the whole schedule ahead, and never beside an attempt."""

import threading
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from tests.engine import ANY, LANE, LONG_AGO, OWN_URL, Queue, errors, event, together
from tests.waiting import wait_until
from webhook_admin.errors import (
    AccountNotFound,
    DeliveryInFlight,
    DeliveryNotFound,
    NothingToSendTo,
    WebhookDisabled,
)
from webhook_admin.models import deliveries as table
from webhook_admin.models import lanes, webhooks
from webhook_admin.queue import attempts, clock, deliveries, due_deliveries, history, resend
from webhook_admin.queue.attempts import Begun
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due, Wanted
from webhook_admin.queue.resend import Matched
from webhook_admin.queue.selection import Filter

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
NOW = clock.milliseconds(LONG_AGO) + 3_600_000
LATER = clock.moment(NOW)
OLD_URL = "https://hooks.example.com/then"


def ended(queue: Queue, number: int = 1, **values: Any) -> str:
    """Let the delivery of an event end as FAILED after nine attempts, or as `values` say; its id."""
    row = queue.delivery(number)
    given = {
        "state": "FAILED",
        "state_detail": "All 9 attempts have failed.",
        "due_at": None,
        "attempts": 9,
        "recorded": 9,
        "body": "{}",
        "payload_format": "routee",
    }
    if row.webhook_id:
        given["callback_url"] = OLD_URL
    with queue.database.transaction() as transaction:
        transaction.execute(table.update().where(table.c.id == row.id).values(**given | values))
    return str(row.id)


def one(queue: Queue, delivery_id: str, account_id: str = "acme", now: datetime = LATER) -> None:
    """Resend a delivery."""
    with queue.database.transaction() as transaction:
        resend.one(transaction, account_id, delivery_id, now)


def choose(queue: Queue, now: datetime = LATER, after: str | None = None, **wanted: Any) -> Matched:
    """Those that fit."""
    with queue.database.connect() as connection:
        return resend.choose(connection, Filter(**{"account_id": "acme"} | wanted), now, after)


def every(queue: Queue, **wanted: Any) -> list[str]:
    """Resend all that fit; the ids of those that are pending then."""
    with queue.database.transaction() as transaction:
        resend.some(transaction, "acme", choose(queue, **wanted).deliveries, LATER)
    return [row.event_id for row in queue.deliveries(state="PENDING", account_id="acme")]


@pytest.fixture
def failed(queue: Queue) -> str:
    """The id of a delivery that has failed, in a lane that is idle."""
    queue.customer()
    queue.accept(event(), now=LONG_AGO)
    queue.lease(now=NOW)
    id_ = ended(queue)
    queue.release(LANE)
    assert queue.due_lanes() == []
    return id_


def test_it_is_as_new_but_for_its_attempts(queue: Queue, failed: str) -> None:
    """Pending and due, without the URL, the format and the body of then; its lane is due, and attempts count on."""
    queue.put_webhook(callback_url="https://new.example.com/", payload_format="insider")
    one(queue, failed)
    row = queue.delivery()
    assert (row.state, row.state_detail, row.due_at) == ("PENDING", None, NOW)
    assert (row.callback_url, row.payload_format, row.body) == (None, None, None)
    assert (row.attempts, row.recorded, row.attempts_before, row.resent_at) == (9, 9, 9, NOW)
    assert [(lane.due_at, lane.idle_since) for lane in queue.lanes()] == [(NOW, None)]
    with queue.database.connect() as connection:
        shown = history.get(connection, failed)
    assert (shown.callback_url, shown.payload_format) == ("https://new.example.com/", "insider")


@pytest.mark.parametrize("state", ["DELIVERED", "CANCELLED", "SKIPPED"])
def test_any_state_can_be_resent(queue: Queue, failed: str, state: str) -> None:
    """Also what was delivered, or could not be expressed in the format of then."""
    ended(queue, state=state)
    one(queue, failed)
    assert queue.delivery().state == "PENDING"


def test_a_pending_one_becomes_due_at_once(queue: Queue, failed: str) -> None:
    """However long it would have waited."""
    ended(queue, state="PENDING", attempts=3, recorded=3, due_at=NOW + ANY)
    one(queue, failed)
    row = queue.delivery()
    assert (row.due_at, row.attempts, row.attempts_before) == (NOW, 3, 3)
    assert queue.lanes()[0].due_at == NOW


def test_a_pause_of_the_lane_is_kept_and_shown(queue: Queue, failed: str) -> None:
    """The receiver is not called during it; `nextAttemptAt` is its end."""
    queue.accept(event(2), now=LONG_AGO)
    queue.lease(now=NOW)
    queue.release(LANE, failures=5, paused_until=NOW + 10_000)
    one(queue, failed)
    assert queue.lanes()[0].due_at == NOW + 10_000
    with queue.database.connect() as connection:
        assert history.get(connection, failed).next_attempt_at == clock.moment(NOW + 10_000)


def test_a_lane_that_was_forgotten_is_made_again(queue: Queue, failed: str) -> None:
    """Its row is deleted after a week without deliveries."""
    with queue.database.connect() as connection:
        connection.exec_driver_sql("DELETE FROM lanes")
    one(queue, failed)
    assert queue.due_lanes() == [LANE]


def test_it_belongs_to_the_webhook_of_today(queue: Queue, failed: str) -> None:
    """If that of then was deleted, and another one was registered."""
    queue.delete_webhook()
    with queue.database.transaction() as transaction:
        new = queue.register(transaction, "acme", "https://new.example.com/")
    one(queue, failed)
    assert queue.delivery().webhook_id == new.id


def test_a_messages_own_url_stays(queue: Queue) -> None:
    """Also for an account without a webhook; its format is settled anew."""
    queue.customer("acme", None)
    queue.accept(event(callback_url=OWN_URL))
    one(queue, ended(queue))
    row = queue.delivery()
    assert (row.state, row.callback_url, row.payload_format, row.webhook_id) == ("PENDING", OWN_URL, None, None)


def test_without_a_webhook_there_is_nothing_to_send_to(queue: Queue, failed: str) -> None:
    """It is refused, and nothing is changed."""
    queue.delete_webhook()
    with pytest.raises(NothingToSendTo):
        one(queue, failed)
    with pytest.raises(NothingToSendTo):
        choose(queue)
    assert queue.delivery().state == "FAILED"


def test_a_disabled_webhook_is_sent_nothing(queue: Queue, failed: str) -> None:
    """It is refused with another reason, also if none fits; only URLs of messages' own are resent in bulk."""
    with queue.database.transaction() as transaction:
        transaction.execute(webhooks.update().values(status="DISABLED"))
    with pytest.raises(WebhookDisabled):
        one(queue, failed)
    with pytest.raises(WebhookDisabled):
        choose(queue)
    queue.accept(event(2, callback_url=OWN_URL))
    ended(queue, 2)
    assert every(queue) == ["evt_2"]


@pytest.mark.parametrize("account_id", ["globex", "nobody"])
def test_it_is_the_accounts_own(queue: Queue, failed: str, account_id: str) -> None:
    """Another account does not find it."""
    queue.customer("globex")
    with pytest.raises((DeliveryNotFound, AccountNotFound)):
        one(queue, failed, account_id)
    assert queue.delivery().state == "FAILED"


def test_a_deleted_account_has_left_nothing_to_its_successor(queue: Queue, failed: str) -> None:
    """An account that is created again with the same id neither resends nor counts what came in before."""
    queue.delete_account()
    with queue.database.transaction() as transaction:
        transaction.execute(table.update().values(account_created_at=clock.moment(NOW - 1)))
    queue.customer()
    with pytest.raises(DeliveryNotFound):
        one(queue, failed)
    assert choose(queue).deliveries == []


def test_an_attempt_in_flight_is_left_alone(queue: Queue, failed: str) -> None:
    """One is refused, several are left out, and the attempt's outcome is recorded as if nothing had been asked."""
    due = resent_and_read(queue, failed)
    begin(queue, due)
    with pytest.raises(DeliveryInFlight):
        one(queue, failed)
    assert choose(queue, states=["PENDING"]).deliveries == []
    assert every(queue, states=["PENDING"]) == ["evt_1"]
    assert conclude(queue, due, due.attempts + 1) == "DELIVERED"


def resent_and_read(queue: Queue, delivery_id: str) -> Due:
    """Resend the delivery, and read it as a dispatcher does."""
    one(queue, delivery_id)
    with queue.database.transaction() as transaction:
        (due,) = due_deliveries.due(transaction, [Wanted(LANE, 1, [])], NOW)
    return due


def begin(queue: Queue, due: Due) -> set[str]:
    """Count the next attempt of what a dispatcher has read."""
    begun = Begun(
        account_id=due.account_id,
        id=due.id,
        attempts=due.attempts + 1,
        begun_at=NOW,
        callback_url=OLD_URL,
        payload_format="routee",
        resent_at=due.resent_at,
    )
    with queue.database.transaction() as transaction:
        return attempts.begin(transaction, [begun])


def conclude(queue: Queue, due: Due, count: int) -> str:
    """Let the delivery of what a dispatcher has read be delivered by its attempt `count`; the state it is in then."""
    ended = Transition(
        account_id=due.account_id, id=due.id, attempts=count, state=State.DELIVERED, resent_at=due.resent_at
    )
    with queue.database.transaction() as transaction:
        deliveries.conclude(transaction, [ended])
    return str(queue.delivery().state)


def test_what_a_dispatcher_read_before_is_not_sent(queue: Queue, failed: str) -> None:
    """It has the format and the body of then: the attempt is not begun, and the delivery is read again."""
    due = resent_and_read(queue, failed)
    one(queue, failed, now=clock.moment(NOW + 1))
    assert begin(queue, due) == set()
    assert conclude(queue, due, due.attempts) == "PENDING"


def test_a_late_outcome_of_an_attempt_before_changes_nothing(queue: Queue, failed: str) -> None:
    """The dispatcher that made the ninth attempt was taken for dead, and comes back after the resend."""
    due = resent_and_read(queue, failed)
    stale = Due(**{name: getattr(due, name) for name in due.__struct_fields__} | {"resent_at": None})
    assert conclude(queue, stale, 9) == "PENDING"


def test_what_was_begun_and_not_sent_is_open_again(queue: Queue, failed: str) -> None:
    """A resent delivery has settled no format yet, however many attempts there were before."""
    due = resent_and_read(queue, failed)
    begin(queue, due)
    begun = Begun(
        account_id="acme",
        id=failed,
        attempts=10,
        begun_at=NOW,
        callback_url=OLD_URL,
        payload_format="routee",
        resent_at=due.resent_at,
    )
    with queue.database.transaction() as transaction:
        attempts.take_back(transaction, [begun])
    row = queue.delivery()
    assert (row.attempts, row.recorded, row.payload_format, row.callback_url) == (9, 9, None, None)


def test_failed_and_cancelled_ones_are_resent_by_default(queue: Queue) -> None:
    """And with a filter those that fit it, whatever their state."""
    queue.customer()
    queue.accept(*(event(number, status="READ" if number == 1 else "SENT") for number in range(5)), now=LONG_AGO)
    for number, state in enumerate(("FAILED", "FAILED", "CANCELLED", "SKIPPED", "DELIVERED")):
        ended(queue, number, state=state)
    assert every(queue, status="READ") == ["evt_1"]
    assert every(queue) == ["evt_0", "evt_1", "evt_2"]
    assert every(queue, states=["SKIPPED"], message_id="msg_3") == ["evt_0", "evt_1", "evt_2", "evt_3"]


def test_pending_ones_are_resent_once(queue: Queue) -> None:
    """What is due with the whole schedule ahead is left out, so that repeated calls come to an end."""
    queue.customer()
    queue.accept(event(1), event(2), event(3), now=LATER)
    ended(queue, 1, state="PENDING", attempts=2, recorded=2, due_at=NOW)
    ended(queue, 2, state="PENDING", attempts=0, recorded=0, due_at=NOW + 1)
    wanted = [queue.delivery(number).id for number in (1, 2)]
    assert sorted(each.id for each in choose(queue, states=["PENDING"]).deliveries) == sorted(wanted)
    every(queue, states=["PENDING"])
    assert choose(queue, states=["PENDING"]).deliveries == []


def test_the_oldest_go_first_and_there_may_be_more(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a call may resend; the next call finds the others, and goes on where it is told to."""
    monkeypatch.setattr(resend, "MAX_RESENT", 3)
    monkeypatch.setattr(resend, "_BATCH", 2)
    queue.customer()
    queue.accept(*(event(number) for number in range(5)), now=LONG_AGO)
    ids = sorted(ended(queue, number) for number in range(5))
    first = choose(queue)
    assert ([each.id for each in first.deliveries], first.more) == (ids[:3], True)
    assert [len(batch) for batch in first.batches()] == [2, 1]
    assert [each.id for each in choose(queue, after=ids[2]).deliveries] == ids[3:]
    every(queue)
    second = choose(queue)
    assert ([each.id for each in second.deliveries], second.more) == (ids[3:], False)


def test_several_at_once_resend_each_delivery_once(queue: Queue) -> None:
    """Concurrent calls that have chosen the same deliveries share them; nothing waits for ever."""
    queue.customer()
    queue.accept(*(event(number, callback_url=OWN_URL if number % 2 else None) for number in range(40)), now=LONG_AGO)
    for number in range(40):
        ended(queue, number)
    matched = choose(queue)

    def resend_all(_place: int) -> int:
        with queue.database.transaction() as transaction:
            return resend.some(transaction, "acme", matched.deliveries, LATER)

    counts = together(6, resend_all)
    assert errors(counts) == []
    assert sum(counts) == 40
    assert queue.states() == {"PENDING": 40}


@ON_POSTGRESQL
def test_a_resend_waits_for_no_delivery(queue: Queue, failed: str) -> None:
    """A dispatcher that has the delivery locked may be waiting for the lane that the resend holds: no deadlock."""
    ended(queue, state="PENDING", due_at=NOW + ANY)
    lock = table.select().where(table.c.id == failed).with_for_update()
    with queue.database.transaction() as dispatcher:
        dispatcher.execute(lock)
        with pytest.raises(DeliveryInFlight):
            one(queue, failed)
        assert every(queue, states=["PENDING"]) == ["evt_1"]
    assert queue.delivery().resent_at is None


@ON_POSTGRESQL
def test_a_resend_that_waits_for_a_lane_holds_no_delivery(queue: Queue, failed: str) -> None:
    """A dispatcher that has the lane locked may go on to the delivery: no deadlock."""
    with queue.database.transaction() as dispatcher:
        dispatcher.execute(lanes.select().with_for_update())
        waiting = threading.Thread(target=one, args=(queue, failed))
        waiting.start()
        with queue.database.connect() as connection:
            blocked = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            wait_until(lambda: connection.scalar(blocked))
        dispatcher.execute(table.select().with_for_update(nowait=True)).all()
    waiting.join(10)
    assert queue.delivery().state == "PENDING"


def test_a_message_and_a_recipient_together(queue: Queue) -> None:
    """Only what fits both is resent."""
    queue.customer()
    queue.accept(
        event(1, to="+353861234567"), event(2, message_id="msg_1", to="+353860000000"), event(3, to="+353861234567")
    )
    ids = [ended(queue, number) for number in (1, 2, 3)]
    found = choose(queue, message_id="msg_1", recipient="+353861234567")
    assert [each.id for each in found.deliveries] == ids[:1]
    assert not choose(queue, message_id="msg_3", recipient="+353860000000").deliveries
