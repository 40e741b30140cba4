"""Leases: one dispatcher at a time, what the next one is told, and changes that nobody misses."""

import threading
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import URL

from tests.engine import LANE, OWN_URL, Queue, event, release
from tests.stores import dsn
from tests.waiting import wait_until
from webhook_admin.db import Database
from webhook_admin.queue import clock, lanes, leases
from webhook_admin.queue.lanes import Key, Standing
from webhook_admin.queue.leases import Failing, Lease

NOW = 1_780_000_000_000
SECOND = 1_000


@pytest.fixture
def lane(queue: Queue) -> Key:
    """The lane of acme's webhook, with one delivery due `NOW`, leased by `one`."""
    queue.customer()
    queue.accept(event(), now=clock.moment(NOW))
    assert queue.lease(now=NOW, seconds=30) == [LANE]
    return LANE


def renew(queue: Queue, holder: str, until: int = NOW + 60 * SECOND) -> list[Lease]:
    """Renew, as a dispatcher does."""
    with queue.database.transaction() as connection:
        return leases.renew(connection, holder, until)


def mark(queue: Queue) -> None:
    """Say that acme's webhook has changed."""
    with queue.database.transaction() as connection:
        lanes.mark_changed(connection, "acme", NOW)


def test_renewing_says_what_is_leased(queue: Queue, lane: Key) -> None:
    """All leases go on until then, and a lane that another dispatcher has taken meanwhile is not among them."""
    assert [lease.key for lease in renew(queue, "one", NOW + SECOND)] == [lane]
    assert queue.lease("two", NOW + SECOND) == [lane]
    assert renew(queue, "one") == []
    assert [lease.key for lease in renew(queue, "two")] == [lane]
    assert [row.due_at for row in queue.lanes()] == [NOW + 60 * SECOND]


def test_the_next_dispatcher_is_told_what_was_learned(queue: Queue, lane: Key) -> None:
    """Breaker, standing and window go from one to the next, also in a renewal."""
    queue.release(lane, now=NOW, failures=3, standing=Standing.SLOW, window=7.5, threshold=4.25)
    assert queue.lease("two", NOW) == [lane]
    assert renew(queue, "two") == [
        Lease(key=lane, failures=3, standing=Standing.SLOW, window=7.5, threshold=4.25, changed=False)
    ]


def test_a_lane_without_anything_pending_becomes_idle(queue: Queue, lane: Key) -> None:
    """Its row stays, with what was learned, and nobody leases it until there is something new."""
    queue.finish(queue.deliveries())
    queue.release(lane, now=NOW + SECOND, window=5.0)
    (row,) = queue.lanes()
    assert (row.due_at, row.holder, row.idle_since, row.window_size) == (None, None, NOW + SECOND, 5.0)
    assert queue.lease("two", NOW + 60 * SECOND) == []


def test_a_released_lane_is_due_with_its_first_delivery(queue: Queue, lane: Key) -> None:
    """Not before, not later; unless it is put off."""
    queue.accept(event(2), now=clock.moment(NOW + 5))
    queue.finish(queue.deliveries(event_id="evt_1"))
    queue.release(lane, now=NOW)
    assert [(row.due_at, row.holder, row.idle_since) for row in queue.lanes()] == [(NOW + 5, None, None)]
    queue.lease("one", NOW + 5)
    queue.release(lane, now=NOW, failures=5, paused_until=NOW + 10 * SECOND)
    assert [(row.due_at, row.failures) for row in queue.lanes()] == [(NOW + 10 * SECOND, 5)]


def test_only_the_dispatcher_that_leases_a_lane_releases_it(queue: Queue, lane: Key) -> None:
    """One that has lost its lease changes nothing."""
    queue.lease("two", NOW + 30 * SECOND)
    before = queue.lanes()
    queue.finish(queue.deliveries())
    queue.release(lane, holder="one", now=NOW)
    assert queue.lanes() == before


def test_a_lane_that_was_marked_meanwhile_is_due_at_once(queue: Queue, lane: Key) -> None:
    """What the dispatcher has learned is about another receiver: the row keeps what the mark has reset."""
    mark(queue)
    pause = NOW + 600 * SECOND
    queue.release(lane, now=NOW + 7, failures=9, paused_until=pause, standing=Standing.FAILING, window=3.0)
    (row,) = queue.lanes()
    assert (row.due_at, row.holder, row.changed) == (NOW + 7, None, True)
    assert (row.failures, row.paused_until, row.standing, row.window_size) == (0, 0, Standing.UNTRIED, 1)


