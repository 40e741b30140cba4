"""The store's two ways in, its pages, and what it says when it is not there."""

import shutil
import sqlite3
import threading
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, event, insert, select, text

from tests.stores import dsn
from tests.waiting import wait_until
from webhook_admin import accounts
from webhook_admin.db import Database
from webhook_admin.errors import StoreUnavailable
from webhook_admin.models import accounts as table

GONE = pytest.raises(StoreUnavailable)
NOW = datetime(2026, 1, 31, 9, 30, 0, 123456, UTC)


def count(database: Database) -> int:
    """How many accounts are in the store, as a connection of its own sees it."""
    with database.connect() as connection:
        return len(connection.execute(select(table.c.id)).all())


def test_a_statement_is_committed_when_it_returns(database: Database) -> None:
    """On a connection, others see a change while the connection is still open."""
    with database.connect() as connection:
        accounts.create(connection, "acme", NOW)
        assert count(database) == 1


def test_a_transaction_is_kept_whole(database: Database) -> None:
    """What a block did is there when it ends, and nobody sees it before."""
    with database.transaction() as connection:
        accounts.create(connection, "acme", NOW)
        accounts.create(connection, "globex", NOW)
        assert count(database) == 0
    assert count(database) == 2


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    """An exception undoes everything that the block did."""
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        accounts.create(connection, "acme", NOW)
        raise ZeroDivisionError
    assert count(database) == 0


def test_no_update_is_lost(database: Database) -> None:
    """Transactions that read and then write do so one after the other."""

    def increment() -> None:
        for _ in range(15):
            with database.transaction() as connection:
                chosen = table.c.id == "counter"
                name = connection.execute(select(table.c.name).where(chosen).with_for_update()).scalar_one()
                connection.execute(table.update().where(chosen).values(name=str(int(name) + 1)))

    with database.connect() as connection:
        accounts.create(connection, "counter", NOW, "0")
    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.connect() as connection:
        assert accounts.get(connection, "counter").name == "60"


def test_times_come_back_in_utc_and_exact(database: Database) -> None:
    """A moment is the same after the store, whatever zone it was written in."""
    with database.connect() as connection:
        accounts.create(connection, "acme", NOW.astimezone(timezone(timedelta(hours=5))))
        account = accounts.get(connection, "acme")
    assert account.created_at == NOW
    assert account.created_at.tzinfo is UTC


def test_a_time_without_zone_is_refused(database: Database) -> None:
    """A naive datetime is a mistake of ours, and is not stored."""
    with database.connect() as connection, pytest.raises(Exception, match="naive"):
        accounts.create(connection, "acme", datetime(2026, 1, 31))  # noqa: DTZ001 (naive on purpose)
    assert count(database) == 0


def test_pages_are_in_byte_order_and_complete(database: Database) -> None:
    """Page by page, every account comes once, in an order that is the same on both stores."""
    ids = ["B", "a", "_", "a.1", "a-1", "Z9", "0", "b"]
    with database.connect() as connection:
        connection.execute(insert(table), [{"id": id_, "created_at": NOW, "updated_at": NOW} for id_ in ids])
        seen, after = [], None
        while True:
            page = accounts.list_accounts(connection, after, 3)
            seen += [account.id for account in page.items]
            after = page.next
            if after is None:
                break
    assert seen == sorted(ids)


def test_the_last_page_has_no_next(database: Database) -> None:
    """A page that is full and the last says so, and is not followed by an empty one."""
    with database.connect() as connection:
        accounts.create(connection, "a", NOW)
        accounts.create(connection, "b", NOW)
        assert accounts.list_accounts(connection, None, 2).next is None
        assert accounts.list_accounts(connection, None, 1).next == "a"


def test_a_missing_sqlite_file_is_not_made_anew(tmp_path: Path) -> None:
    """An empty database in place of a lost one would look like success."""
    with closing(Database(URL.create("sqlite", database=str(tmp_path / "lost.db")))) as database, GONE:
        database.connect()
    assert not (tmp_path / "lost.db").exists()


