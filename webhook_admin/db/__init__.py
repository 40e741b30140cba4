"""The store, and the only place that knows which database it is.

There are two ways in, and the one taken shows who commits:

- `Database.connect()`: every statement is a transaction of its own, committed when it returns. One statement, one
  round trip: no BEGIN, no COMMIT.
- `Database.transaction()`: all statements or none, committed when the block ends.

Whatever a driver says when the database is away, locked or full is raised as `StoreUnavailable`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import URL, Column, Connection, Select, Table, event
from sqlalchemy.dialects import postgresql, sqlite

from webhook_admin.db import engines
from webhook_admin.errors import StoreUnavailable

T = TypeVar("T")


class Database:
    """The store behind one database URL, SQLite's (a file) or PostgreSQL's."""

    def __init__(self, url: URL, lock_seconds: float = 5) -> None:
        """`lock_seconds` is how long a statement waits for a lock before the store counts as unavailable."""
        self.url = url
        self._lock_seconds = lock_seconds
        self._writer = threading.Lock()
        self.file = Path(url.database).absolute() if url.drivername == "sqlite" and url.database else None
        if self.file:
            self._engine = engines.sqlite(self.file, lock_seconds)
        else:
            self._engine = engines.postgresql(url, lock_seconds)
        event.listen(self._engine, "handle_error", engines.translate)
        options = {} if self.file else {"isolation_level": "READ COMMITTED", "replan": True}
        self._transactions = self._engine.execution_options(**options)
        if self.file:
            # Not on the engine itself, where SQLAlchemy would look for listeners at every step of every statement.
            event.listen(self._transactions, "begin", engines.begin_immediate)

    def connect(self) -> Connection:
        """A connection on which every statement commits by itself; a context manager that gives it back."""
        return self._engine.connect()

    def transaction(self) -> AbstractContextManager[Connection]:
        """A connection whose statements commit together at the end of the block, or not at all."""
        return self._only_writer() if self.file else self._transactions.begin()

    @contextmanager
    def _only_writer(self) -> Iterator[Connection]:
        # SQLite has one writer at a time. Others would poll for their turn, sleeping up to 0.1 s, and some starve.
        if not self._writer.acquire(timeout=self._lock_seconds):
            raise StoreUnavailable
        try:
            with self._transactions.begin() as connection:
                yield connection
        finally:
            self._writer.release()

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