def test_a_marked_lane_without_anything_pending_becomes_idle(queue: Queue, lane: Key) -> None:
    """There is nothing to cancel in it."""
    mark(queue)
    queue.finish(queue.deliveries())
    queue.release(lane, now=NOW, failures=9)
    assert [(row.due_at, row.idle_since, row.failures) for row in queue.lanes()] == [(None, NOW, 0)]


def test_a_settled_lane_is_marked_no_more(queue: Queue, lane: Key) -> None:
    """What its dispatcher learns from then on counts."""
    mark(queue)
    with queue.database.transaction() as connection:
        assert leases.lock_changed(connection, "two", [lane]) == []
        leases.settle(connection, "two", [lane])
    assert [lease.changed for lease in renew(queue, "one")] == [True]
    with queue.database.transaction() as connection:
        assert [lease.key for lease in leases.lock_changed(connection, "one", [lane])] == [lane]
        leases.settle(connection, "one", [lane])
    assert [lease.changed for lease in renew(queue, "one")] == [False]
    queue.release(lane, now=NOW, failures=2)
    assert [row.failures for row in queue.lanes()] == [2]


def test_only_a_webhook_that_is_gone_leaves_orphans(queue: Queue, lane: Key) -> None:
    """One that has only been replaced leaves none to look for, and hides none of the one before."""
    for is_replaced, expected in ((True, True), (False, False), (True, False)):
        with queue.database.transaction() as connection:
            lanes.mark_changed(connection, "acme", NOW, is_replaced=is_replaced)
        assert [row.no_orphans for row in queue.lanes()] == [expected]
    with queue.database.transaction() as connection:
        leases.note_no_orphans(connection, [lane])
        lanes.mark_changed(connection, "acme", NOW, is_replaced=True)
    assert [row.no_orphans for row in queue.lanes()] == [True]
    with queue.database.transaction() as connection:
        leases.settle(connection, "one", [lane])
    assert [(row.changed, row.no_orphans) for row in queue.lanes()] == [(False, False)]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_lane_that_is_being_marked_is_settled_later(queue: Queue, lane: Key) -> None:
    """A dispatcher does not wait for a PUT that has not been committed, and does not take its mark off."""
    mark(queue)
    with queue.database.transaction() as putting:
        lanes.mark_changed(putting, "acme", NOW)
        with queue.database.transaction() as dispatching:
            assert leases.lock_changed(dispatching, "one", [lane]) == []
    assert [lease.changed for lease in renew(queue, "one")] == [True]


def test_a_change_waits_for_what_is_being_settled(postgresql_url: URL) -> None:
    """A webhook that is changed after its lane's orphans were looked for marks the lane again."""
    with closing(Database(postgresql_url)) as database, psycopg.connect(dsn(postgresql_url), autocommit=True) as admin:
        queue = Queue(database, None)  # type: ignore[arg-type]  # no secret is needed here
        lane = leased(queue, admin)
        with database.transaction() as connection:
            assert [lease.key for lease in leases.lock_changed(connection, "one", [lane])] == [lane]
            marking = threading.Thread(target=mark_all, args=(queue,))
            marking.start()
            wait_until(lambda: waiting(admin) == 1)
            leases.settle(connection, "one", [lane])
        marking.join()
        assert [row.changed for row in queue.lanes()] == [True]


def test_a_release_sees_what_it_has_waited_for(postgresql_url: URL) -> None:
    """A lane whose release has waited for an accept to commit is due with what was accepted."""
    with closing(Database(postgresql_url)) as database, psycopg.connect(dsn(postgresql_url), autocommit=True) as admin:
        queue = Queue(database, None)  # type: ignore[arg-type]  # no secret is needed here
        lane = leased(queue, admin)
        queue.finish(queue.deliveries())
        with psycopg.connect(dsn(postgresql_url)) as accepting:
            accepting.execute("UPDATE lanes SET due_at = due_at")
            accepting.execute("UPDATE deliveries SET state = 'PENDING', due_at = %s", [NOW + 7])
            releasing = threading.Thread(target=queue.release, args=(lane,))
            releasing.start()
            wait_until(lambda: waiting(admin) == 1)
            accepting.commit()
        releasing.join()
        assert [(row.due_at, row.idle_since) for row in queue.lanes()] == [(NOW + 7, None)]


