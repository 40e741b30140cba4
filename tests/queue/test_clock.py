"""The queue's time, which all dispatchers of a store share."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from webhook_admin.db import Database
from webhook_admin.queue import clock
from webhook_admin.queue.clock import StoreClock

HOUR = 3_600_000


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("hours", [-3, 3])
def test_the_store_says_what_time_it_is(database: Database, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """A machine whose clock is wrong takes PostgreSQL's."""
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() + hours * HOUR * 1_000_000)
    with database.connect() as connection:
        assert abs(StoreClock().now(connection) - right() // 1_000_000) < 5_000


def test_between_looks_the_monotonic_clock_counts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked once a second; a jump of the machine's clock in between changes nothing."""
    store_clock = StoreClock()
    with database.connect() as connection:
        before = store_clock.now(connection)
        right = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: right() - 3 * HOUR * 1_000_000)
        assert 0 <= store_clock.estimate() - before < 5_000


def test_moments_and_milliseconds_are_the_same(database: Database) -> None:
    """To the millisecond, in UTC, whatever the offset."""
    moment = datetime(2026, 4, 9, 14, 39, 40, 692_000, tzinfo=UTC)
    assert clock.moment(clock.milliseconds(moment)) == moment
    assert clock.milliseconds(moment + timedelta(microseconds=999)) == clock.milliseconds(moment)
    assert clock.text(clock.milliseconds(moment)) == "2026-04-09T14:39:40.692Z"
