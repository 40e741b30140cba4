"""Retention: what is deleted, what stays, and that a sweep neither waits for anybody nor looks at anything twice."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.engine import Configure, Queue, Running, event
from tests.waiting import wait_until
from webhook_admin.db.bulk import bulk
from webhook_admin.dispatch import pruning
from webhook_admin.dispatch.pruning import Pruned, sweep
from webhook_admin.models import deliveries as table
from webhook_admin.models import statistics as statistics_table
from webhook_admin.queue import clock, retention, statistics
from webhook_admin.queue.attempts import Attempt, record
from webhook_admin.queue.clock import HOUR
from webhook_admin.queue.statistics import Cell

NOW = clock.milliseconds(datetime(2026, 6, 1, tzinfo=UTC))
BEFORE = NOW - 30 * 24 * HOUR


def accept_at(queue: Queue, numbers: Sequence[int], at: int) -> None:
    """Take events in at this time (ms), and let their deliveries end with an attempt each.

    Their ids are of that time, in the order of the numbers.
    """
    queue.accept(*(event(number) for number in numbers), now=clock.moment(at))
    rows = [(number, row) for number in numbers for row in queue.deliveries(event_id=f"evt_{number}")]
    of_then = [(row.account_id, row.id, f"dlv_{at:012x}{number:020x}") for number, row in rows]
    columns = dict.fromkeys(("account_id", "id", "of_then"), "text")
    renamed = "UPDATE deliveries SET id = given.of_then, state = 'DELIVERED', due_at = NULL, attempts = 1, recorded = 1"
    with queue.database.transaction() as transaction:
        bulk(transaction, f"{renamed} FROM {{given}} WHERE deliveries.id = given.id", columns, of_then)
        made: dict[str, Any] = {"number": 1, "started_at": at, "duration_ms": 5, "outcome": "delivered"}
        record(transaction, [Attempt(account_id=acme, delivery_id=id_, **made) for acme, _, id_ in of_then])


def change(queue: Queue, number: int, **values: object) -> None:
    """Write values into a delivery."""
    with queue.database.transaction() as transaction:
        transaction.execute(update(table).where(table.c.event_id == f"evt_{number}").values(values))


def swept(queue: Queue, before: int | None = BEFORE) -> Pruned:
    """What a whole sweep deletes."""
    return sum(sweep(queue.database, before, NOW), Pruned())


def test_what_ended_long_ago_goes(queue: Queue) -> None:
    """Deliveries with their attempts; what is pending, was resent since, or is younger stays, with its attempts."""
    queue.customer()
    accept_at(queue, [1, 2, 3, 4], BEFORE - 1)
    accept_at(queue, [5], BEFORE)
    change(queue, 2, state="PENDING", due_at=NOW)
    change(queue, 3, resent_at=BEFORE)
    assert (swept(queue).deliveries, len(queue.attempts())) == (2, 3)
    assert sorted(row.event_id for row in queue.deliveries()) == ["evt_2", "evt_3", "evt_5"]
    assert {row.delivery_id for row in queue.attempts()} == {row.id for row in queue.deliveries()}
    assert swept(queue).deliveries == 0
    assert swept(queue, None) == Pruned()


def test_an_event_is_a_duplicate_as_long_as_its_delivery_is_kept(queue: Queue) -> None:
    """Then it is a new one."""
    queue.customer()
    accept_at(queue, [1], BEFORE - 1)
    assert queue.accept(event(1)).duplicates == 1
    swept(queue)
    assert queue.accept(event(1)).accepted == 1


def test_a_sweep_looks_at_what_stays_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on behind deliveries that are pending, in steps, and comes to its end."""
    monkeypatch.setattr(pruning, "_DELIVERIES", 2)
    queue.customer()
    accept_at(queue, range(7), BEFORE - 1)
    for number in range(5):
        change(queue, number, state="PENDING", due_at=NOW)
    steps = [step for step in sweep(queue.database, BEFORE, NOW) if step.seen]
    assert [(step.seen, step.deliveries) for step in steps] == [(2, 0), (2, 0), (2, 1), (1, 1)]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_sweep_waits_for_nobody(queue: Queue) -> None:
    """A delivery that another transaction has locked is left for the next sweep."""
    queue.customer()
    accept_at(queue, [1, 2], BEFORE - 1)
    with queue.database.transaction() as other:
        other.execute(update(table).where(table.c.event_id == "evt_1").values(state_detail="Resent."))
        assert swept(queue).deliveries == 1
    assert swept(queue).deliveries == 1


def test_what_was_resent_meanwhile_stays(queue: Queue) -> None:
    """A delivery is judged again when it is deleted."""
    queue.customer()
    accept_at(queue, [1], BEFORE - 1)
    with queue.database.connect() as connection:
        found = retention.find(connection, "", BEFORE, 9)
    change(queue, 1, resent_at=NOW)
    with queue.database.transaction() as transaction:
        assert retention.delete(transaction, found, BEFORE) == (0, 0)
    assert len(queue.deliveries()) == len(queue.attempts()) == 1


def count(queue: Queue, counts: dict[Cell, int]) -> None:
    """Add to the statistics."""
    with queue.database.transaction() as transaction:
        statistics.add(transaction, counts)


def test_statistics_that_are_shown_no_more_go(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all accounts; the oldest hour that the API can show stays."""
    monkeypatch.setattr(pruning, "_ACCOUNTS", 2)
    oldest = NOW // HOUR - statistics.MAX_HOURS + 1
    count(queue, {Cell(f"a{n}", hour, "attempts"): 1 for n in range(5) for hour in (oldest - 2, oldest - 1, oldest)})
    assert swept(queue, None).statistics == 10
    with queue.database.connect() as connection:
        assert {row.hour for row in connection.execute(statistics_table.select())} == {oldest}


def test_a_dispatcher_sweeps(queue: Queue, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, by the setting; and nothing if that is 0, but for idle lanes and statistics."""
    queue.customer()
    accept_at(queue, range(5), clock.milliseconds(datetime.now(UTC) - timedelta(days=2)))
    count(queue, {Cell("acme", 1, "attempts"): 1})
    monkeypatch.setattr(pruning, "_FIRST_AFTER", 0)
    monkeypatch.setattr(pruning, "_DELIVERIES", 2)
    with Running(configure(retention_days=0)):
        wait_until(lambda: not _has_statistics(queue))
    assert len(queue.deliveries()) == 5
    with Running(configure(retention_days=1, delivery_max_age=60)):
        wait_until(lambda: not queue.deliveries())
    assert not queue.attempts()


def _has_statistics(queue: Queue) -> bool:
    with queue.database.connect() as connection:
        return connection.execute(statistics_table.select()).first() is not None