def test_an_accept_sees_what_it_has_waited_for(postgresql_url: URL) -> None:
    """A lane that becomes idle while an event for it comes in is due with it."""
    with closing(Database(postgresql_url)) as database, psycopg.connect(dsn(postgresql_url), autocommit=True) as admin:
        queue = Queue(database, None)  # type: ignore[arg-type]  # no secret is needed here
        lane = leased(queue, admin)
        queue.finish(queue.deliveries())
        with database.transaction() as connection:
            leases.release(connection, "one", [release(lane)], NOW)
            second = event(2, callback_url=OWN_URL)
            accepting = threading.Thread(target=queue.accept, args=(second,), kwargs={"now": clock.moment(NOW + 7)})
            accepting.start()
            wait_until(lambda: waiting(admin) == 1)
        accepting.join()
        assert [(row.due_at, row.idle_since) for row in queue.lanes()] == [(NOW + 7, None)]
        assert queue.due_lanes() == queue.pending_lanes() == [lane]


def test_an_accept_sees_that_the_lane_was_pruned(postgresql_url: URL) -> None:
    """A lane that is deleted while an event for it comes in is made anew."""
    with closing(Database(postgresql_url)) as database, psycopg.connect(dsn(postgresql_url), autocommit=True) as admin:
        queue = Queue(database, None)  # type: ignore[arg-type]  # no secret is needed here
        lane = leased(queue, admin)
        queue.finish(queue.deliveries())
        queue.release(lane, now=NOW)
        with database.transaction() as connection:
            assert lanes.prune(connection, NOW + 1, limit=1) == 1
            second = event(2, callback_url=OWN_URL)
            accepting = threading.Thread(target=queue.accept, args=(second,), kwargs={"now": clock.moment(NOW)})
            accepting.start()
            wait_until(lambda: waiting(admin) == 1)
        accepting.join()
        assert queue.due_lanes() == queue.pending_lanes() == [lane]


def leased(queue: Queue, admin: psycopg.Connection) -> Key:
    """A lane of a per-message URL, leased by `one`."""
    admin.execute("INSERT INTO accounts (id, created_at, updated_at) VALUES ('acme', now(), now())")
    queue.accept(event(1, callback_url=OWN_URL), now=clock.moment(NOW))
    (lane,) = queue.lease("one", NOW)
    return lane


def mark_all(queue: Queue) -> None:
    """Say that the account is gone."""
    with queue.database.transaction() as connection:
        lanes.mark_changed(connection, "acme", NOW, every_destination=True)


def waiting(admin: psycopg.Connection) -> int:
    """How many connections wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    row = admin.execute(query).fetchone()
    assert row
    return int(row[0])


def test_a_release_says_since_when_the_lane_fails(queue: Queue, lane: Key) -> None:
    """The next dispatcher goes on from there; not if the webhook has been changed meanwhile."""
    queue.release(lane, now=NOW, failing=Failing(NOW, 2))
    assert queue.lease("two", NOW) == [lane]
    assert [lease.failing for lease in renew(queue, "two")] == [Failing(NOW, 2)]
    mark(queue)
    queue.release(lane, holder="two", now=NOW, failing=Failing(NOW, 3))
    assert [(row.failing_since, row.exhausted) for row in queue.lanes()] == [(None, 0)]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_failing_lane_is_noted_when_nobody_else_has_locked_it(queue: Queue, lane: Key) -> None:
    """A dispatcher that holds other lanes must not wait for it: whoever has locked it may wait for one of those."""
    failing = {lane: Failing(NOW, 1)}
    with queue.database.transaction() as accepting:
        lanes.put(accepting, [lane], NOW)
        with queue.database.transaction() as dispatching:
            assert leases.note_failing(dispatching, "one", failing) == set()
    with queue.database.transaction() as dispatching:
        assert leases.note_failing(dispatching, "one", failing) == {lane}
    assert [lease.failing for lease in renew(queue, "one")] == [Failing(NOW, 1)]
