"""Which deliveries a filter means, and in which order."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Row

from tests.engine import LONG_AGO, URL, Queue, event
from webhook_admin.models import deliveries as table
from webhook_admin.queue import clock, selection
from webhook_admin.queue.selection import Filter

STATES = ["PENDING", "DELIVERED", "FAILED", "CANCELLED", "SKIPPED"]
STATUSES = ["SENT", "DELIVERED", "READ"]
CHANNELS = ["SMS", "RCS"]


@pytest.fixture
def mixed(queue: Queue) -> Queue:
    """Two accounts with deliveries in each state, of several statuses, channels and messages."""
    for number, account_id in enumerate(("acme", "globex")):
        queue.customer(account_id)
        kinds = list(product(STATUSES, CHANNELS))
        queue.accept(
            *(
                event(100 * number + place, account_id, status=status, channel=channel, message_id=f"msg_{place % 4}")
                for place, (status, channel) in enumerate(kinds * 5)
            )
        )
    with queue.database.transaction() as transaction:
        for place, row in enumerate(queue.deliveries()):
            state = STATES[(place // 6) % 5]
            due_at = row.due_at if state == "PENDING" else None
            transaction.execute(table.update().where(table.c.id == row.id).values(state=state, due_at=due_at))
    return queue


def chosen(
    queue: Queue, after: str | None = None, limit: int = 1_000, *, oldest_first: bool = True, **wanted: Any
) -> list[str]:
    """The ids of the first deliveries that fit."""
    with queue.database.connect() as connection:
        found = selection.first(connection, Filter(**wanted), after, limit, oldest_first=oldest_first)
    return [each.id for each in found]


def wishes() -> Iterator[dict[str, Any]]:
    """Every combination of filters."""
    for account_id, states, status, channel, message_id in product(
        (None, "acme"),
        ((), ("FAILED",), ("PENDING", "SKIPPED"), STATES),
        (None, "READ"),
        (None, "RCS"),
        (None, "msg_1"),
    ):
        yield {
            "account_id": account_id,
            "states": states,
            "status": status,
            "channel": channel,
            "message_id": message_id,
        }


def fits(row: Row[Any], wish: Mapping[str, Any]) -> bool:
    """Whether a delivery fits a combination."""
    if wish["states"] and row.state not in wish["states"]:
        return False
    return all(wish[name] in (None, getattr(row, name)) for name in ("account_id", "status", "channel", "message_id"))


def test_every_combination_of_filters(mixed: Queue) -> None:
    """Exactly those that fit, from the oldest on or from the newest, whichever index serves the filter."""
    rows = mixed.deliveries()
    for wish in wishes():
        expected = [row.id for row in rows if fits(row, wish)]
        assert chosen(mixed, **wish) == expected, wish
        assert chosen(mixed, oldest_first=False, **wish) == expected[::-1], wish


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("wish", [{}, {"states": ["FAILED", "SKIPPED"]}, {"channel": "SMS"}, {"message_id": "msg_1"}])
def test_parts_are_complete(mixed: Queue, wish: dict[str, Any], *, oldest_first: bool) -> None:
    """Part by part, each delivery comes once; together they are what one part would have been."""
    whole = chosen(mixed, oldest_first=oldest_first, account_id="acme", **wish)
    parts: list[str] = []
    while part := chosen(mixed, parts[-1] if parts else None, 4, oldest_first=oldest_first, account_id="acme", **wish):
        parts += part
    assert parts == whole
    assert len(whole) > 4


def test_times_and_parts_together(mixed: Queue) -> None:
    """The narrower of both bounds counts, on each side."""
    ids = chosen(mixed, account_id="acme", states=["FAILED"])
    since, until = (clock.moment(int(id_[4:16], 16) + spare) for id_, spare in ((ids[0], 0), (ids[-1], 1)))
    for wish in ({}, {"states": ["FAILED"]}):
        times: dict[str, Any] = {"account_id": "acme", "since": since, "until": until} | wish
        whole = chosen(mixed, **times)
        assert set(ids) <= set(whole)
        assert chosen(mixed, whole[0], **times) == whole[1:]
        assert chosen(mixed, whole[-1], oldest_first=False, **times) == whole[-2::-1]
        assert chosen(mixed, **times | {"until": since}) == []


def test_no_text_of_a_caller_gets_into_a_statement(mixed: Queue) -> None:
    """A state, status or channel that there is not fits nothing."""
    strange: list[dict[str, Any]] = [{"states": ["' OR 1 = 1 --"]}, {"status": "' OR 1 = 1 --"}, {"channel": "'"}]
    for wish in strange:
        for account_id, message_id in product((None, "acme"), (None, "msg_1")):
            assert chosen(mixed, account_id=account_id, message_id=message_id, **wish) == []


def test_an_event_that_the_migration_could_not_read_is_found_by_its_state(queue: Queue) -> None:
    """Its status and channel are empty."""
    queue.customer()
    queue.accept(event())
    with queue.database.transaction() as transaction:
        transaction.execute(table.update().values(status="", channel=""))
    assert len(chosen(queue, account_id="acme", states=["PENDING"])) == 1


@pytest.mark.parametrize("wish", [{}, {"states": ["CANCELLED", "PENDING"]}, {"message_id": "msg_1"}])
def test_those_of_a_deleted_account_of_the_same_id_can_be_left_out(queue: Queue, wish: dict[str, Any]) -> None:
    """An account that is created again is another one; also if its deliveries came in by a clock that is behind."""
    queue.customer()
    queue.accept(event(1, message_id="msg_1"))
    queue.delete_account()
    queue.customer()
    with queue.database.transaction() as transaction:
        transaction.execute(table.update().values(account_created_at=clock.moment(clock.milliseconds(LONG_AGO) - 1)))
    queue.accept(event(2, message_id="msg_1"))
    assert len(chosen(queue, account_id="acme", **wish)) == 2
    found = chosen(queue, account_id="acme", account_created_at=LONG_AGO, **wish)
    assert found == [queue.delivery(2).id]
    assert queue.delivery(2).callback_url is None
    assert queue.webhook().callback_url == URL
