"""The store, and the only place that knows which database it is.

There are two ways in, and the one taken shows who commits:

- `Database.connect()`: every statement is a transaction of its own, committed when it returns. One statement, one
  round trip: no BEGIN, no COMMIT.
- `Database.transaction()`: all statements or none, committed when the block ends.

Whatever a driver says when the database is away, locked or full is raised as `StoreUnavailable`.
"""

import select
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import URL, Column, Connection, Engine, Select, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from webhook_admin.errors import StoreUnavailable

T = TypeVar("T")

_POSTGRESQL_CONNECTION: dict[str, Any] = {
    "application_name": "webhook-admin",
    "connect_timeout": 3,
    # A host that has vanished is noticed within 5 s, whether or not a statement is under way.
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}


class Database:
    """The store behind one database URL, SQLite's (a file) or PostgreSQL's."""

    def __init__(self, url: URL, lock_seconds: float = 5) -> None:
        """`lock_seconds` is how long a statement waits for a lock before the store counts as unavailable."""
        self.url = url
        self.file = Path(url.database).absolute() if url.drivername == "sqlite" and url.database else None
        self._engine = _sqlite_engine(self.file, lock_seconds) if self.file else _postgresql_engine(url, lock_seconds)
        event.listen(self._engine, "handle_error", _translate)
        isolation = {} if self.file else {"isolation_level": "READ COMMITTED"}
        self._transactions = self._engine.execution_options(**isolation)
        if self.file:
            # Not on the engine itself, where SQLAlchemy would look for listeners at every step of every statement.
            event.listen(self._transactions, "begin", _begin_immediate)

    def connect(self) -> Connection:
        """A connection on which every statement commits by itself; a context manager that gives it back."""
        return self._engine.connect()

    def transaction(self) -> AbstractContextManager[Connection]:
        """A connection whose statements commit together at the end of the block, or not at all."""
        return self._transactions.begin()

    def create_file(self) -> None:
        """Make SQLite's file, for its owner's eyes only, unless it is there. PostgreSQL needs nothing."""
        if self.file:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.file.touch(mode=0o600)

    def close(self) -> None:
        """Close the idle connections. The next use opens new ones."""
        self._engine.dispose()


def insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT with `on_conflict_...`, which both databases word alike and SQLAlchemy keeps apart."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list; `next` is what to ask for the following ones with, None on the last page."""

    items: list[T]
    next: str | None


def page(
    connection: Connection,
    rows: Select[Any],
    key: Column[str],
    after: str | None,
    limit: int,
    item: Callable[..., T],
) -> Page[T]:
    """Up to `limit` rows behind the key `after`, in the order of `key`, each made an `item(*row)`.

    By key and not by offset: every page costs what the first does, and none repeats or skips a row
    while others come and go.
    """
    if after is not None:
        rows = rows.where(key > after)
    found = connection.execute(rows.order_by(key).limit(limit + 1)).all()
    following = found[limit - 1]._mapping[key] if len(found) > limit else None
    return Page([item(*row) for row in found[:limit]], following)


def _sqlite_engine(file: Path, lock_seconds: float) -> Engine:
    # mode=rw: a missing file is an error, and not an empty database that forgets everybody's webhooks.
    url = URL.create("sqlite", database=f"file:{quote(str(file))}", query={"mode": "rw", "uri": "true"})
    engine = create_engine(
        url, isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args={"timeout": lock_seconds}
    )

    @event.listens_for(engine, "connect")
    def prepare(dbapi_connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        entry.info["inode"] = file.stat().st_ino
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "checkout")
    def same_file(_connection: sqlite3.Connection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        # SQLite goes on writing to a file that has been deleted or replaced, and all of that would be lost.
        try:
            replaced = file.stat().st_ino != entry.info["inode"]
        except OSError:
            replaced = True
        if replaced:
            raise DisconnectionError

    return engine


def _begin_immediate(connection: Connection) -> None:
    # Without IMMEDIATE, a transaction that reads before it writes can lose another's update.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql_engine(url: URL, lock_seconds: float) -> Engine:
    settings = _POSTGRESQL_CONNECTION | {"options": f"-c lock_timeout={lock_seconds}s -c timezone=UTC"}
    defaults = {name: value for name, value in settings.items() if name not in url.query}
    engine = create_engine(url, isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args=defaults)

    @event.listens_for(engine, "checkout")
    def still_open(dbapi_connection: Any, _entry: ConnectionPoolEntry, _proxy: object) -> None:
        # An idle connection has nothing to read unless the server has closed it. Asking the kernel
        # saves the round trip that SQLAlchemy's pre-ping would take on every request.
        poll = select.poll()
        poll.register(dbapi_connection.fileno(), select.POLLIN)
        if poll.poll(0):
            raise DisconnectionError

    return engine


def _translate(context: ExceptionContext) -> None:
    if context.is_disconnect or _is_unavailable(context.original_exception, context.sqlalchemy_exception):
        raise StoreUnavailable from context.original_exception


def _is_unavailable(original: BaseException, error: Exception | None) -> bool:
    if isinstance(original, sqlite3.OperationalError):
        # SQLITE_ERROR is a mistake in the statement or the schema; all others are the file's or the machine's trouble.
        return original.sqlite_errorcode != sqlite3.SQLITE_ERROR
    # A standby, as after a failover, refuses to write.
    return isinstance(error, OperationalError | InterfaceError) or isinstance(original, ReadOnlySqlTransaction)
