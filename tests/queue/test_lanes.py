"""The lanes: due exactly while something is pending, marked when their webhook changes, and kept for a while."""

import random
from typing import Any

import pytest
from sqlalchemy import Row, text

from tests.engine import LANE, OWN_URL, Queue, errors, event, release, together
from webhook_admin.models import lanes as table
from webhook_admin.queue import clock, lanes, leases
from webhook_admin.queue.lanes import Key, Standing

NOW = 1_780_000_000_000
SECOND = 1_000
ORIGIN = "https://orders.example.com:443"


def put(queue: Queue, *keys: Key, now: int = NOW) -> None:
    """Say that the lanes have new deliveries."""
    with queue.database.transaction() as connection:
        lanes.put(connection, keys, now)


def mark(queue: Queue, now: int = NOW, *, every_destination: bool = False) -> None:
    """Say that acme's webhook has changed."""
    with queue.database.transaction() as connection:
        lanes.mark_changed(connection, "acme", now, every_destination=every_destination)


def accepted(queue: Queue, **fields: str) -> Row[object]:
    """The only lane of acme, with one delivery due `NOW`."""
    queue.customer()
    queue.accept(event(**fields), now=clock.moment(NOW))
    return only(queue)


def only(queue: Queue) -> Row[object]:
    """The only lane."""
    (lane,) = queue.lanes()
    return lane


def learned(lane: Row[object]) -> tuple[object, ...]:
    """What is known about the lane's receiver."""
    return lane.failures, lane.paused_until, lane.standing, lane.window_size, lane.threshold


def make_idle(queue: Queue, now: int = NOW, **known: Any) -> None:
    """Let everything end, and the lanes be given back by a dispatcher that has learned this."""
    keys = queue.lease(now=now)
    queue.finish(queue.deliveries())
    queue.release(*keys, now=now, **known)


def test_a_new_lane_is_due_and_untried(queue: Queue) -> None:
    """Nothing is known about its receiver."""
    lane = accepted(queue)
    assert (lane.due_at, lane.holder, lane.idle_since, lane.changed) == (NOW, None, None, False)
    assert learned(lane) == (0, 0, Standing.UNTRIED, 1, None)


def test_an_idle_lane_becomes_due_with_what_is_known(queue: Queue) -> None:
    """A customer with an event a minute is no stranger each time."""
    accepted(queue)
    make_idle(queue, standing=Standing.SLOW, window=7.5, threshold=4.0)
    assert only(queue).due_at is None
    put(queue, LANE, now=NOW + SECOND)
    assert (only(queue).due_at, only(queue).idle_since) == (NOW + SECOND, None)
    assert learned(only(queue)) == (0, 0, Standing.SLOW, 7.5, 4.0)


def test_an_idle_lane_that_is_paused_becomes_due_with_the_end_of_the_pause(queue: Queue) -> None:
    """New events do not end a pause."""
    accepted(queue)
    make_idle(queue, failures=5, paused_until=NOW + 10 * SECOND)
    put(queue, LANE, now=NOW + SECOND)
    assert only(queue).due_at == NOW + 10 * SECOND


def test_a_lane_that_waits_for_a_retry_becomes_due(queue: Queue) -> None:
    """The new delivery does not wait for the old one's next attempt."""
    accepted(queue)
    queue.lease(now=NOW)
    with queue.database.connect() as connection:
        connection.execute(text(f"UPDATE deliveries SET due_at = {NOW + 60 * SECOND}"))
    queue.release(LANE, now=NOW)
    assert only(queue).due_at == NOW + 60 * SECOND
    put(queue, LANE, now=NOW + SECOND)
    assert only(queue).due_at == NOW + SECOND


def test_a_lane_that_is_due_keeps_its_place(queue: Queue) -> None:
    """More events do not put it behind others."""
    accepted(queue)
    put(queue, LANE, now=NOW + SECOND)
    assert only(queue).due_at == NOW


def test_a_leased_lane_stays_leased(queue: Queue) -> None:
    """Its dispatcher sees what is new when it fetches or gives it back."""
    accepted(queue)
    queue.lease(now=NOW, seconds=30)
    put(queue, LANE, now=NOW + SECOND)
    assert (only(queue).holder, only(queue).due_at) == ("one", NOW + 30 * SECOND)


def test_a_change_makes_a_waiting_lane_due_and_forgets_its_receiver(queue: Queue) -> None:
    """What waits is sent to the new URL now, or cancelled now, whatever is known about the old one."""
    accepted(queue)
    queue.lease(now=NOW)
    queue.release(LANE, now=NOW, failures=5, paused_until=NOW + 60 * SECOND, standing=Standing.FAILING, threshold=2.0)
    mark(queue, NOW + SECOND)
    assert (only(queue).due_at, only(queue).changed) == (NOW + SECOND, True)
    assert learned(only(queue)) == (0, 0, Standing.UNTRIED, 1, None)


def test_a_change_leaves_an_idle_lane_idle(queue: Queue) -> None:
    """Nothing is pending; the new receiver is unknown all the same."""
    accepted(queue)
    make_idle(queue, failures=3, standing=Standing.FAILING)
    mark(queue)
    assert (only(queue).due_at, only(queue).idle_since) == (None, NOW)
    assert learned(only(queue)) == (0, 0, Standing.UNTRIED, 1, None)


def test_a_change_leaves_a_lease_alone(queue: Queue) -> None:
    """The dispatcher sees the mark when it renews the lease."""
    accepted(queue)
    queue.lease(now=NOW, seconds=30)
    mark(queue)
    assert (only(queue).holder, only(queue).due_at) == ("one", NOW + 30 * SECOND)
    with queue.database.transaction() as connection:
        assert [lease.changed for lease in leases.renew(connection, "one", NOW + SECOND)] == [True]


