"""How a dispatcher hears of new deliveries."""

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg
import pytest
from sqlalchemy import text

from tests.stores import dsn
from webhook_admin.db import Database
from webhook_admin.db.notify import notify
from webhook_admin.db.wake_up import wake_ups

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
SOON = 1.0
QUIET = 0.2


def commit(database: Database) -> None:
    """A transaction of somebody's that makes a lane due."""
    with database.transaction() as connection:
        insert = "INSERT INTO lanes (account_id, destination, due_at, failures, paused_until) VALUES (:id, '', 0, 0, 0)"
        connection.execute(text(insert), {"id": str(time.monotonic_ns())})
        notify(connection)


class Listener:
    """Counts wake-ups, as a task of its own, as in the dispatcher."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.count = 0
        self._another = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _listen(self) -> None:
        async for _ in wake_ups(self._database):
            self.count += 1
            self._another.set()

    async def hears(self, count: int, seconds: float = SOON) -> bool:
        """Whether there come to be so many wake-ups in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.count < count:
                    await self._another.wait()
                    self._another.clear()
        return self.count >= count


def heard(database: Database, happening: Callable[[], None], seconds: float = SOON) -> bool:
    """Whether a listener, once it has been told where it stands, hears that something happens."""

    async def listen() -> bool:
        async with Listener(database) as listener:
            assert await listener.hears(1)
            assert not await listener.hears(2, QUIET)
            await asyncio.to_thread(happening)
            return await listener.hears(2, seconds)

    return asyncio.run(listen())


def test_a_commit_is_heard(database: Database) -> None:
    """At once, whoever commits, on whatever connection."""
    other = Database(database.url)
    assert heard(database, lambda: commit(other))
    other.close()


def test_silence_is_not_heard(database: Database) -> None:
    """Without anything new there is no wake-up: reading is not writing."""

    def read() -> None:
        with database.transaction() as connection:
            connection.execute(text("SELECT count(*) FROM lanes")).all()

    assert not heard(database, read, QUIET)


def test_what_is_undone_is_not_heard(database: Database) -> None:
    """A transaction that is rolled back wakes nobody."""

    def roll_back() -> None:
        with pytest.raises(ZeroDivisionError), database.transaction() as connection:
            notify(connection)
            raise ZeroDivisionError

    assert not heard(database, roll_back, QUIET)


@ON_POSTGRESQL
def test_a_lost_connection_is_made_anew(database: Database) -> None:
    """After a restart of the server it listens again, and looks once, as it may have missed something."""

    def cut() -> None:
        with psycopg.connect(dsn(database.url), autocommit=True) as admin:
            others = "pid <> pg_backend_pid() AND datname = current_database() AND query LIKE 'LISTEN%'"
            (count,) = admin.execute(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}")
            assert count == (1,)

    assert heard(database, cut, 3)


@ON_SQLITE
def test_a_file_that_was_away_is_found_again(database: Database, tmp_path: Path) -> None:
    """While it is not there nothing is heard, and once it is back everything is."""
    assert database.file
    away = database.file.rename(tmp_path / "away.db")

    async def listen() -> bool:
        async with Listener(database) as listener:
            assert not await listener.hears(1, QUIET)
            away.rename(str(database.file))
            return await listener.hears(1, 3)

    assert asyncio.run(listen())


@ON_SQLITE
def test_a_file_that_was_replaced_is_listened_to(database: Database, sqlite_template: Path) -> None:
    """After a restore from a backup the commits to the restored file are heard."""

    def restore() -> None:
        assert database.file
        database.close()
        for leftover in database.file.parent.glob(f"{database.file.name}*"):
            leftover.unlink()
        shutil.copy(sqlite_template, database.file)

    async def listen() -> bool:
        async with Listener(database) as listener:
            assert await listener.hears(1)
            await asyncio.to_thread(restore)
            assert await listener.hears(2, 3)
            await asyncio.to_thread(commit, database)
            return await listener.hears(3)

    assert asyncio.run(listen())
