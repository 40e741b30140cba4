"""The lanes: a row exactly while something is pending, one holder at a time, and nobody waits in a circle."""

import random
import threading
from contextlib import closing

import psycopg
import pytest
from conftest import _dsn, wait_until
from engine import ANY, Queue, errors, event, together
from sqlalchemy import URL, Connection, text

from webhook_admin import accounts, webhooks
from webhook_admin.db import Database
from webhook_admin.queue import clock, lanes
from webhook_admin.queue.lanes import Key, Lease, Release

pytest_plugins = ["engine_fixtures"]

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)

NOW = 1_780_000_000_000
SECOND = 1_000
ETAG = "wh_1.1"


def key(number: int) -> Key:
    """The webhook's lane of account `a<number>`."""
    return Key(f"a{number:03}", "")


def fill(queue: Queue, count: int, now: int = NOW) -> list[Key]:
    """So many lanes with one delivery each, which came in one millisecond after the other."""
    for number in range(count):
        queue.customer(key(number).account_id)
        queue.accept(event(1, key(number).account_id), now=clock.moment(now + number))
    return [key(number) for number in range(count)]


def renew(queue: Queue, holder: str, until: int) -> list[Lease]:
    """Renew, as a dispatcher does."""
    with queue.database.transaction() as connection:
        return lanes.renew(connection, holder, until)


def look_round(queue: Queue, now: int) -> None:
    """Wake the lanes that something has changed for, as a dispatcher does."""
    with queue.database.transaction() as connection:
        wake_changed(connection, now)


def wake_changed(connection: Connection, now: int) -> None:
    """The same within a transaction."""
    lanes.wake(connection, [each.key for each in lanes.changed(connection, now)], now)


def test_the_longest_waiting_come_first(queue: Queue) -> None:
    """Lanes are leased in the order in which they became due, as many as wanted, and none before it is due."""
    keys = fill(queue, 5)
    assert sorted(queue.lease("one", NOW + 3, most=2)) == keys[:2]
    assert sorted(queue.lease("two", NOW + 3)) == keys[2:4]
    assert queue.lease("three", NOW + 3) == []


def test_a_leased_lane_is_nobody_elses(queue: Queue) -> None:
    """Until its lease ends, nobody else gets it; after that, anybody, as its holder may have died."""
    (only,) = fill(queue, 1)
    assert queue.lease("one", NOW, seconds=30) == [only]
    assert queue.lease("two", NOW + 30 * SECOND - 1) == []
    assert queue.lease("two", NOW + 30 * SECOND) == [only]
    assert renew(queue, "one", NOW + 90 * SECOND) == []


def test_renewing_says_what_is_held(queue: Queue) -> None:
    """All leases go on until then, and the lanes that somebody else has taken meanwhile are not among them."""
    first, second = fill(queue, 2)
    queue.lease("one", NOW, most=1, seconds=1)
    queue.lease("one", NOW + 1, seconds=30)
    queue.lease("two", NOW + SECOND, seconds=30)
    assert [lease.key for lease in renew(queue, "one", NOW + 60 * SECOND)] == [second]
    assert [lease.key for lease in renew(queue, "two", NOW + 60 * SECOND)] == [first]
    assert {row.due_at for row in queue.lanes()} == {NOW + 60 * SECOND}


def test_a_lease_tells_what_the_last_holder_learned(queue: Queue) -> None:
    """The breaker's count and the webhook that it is about go from one dispatcher to the next."""
    (only,) = fill(queue, 1)
    queue.lease("one", NOW)
    with queue.database.transaction() as connection:
        lanes.release(connection, "one", [Release(only, 3, 0, ETAG, 0)])
        assert lanes.lease(connection, "two", NOW, NOW + 1, 9, ANY) == [Lease(only, 3, ETAG)]
    assert renew(queue, "two", NOW) == [Lease(only, 3, ETAG)]


def test_lanes_that_fail_can_be_left_out(queue: Queue) -> None:
    """When half of all requests are with them already, the others come first."""
    failing, fine = fill(queue, 2)
    queue.lease("one", NOW, most=1)
    queue.release(failing, failures=1)
    with queue.database.transaction() as connection:
        taken = lanes.lease(connection, "two", NOW + 1, NOW + SECOND, 9, most_failures=0)
    assert [lease.key for lease in taken] == [fine]


def test_a_lane_without_anything_pending_is_no_more(queue: Queue) -> None:
    """Its row goes when it is given back, and comes again with the next event."""
    (only,) = fill(queue, 1)
    queue.lease("one", NOW)
    queue.finish(queue.deliveries())
    queue.release(only)
    assert queue.lanes() == []
    queue.accept(event(2, only.account_id))
    assert queue.lane_keys() == [only]


