"""Accepting events: all or none, each once, and never a delivery that no dispatcher finds."""

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.engine import LANE, LONG_AGO, URL, Queue, errors, event, together
from webhook_admin import accounts
from webhook_admin.errors import AccountNotFound, EventConflict, InvalidInput
from webhook_admin.events import Event
from webhook_admin.queue import clock
from webhook_admin.queue.accept import Accepted
from webhook_admin.queue.lanes import Key

NAMES = ["a", "b", "c"]
OWN = "https://orders.example.com:8443/order-1?a=b"
ORIGIN = "https://orders.example.com:8443"


def test_an_event_becomes_a_delivery_that_waits(queue: Queue) -> None:
    """Due at once, in its lane, with the event as it was given."""
    queue.customer()
    given = event(tags={"ü": "☃"}, details={"price": 0.1}, error={"code": 27, "message": "x"})
    assert queue.accept(given, now=LONG_AGO) == Accepted(1, 0, 0)
    delivery, (lane,) = queue.delivery(), queue.lanes()
    now = clock.milliseconds(LONG_AGO)
    assert (delivery.state, delivery.due_at, delivery.created_at) == ("PENDING", now, now)
    assert (delivery.attempts, delivery.recorded, delivery.callback_url) == (0, 0, None)
    assert delivery.webhook_id == queue.webhook().id
    assert Event.from_json(delivery.event) == given
    assert (lane.account_id, lane.destination, lane.due_at, lane.holder) == (*LANE, now, None)


def test_the_same_batch_again_is_duplicates(queue: Queue) -> None:
    """A call that was not answered can be repeated as it is."""
    queue.customer()
    batch = [event(number) for number in range(5)]
    assert queue.accept(*batch) == Accepted(5, 0, 0)
    before = queue.deliveries()
    assert queue.accept(*batch, event(9)) == Accepted(1, 5, 0)
    assert [row for row in queue.deliveries() if row.event_id != "evt_9"] == before


def test_an_event_twice_in_a_batch_is_one(queue: Queue) -> None:
    """The second is the first's duplicate."""
    queue.customer()
    assert queue.accept(event(), event(2), event()) == Accepted(2, 1, 0)


def test_a_duplicate_of_what_has_been_delivered_sends_nothing(queue: Queue) -> None:
    """What is on record stays as it is, in whatever state, and its lane does not come back."""
    queue.customer()
    queue.accept(event())
    queue.finish(queue.deliveries())
    queue.lease()
    queue.release(LANE)
    assert queue.accept(event()) == Accepted(0, 1, 0)
    assert queue.delivery().state == "DELIVERED"
    assert queue.due_lanes() == []


def test_a_duplicate_is_one_without_a_webhook_too(queue: Queue) -> None:
    """What is on record is on record, even if the event would have nowhere to go today."""
    queue.customer()
    queue.accept(event())
    queue.delete_webhook()
    assert queue.accept(event()) == Accepted(0, 1, 0)
    with pytest.raises(EventConflict):
        queue.accept(event(status="DELIVERED"))


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_other_content_under_an_id_stores_nothing(queue: Queue, order: list[int]) -> None:
    """It is a conflict that names the event, against the record as within the batch, and all or nothing."""
    queue.customer()
    queue.accept(event(1))
    before = queue.deliveries()
    for other in (
        [event(1, status="DELIVERED"), event(2), event(3)],
        [event(2), event(2, to="+353861234567"), event(3)],
    ):
        with pytest.raises(EventConflict) as conflict:
            queue.accept(*(other[place] for place in order))
        assert str(other[0].id) in str(conflict.value)
        assert queue.deliveries() == before


def test_an_id_belongs_to_its_account(queue: Queue) -> None:
    """Two accounts may use the same event id for different events."""
    queue.customer("acme")
    queue.customer("globex")
    assert queue.accept(event(), event(account_id="globex", status="DELIVERED")) == Accepted(2, 0, 0)