@pytest.mark.parametrize("every_destination", [True, False])
def test_a_change_of_the_webhook_is_none_of_other_destinations(queue: Queue, every_destination: bool) -> None:
    """Only where the account is gone, deliveries to per-message URLs are orphans, too; never another account's."""
    accepted(queue)
    queue.customer("beta")
    queue.accept(event(2, callback_url=OWN_URL), event(3, "beta"), now=clock.moment(NOW))
    mark(queue, every_destination=every_destination)
    marked = {(lane.account_id, lane.destination == lanes.WEBHOOK): lane.changed for lane in queue.lanes()}
    assert marked == {("acme", True): True, ("acme", False): every_destination, ("beta", True): False}


def test_the_next_time_is_known(queue: Queue) -> None:
    """When a lane of any standing will be due that is not yet; leases that end are among them."""
    queue.customer()
    queue.accept(event(), now=clock.moment(NOW))
    queue.accept(event(2, callback_url=OWN_URL), now=clock.moment(NOW + 1))
    with queue.database.transaction() as connection:
        connection.execute(text("UPDATE lanes SET standing = 'failing' WHERE destination = ''"))
        assert lanes.next_due(connection, NOW - 1) == NOW
        assert lanes.next_due(connection, NOW) == NOW + 1
        assert lanes.next_due(connection, NOW + 1) is None
    queue.lease(now=NOW, seconds=1)
    with queue.database.transaction() as connection:
        assert lanes.next_due(connection, NOW + 1) == NOW + SECOND


def test_lanes_that_were_idle_for_long_are_pruned(queue: Queue) -> None:
    """Up to a limit at once, the ones that were idle for longest first; others stay."""
    for number in range(4):
        queue.customer(f"a{number}")
        queue.accept(event(number, f"a{number}"), now=clock.moment(NOW))
        make_idle(queue, NOW + number)
    queue.accept(event(9, "a0"), now=clock.moment(NOW))
    with queue.database.transaction() as connection:
        assert lanes.prune(connection, NOW + 3, limit=1) == 1
        assert lanes.prune(connection, NOW + 3, limit=9) == 1
        assert lanes.prune(connection, NOW + 3, limit=9) == 0
    assert [lane.account_id for lane in queue.lanes()] == ["a0", "a3"]


def test_the_lane_of_a_failing_webhook_stays(queue: Queue) -> None:
    """However long it was idle: `failingSince` is a promise of the API. A success or PUT lets it go."""
    accepted(queue)
    make_idle(queue)
    for failing_since, pruned in ((NOW, 0), (None, 1)):
        with queue.database.transaction() as connection:
            connection.execute(table.update().values(failing_since=failing_since))
            assert lanes.prune(connection, NOW + SECOND, limit=9) == pruned


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_pruning_waits_for_nobody(queue: Queue) -> None:
    """A row that another transaction has locked is left for the next time."""
    accepted(queue)
    make_idle(queue)
    with queue.database.transaction() as accepting:
        lanes.put(accepting, [LANE], NOW)
        with queue.database.transaction() as connection:
            assert lanes.prune(connection, NOW + SECOND, limit=9) == 0
    assert only(queue).due_at == NOW


def test_a_lane_is_due_exactly_while_it_has_pending_deliveries(queue: Queue) -> None:
    """Whatever accepts, changes, prunes, leases and gives lanes back at the same time; and nothing deadlocks."""
    names = [f"a{number:02}" for number in range(20)]
    for name in names:
        queue.customer(name)

    def work(place: int) -> None:
        chance = random.Random(place)
        for round_ in range(12):
            if place < 2:
                chosen = chance.sample(names, 12)
                own = [event(f"o{place}.{round_}", name, callback_url=OWN_URL) for name in chosen[:6]]
                queue.accept(*own, *(event(f"{place}.{round_}", name) for name in chosen))
            elif place < 4:
                with queue.database.transaction() as connection:
                    every = chance.random() < 0.5
                    lanes.mark_changed(connection, chance.choice(names), clock.now(), every_destination=every)
            else:
                turn(queue, f"dispatcher-{place}", chance)
                queue.lease(f"dispatcher-{place}", limit=10)

    assert errors(together(7, work)) == []
    for place in range(4, 7):
        turn(queue, f"dispatcher-{place}", None)
    assert queue.due_lanes() == queue.pending_lanes()
    assert all((lane.due_at is None) == (lane.idle_since is not None) for lane in queue.lanes())


def turn(queue: Queue, holder: str, chance: random.Random | None) -> None:
    """What a dispatcher does with the lanes that it leases, or half of them: deliveries end, lanes are given back."""
    now = clock.now()
    with queue.database.transaction() as connection:
        held = [lease.key for lease in leases.renew(connection, holder, now + 30 * SECOND)]
        returned = chance.sample(held, len(held) // 2) if chance else held
        for key in sorted(returned)[::2]:
            ended = (
                "UPDATE deliveries SET state = 'DELIVERED', due_at = NULL WHERE account_id = :a AND destination = :d"
            )
            connection.execute(text(ended), {"a": key.account_id, "d": key.destination})
        pause = chance.choice([0, now + 50]) if chance else 0
        leases.release(connection, holder, [release(key, failures=5, paused_until=pause) for key in returned], now)
        changed = leases.lock_changed(connection, holder, set(held) - set(returned))
        leases.settle(connection, holder, [lease.key for lease in changed])
        lanes.prune(connection, now, limit=3)