def test_a_deleted_sqlite_file_is_noticed_at_once(sqlite_url: URL) -> None:
    """An open file goes on working after it is deleted; nobody would find what is written to it."""
    with closing(Database(sqlite_url)) as database:
        assert count(database) == 0
        Path(str(sqlite_url.database)).unlink()
        with GONE:
            count(database)


def test_a_replaced_sqlite_file_is_noticed_at_once(sqlite_url: URL, sqlite_template: Path) -> None:
    """After a restore from a backup the service works with the restored file."""
    with closing(Database(sqlite_url)) as database:
        with database.connect() as connection:
            accounts.create(connection, "acme", NOW)
        file = Path(str(sqlite_url.database))
        for leftover in file.parent.glob(f"{file.name}*"):
            leftover.unlink()
        shutil.copy(sqlite_template, file)
        assert count(database) == 0


def test_sqlite_is_durable_and_checked(sqlite_url: URL) -> None:
    """Every connection writes ahead, waits for the disk, and holds foreign keys."""
    with closing(Database(sqlite_url)) as database:
        with database.connect() as connection:
            pragmas = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        assert pragmas == ["wal", 2, 1]


def test_sqlite_files_are_for_their_owner_only(tmp_path: Path) -> None:
    """The database that the service makes cannot be read by others on the machine."""
    database = Database(URL.create("sqlite", database=str(tmp_path / "data" / "new.db")))
    database.create_file()
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "new.db").stat().st_mode & 0o077 == 0


def test_a_connection_that_postgresql_has_closed_is_not_used(postgresql_url: URL) -> None:
    """After a restart of the server the first request already succeeds."""
    with closing(Database(postgresql_url)) as database:
        assert count(database) == 0
        with psycopg.connect(dsn(postgresql_url), autocommit=True) as admin:
            others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            admin.execute(f"SELECT pg_terminate_backend(pid) {others}")
            wait_until(lambda: admin.execute(f"SELECT count(*) {others}").fetchone() == (0,))
        assert count(database) == 0


def test_an_unreachable_postgresql_is_unavailable(tmp_path: Path) -> None:
    """Where no server listens, the store says so in its own words."""
    with closing(Database(URL.create("postgresql+psycopg", query={"host": str(tmp_path)}))) as database, GONE:
        database.connect()


def test_a_locked_store_is_unavailable(sqlite_url: URL) -> None:
    """Who waits for a lock in vain is told to come back later."""
    with closing(Database(sqlite_url, lock_seconds=0.1)) as database:
        holder = sqlite3.connect(str(sqlite_url.database), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with GONE, database.connect() as connection:
            accounts.create(connection, "acme", NOW)
        holder.close()
        assert count(database) == 0


def test_a_pool_that_stays_exhausted_is_unavailable(store_url: URL) -> None:
    """When every connection stays in use, whoever wants another is told that the store is not available."""
    with closing(Database(store_url, lock_seconds=0.1)) as database, ExitStack() as held:
        with GONE:
            for _ in range(1_000):
                held.enter_context(database.connect())
        with GONE, database.transaction():
            pytest.fail("there was one connection more")


def test_writers_of_sqlite_wait_without_a_connection(sqlite_url: URL) -> None:
    """A thread waits for the writer in its process without polling SQLite, for as long as for any lock."""
    checkouts = []
    with closing(Database(sqlite_url, lock_seconds=0.1)) as database:
        event.listen(database._engine, "checkout", lambda *_: checkouts.append(1))  # noqa: SLF001
        with database.transaction(), GONE, database.transaction():
            pytest.fail("there are two writers")
        assert len(checkouts) == 1
        with database.transaction() as connection:
            accounts.create(connection, "acme", NOW)


def test_who_stops_in_a_transaction_loses_it(postgresql_url: URL) -> None:
    """Its locks are free again after the time that anyone waits for a lock, and it is told when it goes on."""
    asleep = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")
    with closing(Database(postgresql_url, lock_seconds=0.2)) as database, closing(Database(postgresql_url)) as other:
        with pytest.raises(StoreUnavailable), database.transaction() as connection:
            accounts.create(connection, "acme", datetime.now(UTC))
            with other.connect() as looking:
                wait_until(lambda: looking.scalar(asleep) == 0)
            accounts.create(connection, "globex", datetime.now(UTC))
        with database.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM accounts")) == 0