def test_unknown_accounts_are_named_by_index(queue: Queue) -> None:
    """Every one of them; and nothing is stored."""
    queue.customer()
    with pytest.raises(InvalidInput) as refused:
        queue.accept(event(1, "no"), event(2), event(3, "nobody"))
    assert [error.field for error in refused.value.errors] == ["events.0.accountId", "events.2.accountId"]
    assert queue.deliveries() == queue.lanes() == []


def test_what_has_nowhere_to_go_is_counted(queue: Queue) -> None:
    """Without a webhook and a URL of its own, an event is not stored, and is no error."""
    queue.customer("acme")
    queue.customer("globex", None)
    assert queue.accept(event(), event(account_id="globex")) == Accepted(1, 0, 1)
    assert [row.account_id for row in queue.deliveries()] == ["acme"]


def test_events_for_a_disabled_webhook_are_taken(queue: Queue, dispatch: Callable[..., object]) -> None:
    """They end CANCELLED, and say why."""
    queue.customer()
    with queue.database.connect() as connection:
        connection.exec_driver_sql("UPDATE webhooks SET status = 'DISABLED'")
    assert queue.accept(event()) == Accepted(1, 0, 0)
    dispatch()
    queue.wait_for(CANCELLED=1)
    assert "disabled" in queue.delivery().state_detail


@pytest.mark.parametrize("webhook", [URL, None])
def test_a_url_of_its_own_makes_a_lane_by_origin(queue: Queue, webhook: str | None) -> None:
    """One lane for all URLs of one origin, beside the webhook's, and without a webhook too."""
    queue.customer(callback_url=webhook)
    second = OWN.replace("order-1", "order-2")
    assert queue.accept(event(1, callback_url=OWN), event(2, callback_url=second)) == Accepted(2, 0, 0)
    assert queue.due_lanes() == [Key("acme", ORIGIN)]
    assert [(row.callback_url, row.webhook_id) for row in queue.deliveries()] == [(OWN, None), (second, None)]


def test_a_lane_that_waits_for_a_retry_is_due_at_once(queue: Queue) -> None:
    """A new event does not wait for the retry of an older one."""
    queue.customer()
    queue.accept(event(1), now=LONG_AGO)
    queue.lease()
    later = clock.milliseconds(LONG_AGO) + 3_600_000
    with queue.database.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE deliveries SET due_at = {later}")
    queue.release(LANE)
    assert queue.lanes()[0].due_at == later
    queue.accept(event(2), now=LONG_AGO)
    assert queue.lanes()[0].due_at == clock.milliseconds(LONG_AGO)


def test_a_lane_that_is_put_off_stays_so(queue: Queue) -> None:
    """The breaker's pause holds for new events, too."""
    queue.customer()
    queue.accept(event(1), now=LONG_AGO)
    queue.lease()
    pause_ends = clock.milliseconds(LONG_AGO) + 10_000
    queue.release(LANE, failures=5, paused_until=pause_ends)
    queue.accept(event(2), now=LONG_AGO)
    assert queue.lanes()[0].due_at == pause_ends


def test_a_leased_lane_keeps_its_lease(queue: Queue) -> None:
    """New events for a lane that is worked on do not let a second dispatcher in."""
    queue.customer()
    queue.accept(event(1))
    queue.lease()
    before = queue.lanes()
    queue.accept(event(2))
    assert queue.lanes() == before
    assert queue.lease("two") == []


def test_the_same_batch_at_once_is_accepted_once(queue: Queue) -> None:
    """Of any number of callers with the same events in any order, each event is new for one of them."""
    for name in NAMES:
        queue.customer(name)
    batch = [event(number, name) for number in range(20) for name in NAMES]

    def post(place: int) -> Accepted:
        return queue.accept(*random.Random(place).sample(batch, len(batch)))

    results = together(6, post)
    assert errors(results) == []
    assert sum(result.accepted for result in results) == len(batch) == len(queue.deliveries())
    assert sum(result.duplicates for result in results) == 5 * len(batch)


def test_conflicts_at_once_store_one_content(queue: Queue) -> None:
    """Of callers with different content under one id, one is answered, and the others are told of the conflict."""
    queue.customer()
    results = together(
        6, lambda place: queue.accept(event(status="SENT", to=f"+35386123456{place}"), event(10 + place))
    )
    assert [type(error) for error in errors(results)] == [EventConflict] * 5
    assert len(queue.deliveries()) == 2


