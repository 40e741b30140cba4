"""Siblings: the deliveries of one message on one channel to one webhook."""

from tests.engine import LANE, LONG_AGO, Queue, event
from webhook_admin.queue import clock, deliveries, due_deliveries, siblings
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due, Position, Wanted
from webhook_admin.queue.siblings import BLOCKED, MAX_SIBLINGS

NOW = clock.milliseconds(LONG_AGO) + 60_000
OWN = "https://orders.example.com/order-1"


def due(queue: Queue) -> list[Due]:
    """All that is due in the lane of acme's webhook, in the order of acceptance."""
    with queue.database.transaction() as transaction:
        return sorted(due_deliveries.due(transaction, [Wanted(LANE, 1_000, ())], NOW), key=lambda each: each.id)


def found(queue: Queue, one: Due) -> list[str]:
    """The ids of its siblings, in the order of acceptance."""
    with queue.database.transaction() as transaction:
        return sorted(each.id for each in siblings.find(transaction, [one])[one.id])


def block(queue: Queue, *blocked: Due, detail: str = BLOCKED) -> None:
    """Put deliveries off."""
    put_off = [
        Transition(
            account_id=each.account_id, id=each.id, attempts=0, state=State.PENDING, state_detail=detail, due_at=NOW * 2
        )
        for each in blocked
    ]
    with queue.database.transaction() as transaction:
        deliveries.conclude(transaction, put_off)


def unblock(queue: Queue, one: Due) -> None:
    """Say that a delivery of this one's message has ended."""
    with queue.database.transaction() as transaction:
        siblings.unblock(transaction, {siblings.key(one)}, NOW)


def test_a_message_on_a_channel_to_a_webhook(queue: Queue) -> None:
    """Another message, channel, account or callback URL makes no sibling."""
    queue.customer()
    queue.customer("globex")
    same = {"message_id": "m"}
    queue.accept(event(1, **same), now=LONG_AGO)
    queue.accept(event(2, **same, status="READ"), now=LONG_AGO)
    others = [
        event(3),
        event(4, **same, channel="RCS"),
        event(5, **same, callback_url=OWN),
        event(1, "globex", **same),
    ]
    queue.accept(*others, now=LONG_AGO)
    first, second, *_ = due(queue)
    assert found(queue, first) == [second.id]
    assert found(queue, second) == [first.id]


def test_of_another_webhook_are_none(queue: Queue) -> None:
    """What was accepted for a webhook that is gone says nothing about the receiver of today's."""
    queue.customer()
    queue.accept(event(1, message_id="m"), now=LONG_AGO)
    queue.delete_webhook()
    with queue.database.connect() as connection:
        queue.register(connection, "acme", "https://new.example.com/")
    queue.accept(event(2, message_id="m"), now=LONG_AGO)
    assert found(queue, due(queue)[1]) == []


def test_the_latest_are_looked_at(queue: Queue) -> None:
    """A message with any number of statuses costs no more than `MAX_SIBLINGS`."""
    queue.customer()
    queue.accept(*(event(number, message_id="m") for number in range(MAX_SIBLINGS + 2)), now=LONG_AGO)
    first, *others = due(queue)
    assert found(queue, first) == [each.id for each in others[-MAX_SIBLINGS:]]


def test_their_states_are_told(queue: Queue) -> None:
    """One that has ended, one that waits, and one that is in flight."""
    queue.customer()
    for number in range(4):
        queue.accept(event(number, message_id="m"), now=LONG_AGO)
    one, ended, _, in_flight = due(queue)
    queue.finish(queue.deliveries(id=ended.id))
    with queue.database.transaction() as transaction:
        transaction.exec_driver_sql(f"UPDATE deliveries SET attempts = 1 WHERE id = '{in_flight.id}'")
        states = {(each.due_at, each.is_in_flight) for each in siblings.find(transaction, [one])[one.id]}
    assert states == {(one.due_at, True), (one.due_at, False), (None, False)}


def test_the_first_that_waits_is_unblocked(queue: Queue) -> None:
    """When a delivery ends, the next one of its message is due, and the one after that still waits."""
    queue.customer()
    for number in range(3):
        queue.accept(event(number, message_id="m"), now=LONG_AGO)
    ended, second, third = due(queue)
    block(queue, second, third)
    queue.finish(queue.deliveries(id=ended.id))
    unblock(queue, ended)
    assert [each.id for each in due(queue)] == [second.id]
    assert due(queue)[0].state_detail is None


def test_a_retry_is_not_brought_forward(queue: Queue) -> None:
    """What waits for its own next attempt goes on waiting."""
    queue.customer()
    for number in range(2):
        queue.accept(event(number, message_id="m"), now=LONG_AGO)
    ended, retried = due(queue)
    block(queue, retried, detail="It has failed.")
    queue.finish(queue.deliveries(id=ended.id))
    unblock(queue, ended)
    assert due(queue) == []


def test_pending_ones_are_read_in_pieces(queue: Queue) -> None:
    """Each piece goes on where the one before ended, whenever they are due; those in flight are left out."""
    queue.customer()
    queue.accept(*map(event, range(5)), now=LONG_AGO)
    everything = due(queue)
    block(queue, everything[0])
    with queue.database.transaction() as transaction:
        transaction.exec_driver_sql(f"UPDATE deliveries SET attempts = 1 WHERE id = '{everything[1].id}'")
        first = due_deliveries.pending(transaction, LANE, Position(-1, ""), 2, NOW)
        rest = due_deliveries.pending(transaction, LANE, Position(first[-1].due_at, first[-1].id), 9, NOW)
    assert [each.id for each in [*first, *rest]] == [each.id for each in [*everything[2:], everything[0]]]
