"""One commit for the events of concurrent requests, and an answer of its own for each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event as Signal
from threading import Semaphore, Thread
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy import event as sqlalchemy_event

from tests.engine import Queue, errors, event, together
from tests.waiting import wait_until
from webhook_admin.db import Database
from webhook_admin.errors import EventConflict, InvalidInput
from webhook_admin.events import Event
from webhook_admin.models import deliveries
from webhook_admin.queue.accept import Accepted
from webhook_admin.queue.group_commit import GroupCommit

NEW, DUPLICATE, UNROUTED = Accepted(1, 0, 0), Accepted(0, 1, 0), Accepted(0, 0, 1)


@pytest.fixture
def group_commit(queue: Queue) -> GroupCommit:
    """A group commit on the store, where `acme` and `globex` have a webhook, and `silent` has none."""
    queue.customer("acme")
    queue.customer("globex")
    queue.customer("silent", None)
    return GroupCommit(queue.database)


class Commits:
    """Counts the store's commits, and can hold back one of them."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        self.reached, self.may_go_on = Signal(), Signal()
        self.may_go_on.set()
        sqlalchemy_event.listen(database._transactions, "commit", self._note)  # noqa: SLF001  where transactions begin

    def _note(self, _connection: Connection) -> None:
        self.count += 1
        self.reached.set()
        assert self.may_go_on.wait(10)


@contextmanager
def while_another_commits(group_commit: GroupCommit, commits: Commits) -> Iterator[None]:
    """While the block runs, a request is in the middle of its commit."""
    commits.may_go_on.clear()
    first = Thread(target=group_commit.accept, args=([event(1_000)], datetime.now(UTC)))
    first.start()
    assert commits.reached.wait(10)
    try:
        yield
    finally:
        commits.may_go_on.set()
        first.join(10)
        assert not first.is_alive()


def gathered(group_commit: GroupCommit, commits: Commits, *batches: list[Event]) -> list[Any]:
    """What became of the batches, which have all gathered while another request committed."""

    def send(place: int) -> Accepted:
        return group_commit.accept(batches[place], datetime.now(UTC))

    def let_go() -> None:
        wait_until(lambda: len(group_commit._gathered) == len(batches))  # noqa: SLF001  nothing else tells who waits
        commits.may_go_on.set()

    with while_another_commits(group_commit, commits):
        Thread(target=let_go).start()
        return together(len(batches), send)


def test_requests_that_gather_share_a_commit(group_commit: GroupCommit, database: Database) -> None:
    """Twenty requests that come while another one commits are stored by one more commit."""
    commits = Commits(group_commit._database)  # noqa: SLF001
    assert gathered(group_commit, commits, *([event(number)] for number in range(20))) == [NEW] * 20
    assert commits.count == 2
    assert stored(database) == 21


def test_each_request_gets_its_own_answer(group_commit: GroupCommit) -> None:
    """New, duplicate and unrouted events of one group are counted for the request that they came with."""
    commits = Commits(group_commit._database)  # noqa: SLF001
    batches = [event(1), event(2)], [event(1_000)], [event(3, "silent")], [event(4), event(5, "silent"), event(4)]
    assert gathered(group_commit, commits, *batches) == [Accepted(2, 0, 0), DUPLICATE, UNROUTED, Accepted(1, 1, 1)]


def test_an_event_that_comes_twice_in_a_group_is_new_once(group_commit: GroupCommit, database: Database) -> None:
    """Of requests with the same event one is told that it is new, and the others that it is a duplicate."""
    commits = Commits(group_commit._database)  # noqa: SLF001
    results = gathered(group_commit, commits, *([event(1)] for _ in range(5)))
    assert sorted(results, key=lambda each: each.duplicates) == [NEW] + [DUPLICATE] * 4
    assert stored(database) == 2


def test_a_conflict_in_a_group_stores_nothing_of_its_own_request(group_commit: GroupCommit, queue: Queue) -> None:
    """Of two requests with one event id and different contents one is stored; the other is refused as a whole."""
    commits = Commits(group_commit._database)  # noqa: SLF001
    other = replace(event(1), status="DELIVERED")
    results = gathered(group_commit, commits, [event(1), event(2)], [other, event(3)], [event(4)])
    (refused,) = errors(results)
    assert isinstance(refused, EventConflict)
    assert results[2] == NEW
    ids = {row.event_id for row in queue.deliveries()}
    assert ids in ({"evt_1000", "evt_1", "evt_2", "evt_4"}, {"evt_1000", "evt_1", "evt_3", "evt_4"})


def test_a_bad_request_is_refused_alone(group_commit: GroupCommit, database: Database) -> None:
    """An event of an unknown account is named by its index in its own request; the group's others are stored."""
    commits = Commits(group_commit._database)  # noqa: SLF001
    results = gathered(group_commit, commits, [event(1)], [event(2), event(3, "nobody")], [event(4)])
    (refused,) = errors(results)
    assert isinstance(refused, InvalidInput)
    assert [error.field for error in refused.errors] == ["events.1.accountId"]
    assert results[::2] == [NEW, NEW]
    assert stored(database) == 3


def test_an_answer_waits_for_its_own_commit_and_the_one_before(group_commit: GroupCommit) -> None:
    """What gathers during a commit is stored by the next one, and answered while the one after that still runs."""
    reached, permits = Semaphore(0), Semaphore(0)

    def hold(_connection: Connection) -> None:
        reached.release()
        assert permits.acquire(timeout=10)

    def start(*numbers: int) -> list[Thread]:
        threads = [Thread(target=group_commit.accept, args=([event(each)], datetime.now(UTC))) for each in numbers]
        for thread in threads:
            thread.start()
        return threads

    def let_the_next_commit(gathered: int) -> None:
        wait_until(lambda: len(group_commit._gathered) == gathered)  # noqa: SLF001
        permits.release()
        assert reached.acquire(timeout=10)

    sqlalchemy_event.listen(group_commit._database._transactions, "commit", hold)  # noqa: SLF001
    first = start(1)
    assert reached.acquire(timeout=10)
    second = start(2, 3, 4)
    let_the_next_commit(len(second))
    third = start(5, 6)
    let_the_next_commit(len(third))
    for thread in first + second:
        thread.join(10)
        assert not thread.is_alive()
    permits.release()
    for thread in third:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_large_request_waits_for_no_group(group_commit: GroupCommit, database: Database) -> None:
    """A request with more than 100 events is committed beside it, where the store has more than one writer."""
    commits = Commits(group_commit._database)  # noqa: SLF001
    large = [event(number, "globex") for number in range(101)]
    with while_another_commits(group_commit, commits):
        commits.reached.clear()
        sender = Thread(target=group_commit.accept, args=(large, datetime.now(UTC)))
        sender.start()
        assert commits.reached.wait(10)
    sender.join(10)
    assert stored(database) == 102


def stored(database: Database) -> int:
    """How many events are on record."""
    with database.connect() as connection:
        return connection.execute(select(func.count()).select_from(deliveries)).scalar_one()
