"""What all accounts have waiting: what is overdue, and what only looks as if it were."""

from datetime import timedelta

from sqlalchemy import update

from tests.engine import LANE, LONG_AGO, URL, Queue, event
from webhook_admin.models import deliveries
from webhook_admin.queue import backlog, clock
from webhook_admin.queue.backlog import Backlog, LaneState
from webhook_admin.queue.lanes import Standing

THEN = LONG_AGO
NOW = clock.milliseconds(THEN + timedelta(seconds=90))
SECONDS_90 = 90_000


def look(queue: Queue, **options: int) -> Backlog:
    """What waits 90 seconds after the events came."""
    with queue.database.reading() as connection:
        return backlog.look(connection, NOW, **options)


def test_nobody_sends(queue: Queue) -> None:
    """Without a dispatcher, what is due is overdue since it was accepted."""
    queue.customer()
    queue.accept(event(1), event(2), now=THEN)
    seen = look(queue)
    assert seen.overdue == dict.fromkeys(Standing, 0) | {Standing.UNTRIED: SECONDS_90}
    assert (seen.pending, seen.lanes[LaneState.WAITING], sum(seen.lanes.values())) == (2, 1, 1)


def test_a_paused_lane_is_not_overdue(queue: Queue) -> None:
    """The receiver fails, and its lane is due at the end of the pause."""
    queue.customer()
    queue.accept(event(), now=THEN)
    queue.lease()
    queue.release(LANE, paused_until=NOW + 1, failures=5, standing=Standing.FAILING, now=NOW - SECONDS_90)
    assert set(look(queue).overdue.values()) == {0}
    assert look(queue).lanes[LaneState.SCHEDULED] == 1


def test_a_leased_lane_is_overdue_by_what_nobody_sends(queue: Queue) -> None:
    """What is in flight is not overdue; what waits behind it is, although a dispatcher works on the lane."""
    queue.customer()
    queue.accept(event(1), now=THEN)
    queue.lease(now=NOW)
    in_flight = update(deliveries).where(deliveries.c.event_id == "evt_1").values(attempts=1)
    with queue.database.transaction() as connection:
        connection.execute(in_flight)
    assert set(look(queue).overdue.values()) == {0}
    queue.accept(event(2), now=THEN + timedelta(seconds=60))
    assert look(queue).overdue[Standing.UNTRIED] == 30_000
    assert look(queue).lanes[LaneState.LEASED] == 1


def test_a_dead_dispatchers_lane_is_overdue_from_the_end_of_its_lease(queue: Queue) -> None:
    """Others could have taken it since."""
    queue.customer()
    queue.accept(event(1), now=THEN)
    queue.lease(now=NOW - SECONDS_90, seconds=30)
    assert look(queue).overdue[Standing.UNTRIED] == SECONDS_90 - 30_000


def test_counts_end(queue: Queue) -> None:
    """Nothing is counted beyond the limit."""
    queue.customer()
    queue.accept(*(event(number, callback_url=f"{URL}/{number}") for number in range(5)), now=THEN)
    assert (look(queue, most=3).pending, look(queue, most=1).lanes[LaneState.WAITING]) == (3, 1)
