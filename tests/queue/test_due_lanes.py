"""Due lanes: which are leased first, and that no account's lanes hide another's."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.engine import Queue, errors, event, together
from webhook_admin.queue import clock, due_lanes
from webhook_admin.queue.due_lanes import FRONT, LOOKED_AT, Ask, Leased
from webhook_admin.queue.lanes import Key, Standing

NOW = 1_780_000_000_000
SECOND = 1_000


def key(number: int) -> Key:
    """The webhook's lane of account `a<number>`."""
    return Key(f"a{number:03}", "")


def fill(queue: Queue, count: int) -> list[Key]:
    """So many lanes with one delivery each, which came in one millisecond after the other."""
    for number in range(count):
        queue.customer(key(number).account_id)
        queue.accept(event(1, key(number).account_id), now=clock.moment(NOW + number))
    return [key(number) for number in range(count)]


def add(queue: Queue, account_id: str, count: int, since: int = NOW, standing: Standing = Standing.UNTRIED) -> None:
    """Due lanes of an account, each a millisecond after the one before. They need no deliveries here."""
    rows = [
        {"account_id": account_id, "destination": f"https://{place:05}.example.com", "due_at": since + place}
        for place in range(count)
    ]
    insert = (
        "INSERT INTO lanes (account_id, destination, due_at, failures, paused_until, standing) "
        f"VALUES (:account_id, :destination, :due_at, 0, 0, '{standing}')"
    )
    with queue.database.transaction() as connection:
        connection.execute(text(insert), rows)


def lease(queue: Queue, ask: Ask, now: int = NOW + SECOND, holder: str = "one") -> Leased:
    """Lease lanes, as a dispatcher does."""
    with queue.database.transaction() as connection:
        return due_lanes.lease(connection, holder, now, now + 30 * SECOND, [ask])


def ask(limit: int = 100, share: int = 100, standing: Standing = Standing.UNTRIED, **more: Any) -> Ask:
    """What a dispatcher asks for that has no lanes yet."""
    return Ask(standing=standing, limit=limit, share=share, **{"held": {}, **more})


def accounts(leased: Leased) -> list[str]:
    """The accounts whose lanes were leased, in order."""
    return sorted(each.key.account_id for each in leased.leases)


def test_the_longest_waiting_come_first(queue: Queue) -> None:
    """Lanes are leased in the order in which they became due, as many as wanted, and none before it is due."""
    keys = fill(queue, 5)
    assert sorted(queue.lease("one", NOW + 3, limit=2)) == keys[:2]
    assert sorted(queue.lease("two", NOW + 3)) == keys[2:4]
    assert queue.lease("three", NOW + 3) == []


def test_a_leased_lane_is_nobody_elses(queue: Queue) -> None:
    """Until its lease ends, nobody else gets it; after that, anybody, as its dispatcher may have died."""
    (only,) = fill(queue, 1)
    assert queue.lease("one", NOW, seconds=30) == [only]
    assert queue.lease("two", NOW + 30 * SECOND - 1) == []
    assert queue.lease("two", NOW + 30 * SECOND) == [only]


def test_each_standing_is_asked_for_by_itself(queue: Queue) -> None:
    """Lanes that fail are not leased for the places of those that answer."""
    add(queue, "a", 1, standing=Standing.FAILING)
    add(queue, "b", 1, standing=Standing.QUICK)
    assert accounts(lease(queue, ask(standing=Standing.QUICK))) == ["b"]
    assert accounts(lease(queue, ask(standing=Standing.SLOW))) == []
    assert accounts(lease(queue, ask(standing=Standing.FAILING))) == ["a"]


def test_an_account_without_lanes_comes_first(queue: Queue) -> None:
    """However long others have waited: each account has one lane before any has two."""
    add(queue, "big", 50)
    add(queue, "held", 1, NOW + 100)
    add(queue, "new", 1, NOW + 200)
    assert accounts(lease(queue, ask(limit=2, held={"held": 1}))) == ["big", "new"]
    assert accounts(lease(queue, ask(limit=2, held={"big": 1}))) == ["big", "held"]


def test_no_account_gets_more_than_its_share(queue: Queue) -> None:
    """What it holds already counts."""
    add(queue, "big", 50)
    add(queue, "held", 50)
    assert accounts(lease(queue, ask(share=4, held={"held": 3}))) == ["big"] * 4 + ["held"]
    assert lease(queue, ask(share=4, held={"big": 4, "held": 4})).leases == []


def test_it_says_whether_lanes_are_left(queue: Queue) -> None:
    """Also where none is to be leased; a lane that waits for its time does not count."""
    add(queue, "a", 2)
    add(queue, "b", 1, NOW + 60 * SECOND)
    assert lease(queue, ask(limit=0)).waiting == [Standing.UNTRIED]
    assert lease(queue, ask(limit=1)).waiting == [Standing.UNTRIED]
    assert lease(queue, ask(limit=1)).waiting == []
    assert lease(queue, ask(limit=1)).waiting == []


def test_lanes_of_an_account_that_has_its_share_hide_nobody(queue: Queue) -> None:
    """A newcomer behind any number of them is found by looks that go on where the last one has ended."""
    add(queue, "big", 2 * LOOKED_AT + 10)
    add(queue, "new", 1, NOW + 60 * SECOND)
    after, found = FRONT, list[str]()
    for _ in range(3):
        assert found == []
        leased = lease(queue, ask(share=5, held={"big": 5}, after=after), NOW + 60 * SECOND)
        after, found = leased.after.get(Standing.UNTRIED, FRONT), accounts(leased)
    assert found == ["new"]
    assert after == FRONT


def test_accounts_behind_a_long_queue_get_a_lane_before_the_first_get_many(queue: Queue) -> None:
    """While a look does not reach the last due lane, it gives each account that it sees one lane."""
    add(queue, "a", LOOKED_AT // 2)
    add(queue, "b", LOOKED_AT, NOW + LOOKED_AT)
    first = lease(queue, ask(), NOW + 60 * SECOND)
    assert accounts(first) == ["a", "b"]
    add(queue, "c", 1, NOW + 59 * SECOND)
    second = lease(queue, ask(limit=3, held={"a": 1, "b": 1}, after=first.after[Standing.UNTRIED]), NOW + 60 * SECOND)
    assert accounts(second) == ["b", "b", "c"]


@pytest.mark.parametrize("count", [40])
def test_no_lane_has_two_live_leases(queue: Queue, count: int) -> None:
    """Of any number of dispatchers that lease at once, each lane goes to one."""
    keys = fill(queue, count)
    for _ in range(5):
        taken = together(4, lambda place: queue.lease(f"holder-{place}", NOW + 99, limit=15))
        assert errors(taken) == []
        leased = [key for keys in taken for key in keys]
        assert len(leased) == len(set(leased)) <= count
        for place, mine in enumerate(taken):
            queue.release(*mine, holder=f"holder-{place}", now=NOW, standing=Standing.UNTRIED)
    assert sorted(queue.lease("one", NOW + 99)) == keys


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_dispatchers_that_lease_at_once_take_different_lanes(queue: Queue) -> None:
    """A dispatcher that finds the first lanes locked takes the next ones, and waits for nobody."""
    fill(queue, 6)
    with queue.database.transaction() as first, queue.database.transaction() as second:
        one = due_lanes.lease(first, "one", NOW + SECOND, NOW + 9 * SECOND, [ask(limit=3)])
        two = due_lanes.lease(second, "two", NOW + SECOND, NOW + 9 * SECOND, [ask(limit=3)])
    assert (accounts(one), accounts(two)) == (["a000", "a001", "a002"], ["a003", "a004", "a005"])