def test_an_account_that_is_deleted_meanwhile_leaves_no_orphan(queue: Queue) -> None:
    """An event is accepted before the account's end, or refused after it; nothing stays pending without a lane."""
    for round_ in range(8):
        account_id = f"a{round_}"
        queue.customer(account_id)

        def work(place: int, account_id: str = account_id) -> Accepted | None:
            if place:
                return queue.accept(event(place, account_id), event(place + 10, account_id, callback_url=OWN))
            with queue.database.transaction() as connection:
                accounts.remove(connection, account_id, LONG_AGO)
            return None

        results = together(4, work)
        assert {type(error) for error in errors(results)} <= {InvalidInput}
    assert queue.due_lanes() == queue.pending_lanes()
    with queue.database.connect() as connection, pytest.raises(AccountNotFound):
        accounts.get(connection, "a0")


def test_no_delivery_is_ever_without_its_lane(queue: Queue) -> None:
    """Whatever the order in which events come in and dispatchers lease, finish and release: all is found and done."""
    for name in NAMES:
        queue.customer(name)
    all_posted = threading.Event()

    def work(place: int) -> None:
        if place < 3:
            work_off(queue, f"holder-{place}", all_posted)
        else:
            post(queue, 25)
            all_posted.set()

    assert errors(together(4, work)) == []
    assert queue.due_lanes() == []
    assert queue.states() == {"DELIVERED": 50}


def work_off(queue: Queue, holder: str, all_posted: threading.Event) -> None:
    """Finish what is found in due lanes, until nothing is due and nothing more will come."""
    while True:
        is_last = all_posted.is_set()
        keys = queue.lease(holder, limit=2)
        for key in keys:
            queue.finish(queue.deliveries(account_id=key.account_id, state="PENDING"))
        queue.release(*keys, holder=holder)
        if is_last and not keys:
            return


def post(queue: Queue, rounds: int) -> None:
    """Accept events for two of the accounts at a time."""
    for number in range(rounds):
        queue.accept(*(event(number, name) for name in random.Random(number).sample(NAMES, 2)))


def test_a_content_is_compared_by_value(queue: Queue) -> None:
    """The order of tags and details makes no other event."""
    queue.customer()
    given = event(tags={"a": "1", "b": "2"}, details={"parts": 1, "country": "IE"})
    queue.accept(given)
    same = replace(given, tags={"b": "2", "a": "1"}, details={"country": "IE", "parts": 1})
    assert queue.accept(same, now=datetime.now(UTC)) == Accepted(0, 1, 0)


def test_an_event_id_belongs_to_the_account_of_today(queue: Queue) -> None:
    """An account that is deleted and created again may use the ids of the old one: same content or other."""
    queue.customer()
    queue.accept(event(1), event(2))
    queue.delete_account()
    with queue.database.transaction() as transaction:
        accounts.create(transaction, "acme", datetime.now(UTC))
        queue.register(transaction, "acme", URL)
    assert queue.accept(event(1), event(2, status="DELIVERED")) == Accepted(2, 0, 0)
    assert queue.accept(event(1)) == Accepted(0, 1, 0)


def test_an_event_that_is_damaged_in_the_store_is_a_conflict(queue: Queue) -> None:
    """It cannot be compared, so its id is taken: no duplicate, and no failure of the call."""
    queue.customer()
    queue.accept(event())
    with queue.database.transaction() as transaction:
        transaction.exec_driver_sql("UPDATE deliveries SET event = 'not json'")
    with pytest.raises(EventConflict):
        queue.accept(event())


def test_deliveries_are_in_the_order_of_acceptance(queue: Queue) -> None:
    """Their ids say in which order the events of a call came, whatever the events' own ids are."""
    queue.customer()
    queue.accept(event(3), event(1), event(2))
    assert [row.event_id for row in queue.deliveries()] == ["evt_3", "evt_1", "evt_2"]
