"""What is said when the store is not available, and that work goes on by itself once it is."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, text

from tests.api import URL_1, WEBHOOK, Api
from tests.engine import Dispatch, Queue, event
from tests.receiver import Receiver
from tests.waiting import wait_until
from webhook_admin import logs
from webhook_admin.db import Database, trouble
from webhook_admin.errors import Misconfigured, StoreUnavailable

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
PREAMBLE = 'connection failed: connection to server at "10.0.0.5", port 5432 failed: '
CHECK = "Check WEBHOOK_ADMIN_DATABASE_URL, and that the server runs."


def cause(database: Database, statement: str = "SELECT count(*) FROM accounts") -> str:
    """Why the statement cannot be executed."""
    with pytest.raises(StoreUnavailable) as caught, closing(database), database.connect() as connection:
        connection.execute(text(statement))
    assert "sesame" not in caught.value.cause
    assert "sesame" not in str(caught.value)
    return caught.value.cause


# SQLite


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With its whole path, and the command that makes one."""
    file = tmp_path / "webhook-admin.db"
    assert cause(Database(f"sqlite:///{file}")) == (
        f"There is no SQLite file {file}. `webhook-admin up` or `webhook-admin db upgrade` makes one."
    )


def test_a_relative_folder_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs a command in another folder than the service reads why nothing is there."""
    monkeypatch.chdir(tmp_path)
    assert (
        f"There is no SQLite file {tmp_path}/webhook-admin-data/webhook-admin.db. WEBHOOK_ADMIN_DATA_DIR is "
        f"webhook-admin-data, relative to the current folder, {tmp_path}. "
    ) in cause(Database(f"sqlite:///{tmp_path}/webhook-admin-data/webhook-admin.db"))
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", f"{tmp_path}/webhook-admin-data")
    assert "relative to" not in cause(Database(f"sqlite:///{tmp_path}/webhook-admin-data/webhook-admin.db"))


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    """What is wrong with the path is said."""
    assert cause(Database(f"sqlite:///{tmp_path}")) == f"Cannot open the SQLite file {tmp_path}: it is a folder."


def test_another_file_is_named(tmp_path: Path) -> None:
    """A file that is no database is not called unreachable."""
    file = tmp_path / "notes.txt"
    file.write_text("a" * 5_000)
    assert cause(Database(f"sqlite:///{file}")).startswith(f"{file} is not an SQLite database")


def test_a_locked_file_is_named(sqlite_url: URL) -> None:
    """Who waits for a lock in vain is told which file it is."""
    database = Database(sqlite_url, lock_seconds=0.05)
    with closing(sqlite3.connect(str(database.file), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert (
            cause(database, "DELETE FROM accounts") == f"The SQLite file {database.file} is locked by another process."
        )


def test_a_full_disk_is_named(sqlite_url: URL) -> None:
    """A limit on the file stands for the disk's."""
    database = Database(sqlite_url)
    with database.connect() as connection, pytest.raises(StoreUnavailable) as caught:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.exec_driver_sql("CREATE TABLE large AS SELECT randomblob(1000000)")
    database.close()
    assert caught.value.cause == f"Cannot write to the SQLite file {database.file}: the disk is full."


@pytest.mark.parametrize("folder", ["/dev/null/data", "/proc/data"])
def test_a_folder_that_cannot_be_made_is_named(folder: str) -> None:
    """One sentence, with the path and the reason."""
    said = rf"Cannot make the SQLite file {folder}/webhook-admin.db: [a-z ]+\."
    with pytest.raises(Misconfigured) as caught:
        Database(f"sqlite:///{folder}/webhook-admin.db").create_file()
    assert re.fullmatch(said, str(caught.value))


# PostgreSQL


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_port_that_nobody_listens_on_is_named(host: str) -> None:
    """Host, port and reason, and where to look."""
    assert (
        cause(Database(f"postgresql://user:sesame@{host}:1/webhooks"))
        == f"Cannot reach PostgreSQL at {host}:1: connection refused. {CHECK}"
    )