def test_a_released_lane_is_due_with_its_first_delivery(queue: Queue) -> None:
    """Not before, not later; unless it is put off."""
    (only,) = fill(queue, 1)
    queue.accept(event(2, only.account_id), now=clock.moment(NOW + 5))
    queue.lease("one", NOW)
    queue.finish(queue.deliveries(event_id="evt_1"))
    queue.release(only)
    assert [(row.due_at, row.holder) for row in queue.lanes()] == [(NOW + 5, None)]
    queue.lease("one", NOW + 5)
    queue.release(only, failures=5, paused_until=NOW + 10 * SECOND)
    assert [(row.due_at, row.failures) for row in queue.lanes()] == [(NOW + 10 * SECOND, 5)]


def test_only_the_holder_releases(queue: Queue) -> None:
    """Who has lost a lease cannot give the lane back, or take its row away."""
    (only,) = fill(queue, 1)
    queue.lease("one", NOW, seconds=1)
    queue.lease("two", NOW + SECOND)
    before = queue.lanes()
    queue.finish(queue.deliveries())
    queue.release(only, holder="one")
    assert queue.lanes() == before


def test_the_next_time_is_known(queue: Queue) -> None:
    """When a lane will be due that is not yet; leases that end are among them."""
    fill(queue, 2)
    with queue.database.transaction() as connection:
        assert lanes.next_due(connection, NOW - 1) == NOW
        assert lanes.next_due(connection, NOW) == NOW + 1
        assert lanes.next_due(connection, NOW + 1) is None
        lanes.lease(connection, "one", NOW, NOW + SECOND, 1, ANY)
        assert lanes.next_due(connection, NOW + 1) == NOW + SECOND


def test_no_lane_has_two_live_leases(queue: Queue) -> None:
    """Of any number of dispatchers that lease at once, each lane goes to one."""
    keys = fill(queue, 40)
    for _ in range(5):
        taken = together(4, lambda place: queue.lease(f"holder-{place}", NOW + 99, most=15))
        assert errors(taken) == []
        assert sorted(key for keys in taken for key in keys) == keys
        for place, mine in enumerate(taken):
            queue.release(*mine, holder=f"holder-{place}")


def put_off(queue: Queue, etag: str | None, account_id: str = "acme") -> None:
    """A lane whose breaker has learned about the webhook of this ETag, and is paused for a minute from `NOW`."""
    queue.accept(event(account_id=account_id), now=clock.moment(NOW))
    queue.lease("one", NOW)
    with queue.database.transaction() as connection:
        lanes.release(connection, "one", [Release(Key(account_id, ""), 5, NOW + 60_000, etag, NOW + 60_000)])


def test_a_pause_stays_while_the_webhook_does(queue: Queue) -> None:
    """What the breaker has learned holds as long as the webhook is as it was."""
    queue.customer()
    put_off(queue, queue.webhook().etag)
    before = queue.lanes()
    look_round(queue, NOW + SECOND)
    assert queue.lanes() == before


@pytest.mark.parametrize("change", ["put", "delete", "disable", "account"])
def test_a_change_ends_the_pause(queue: Queue, change: str) -> None:
    """What waits is sent to the new URL now, or cancelled now, whatever the breaker says about the old one."""
    queue.customer()
    put_off(queue, queue.webhook().etag)
    with queue.database.transaction() as connection:
        if change == "put":
            webhooks.replace(connection, "acme", clock.moment(NOW), callback_url="https://new.example.com/")
        elif change == "delete":
            webhooks.remove(connection, "acme")
        elif change == "disable":
            webhook = webhooks.get(connection, "acme")
            webhooks.disable(connection, "acme", webhook.id, webhook.revision, clock.moment(NOW))
        else:
            accounts.remove(connection, "acme")
    look_round(queue, NOW + SECOND)
    (lane,) = queue.lanes()
    assert (lane.due_at, lane.failures, lane.paused_until) == (NOW + SECOND, 0, 0)


def test_a_change_leaves_leases_alone(queue: Queue) -> None:
    """Who holds the lane reads the webhook anew for every attempt."""
    queue.customer()
    queue.accept(event(), now=clock.moment(NOW))
    queue.lease("one", NOW)
    queue.delete_webhook()
    before = queue.lanes()
    look_round(queue, NOW + SECOND)
    assert queue.lanes() == before


def test_a_release_sees_what_it_has_waited_for(postgresql_url: URL) -> None:
    """A lane whose release has waited for an accept to commit is due with what was accepted, and is not deleted."""
    with closing(Database(postgresql_url)) as database, psycopg.connect(_dsn(postgresql_url), autocommit=True) as admin:
        queue = Queue(database, None)  # type: ignore[arg-type]  # no secret is needed here
        _plain_account(admin)
        queue.accept(event(1, callback_url="https://orders.example.com/"), now=clock.moment(NOW))
        (lane,) = queue.lease("one", NOW)
        queue.finish(queue.deliveries())
        with psycopg.connect(_dsn(postgresql_url)) as accepting:
            accepting.execute("UPDATE lanes SET due_at = due_at")
            accepting.execute("UPDATE deliveries SET state = 'PENDING', due_at = %s", [NOW + 7])
            releasing = threading.Thread(target=queue.release, args=(lane,))
            releasing.start()
            wait_until(lambda: _waiting(admin) == 1)
            accepting.commit()
        releasing.join()
        assert [row.due_at for row in queue.lanes()] == [NOW + 7]


def test_an_accept_sees_what_it_has_waited_for(postgresql_url: URL) -> None:
    """A lane that is deleted while an event for it comes in is made anew."""
    with closing(Database(postgresql_url)) as database, psycopg.connect(_dsn(postgresql_url), autocommit=True) as admin:
        queue = Queue(database, None)  # type: ignore[arg-type]  # no secret is needed here
        _plain_account(admin)
        queue.accept(event(1, callback_url="https://orders.example.com/"), now=clock.moment(NOW))
        (lane,) = queue.lease("one", NOW)
        queue.finish(queue.deliveries())
        with database.transaction() as connection:
            lanes.release(connection, "one", [Release(lane, 0, 0, None, 0)])
            second = event(2, callback_url="https://orders.example.com/")
            accepting = threading.Thread(target=queue.accept, args=[second], kwargs={"now": clock.moment(NOW)})
            accepting.start()
            wait_until(lambda: _waiting(admin) == 1)
        accepting.join()
        assert queue.lane_keys() == queue.lanes_wanted() == [lane]


def _plain_account(admin: psycopg.Connection) -> None:
    admin.execute("INSERT INTO accounts (id, created_at, updated_at) VALUES ('acme', now(), now())")


def _waiting(admin: psycopg.Connection) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    row = admin.execute(query).fetchone()
    assert row
    return int(row[0])


def test_nobody_waits_in_a_circle(queue: Queue) -> None:
    """Accepting, leasing, renewing, releasing and looking round, for many lanes at once in any order: no deadlock."""
    keys = fill(queue, 30, clock.now())
    names = [key.account_id for key in keys]

    def work(place: int) -> None:
        chance = random.Random(place)
        for round_ in range(12):
            if place < 2:
                chosen = chance.sample(names, 20)
                queue.accept(*(event(1000 * place + round_, name) for name in chosen))
            else:
                turn(queue, f"holder-{place}", chance)

    results = together(5, work)
    assert errors(results) == []
    assert queue.lane_keys() == queue.lanes_wanted()


def turn(queue: Queue, holder: str, chance: random.Random) -> None:
    """What a dispatcher does with lanes, all in one transaction."""
    now = clock.now()
    with queue.database.transaction() as connection:
        held = [lease.key for lease in lanes.renew(connection, holder, now + 30 * SECOND)]
        given_back = chance.sample(held, len(held) // 2)
        pause = now + chance.choice([-1, 50])
        lanes.release(connection, holder, [Release(key, 5, pause, ETAG, pause) for key in given_back])
        wake_changed(connection, now)
        lanes.lease(connection, holder, now, now + 30 * SECOND, 10, ANY)


@ON_POSTGRESQL
def test_looking_round_waits_for_nobody(queue: Queue) -> None:
    """A dispatcher that holds the rows of its lanes does not wait for others that an accept has locked."""
    put_off_two(queue)
    with queue.database.transaction() as accepting:
        accepting.execute(text("SELECT 1 FROM lanes WHERE account_id = 'a' FOR UPDATE"))
        with queue.database.transaction() as dispatching:
            wake_changed(dispatching, NOW + SECOND)
    assert [row.due_at for row in queue.lanes()] == [NOW + 60_000, NOW + SECOND]


def put_off_two(queue: Queue) -> None:
    """Lanes of `a` and `b`, both put off, and both with a webhook that is another than then."""
    for name in ("a", "b"):
        queue.customer(name)
        put_off(queue, ETAG, name)