def test_a_database_that_is_not_there_is_named(postgresql: URL) -> None:
    """The server's own words, without what the driver says around them."""
    database = Database(postgresql.set(database="nowhere"))
    assert cause(database) == f'Cannot reach {database}: database "nowhere" does not exist. {CHECK}'


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (f"{PREAMBLE}FATAL:  password authentication failed for user", "password authentication failed for user"),
        ("failed to resolve host 'db': [Errno -2] Name or service not known", None),
        ("connection timeout expired", "connection timeout expired"),
        ("", "operationalError"),
    ],
)
def test_the_drivers_words_become_a_reason(said: str, reason: str | None) -> None:
    """What psycopg and libpq say is cut down to what is wrong."""
    expected = reason or "failed to resolve host 'db': Name or service not known"
    assert trouble.reason(psycopg.OperationalError(said)) == expected


@pytest.mark.parametrize("option", ["sslmode=often", "nothing=1", "port=99999"])
def test_an_option_that_is_none_is_named(option: str) -> None:
    """What the driver refuses is a sentence, too."""
    assert option.partition("=")[0] in cause(Database(f"postgresql://user:sesame@127.0.0.1:1/webhooks?{option}"))


# What comes and goes


@contextmanager
def broken_header(database: Database) -> Iterator[None]:
    """SQLite's file begins with something else meanwhile."""
    assert database.file
    with closing(sqlite3.connect(database.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.file.open("r+b", buffering=0) as file:
        header = file.read(100)
        file.seek(0)
        file.write(bytes(100))
        try:
            yield
        finally:
            file.seek(0)
            file.write(header)


@contextmanager
def missing_table(database: Database, table: str) -> Iterator[None]:
    """There is no such table meanwhile."""
    with closing(Database(database.url)) as other, other.connect() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO hidden")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"ALTER TABLE hidden RENAME TO {table}")


@ON_SQLITE
def test_a_broken_header_is_503_until_it_is_repaired(customer: Api, database: Database) -> None:
    """The API needs no restart: after the repair the next call succeeds."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    with broken_header(database):
        for _ in range(3):
            assert customer("GET", WEBHOOK).status_code == 503
    assert customer("GET", WEBHOOK).status_code == 200


def test_a_missing_table_is_503_until_it_is_back(customer: Api, database: Database, capfd: Any) -> None:
    """The caller is told nothing of what is inside; the log says which table it is."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    with missing_table(database, "webhooks"):
        answer = customer("GET", WEBHOOK)
        assert answer.status_code == 503
        assert "webhooks" not in answer.json["detail"]
    assert re.search(r'event=store_unavailable .*cause="A table is missing from .*webhooks', capfd.readouterr().err)
    assert customer("GET", WEBHOOK).status_code == 200


class Log:
    """What this process logs."""

    def __init__(self, capfd: Any) -> None:
        logs.configure("info", "text")
        self._capfd = capfd
        self._text = ""

    def count(self, name: str) -> int:
        """How many lines there are of this event, so far."""
        self._text += self._capfd.readouterr().err
        return self._text.count(f"event={name}")


def meets_trouble(away: AbstractContextManager[None], queue: Queue, dispatch: Dispatch, log: Log) -> None:
    """A dispatcher runs into it, and delivers afterwards."""
    with away:
        dispatch()
        wait_until(lambda: log.count("store_unavailable") >= 2)
        assert log.count("store_back") == 0
    queue.accept(event())
    queue.wait_for(DELIVERED=1)
    assert log.count("store_back") == 1


@ON_SQLITE
def test_a_dispatcher_waits_for_the_repair(queue: Queue, dispatch: Dispatch, receiver: Receiver, capfd: Any) -> None:
    """While the file's header is broken it waits; then it goes on, and says once that the store is back."""
    queue.customer(callback_url=receiver.url())
    meets_trouble(broken_header(queue.database), queue, dispatch, Log(capfd))


def test_a_dispatcher_waits_for_a_table(queue: Queue, dispatch: Dispatch, receiver: Receiver, capfd: Any) -> None:
    """The same without a table that it needs, although the store can be reached all the time."""
    queue.customer(callback_url=receiver.url())
    meets_trouble(missing_table(queue.database, "lanes"), queue, dispatch, Log(capfd))
