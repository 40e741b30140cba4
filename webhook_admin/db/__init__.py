"""The store, and the only place that knows which database it is.

There are two ways in, and the one taken shows who commits:

- `Database.connect()`: every statement is a transaction of its own, committed when it returns. One statement, one
  round trip: no BEGIN, no COMMIT.
- `Database.transaction()`: all statements or none, committed when the block ends. Its connection has the type
  `Transaction`, by which functions say that they need one.

A driver's errors when the store is away, locked, full, damaged or without its tables are raised as
`StoreUnavailable`, with the cause in words.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NewType, TypeVar, cast

from sqlalchemy import URL, Column, Connection, QueuePool, Select, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import ExceptionContext

from webhook_admin.config import where_data_dir_is
from webhook_admin.db import engines, trouble, urls
from webhook_admin.errors import Misconfigured, StoreUnavailable

T = TypeVar("T")
Transaction = NewType("Transaction", Connection)
"""A connection whose statements commit together, or not at all."""
log = logging.getLogger(__name__)


class Database:
    """The store behind one database URL, SQLite's (a file) or PostgreSQL's."""

    def __init__(self, url: URL | str, lock_seconds: float = 5) -> None:
        """`lock_seconds` is how long a statement waits for a lock before the store counts as unavailable.

        Opens nothing yet. Raises `Misconfigured` for a URL that is none.
        """
        self.url = url = urls.parse(url) if isinstance(url, str) else url
        self._lock_seconds = lock_seconds
        self._writer = threading.Lock()
        self.file = Path(url.database).absolute() if url.drivername == "sqlite" and url.database else None
        if self.file:
            self._engine = engines.sqlite(self.file, lock_seconds)
        else:
            self._engine = engines.postgresql(url, lock_seconds)
        self._is_away = self.is_failing = False
        event.listen(self._engine, "handle_error", self._on_error)
        event.listen(self._engine, "connect", self._on_connect)
        options = {} if self.file else {"isolation_level": "READ COMMITTED"}
        self._transactions = self._engine.execution_options(**options)
        if self.file:
            # Not on the engine itself, where SQLAlchemy would look for listeners at every step of every statement.
            event.listen(self._transactions, "begin", engines.begin_immediate)

    def connect(self) -> Connection:
        """A connection on which every statement commits by itself; a context manager that gives it back."""
        return self._engine.connect()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A connection whose statements commit together at the end of the block, or not at all."""
        try:
            with self._only_writer() if self.file else nullcontext(), self._transactions.begin() as connection:
                yield Transaction(connection)
        except StoreUnavailable:
            self.is_failing = not self._is_away
            raise
        if self.is_failing:
            self.is_failing = False
            log.warning("store_back")

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection to read with: a transaction on PostgreSQL; none on SQLite, whose writers would wait for it."""
        return self.connect() if self.file else self.transaction()

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        # SQLite has one writer at a time. Others would poll for their turn, sleeping up to 0.1 s, and some starve.
        if not self._writer.acquire(timeout=self._lock_seconds):
            raise StoreUnavailable(f"Another thread has had {self} locked for {self._lock_seconds:g} s.")
        try:
            yield
        finally:
            self._writer.release()

    def watch_connections(self, notify: Callable[[int], object]) -> None:
        """Tell `notify`, from now on and whenever that changes, how many connections are in use."""
        event.listen(self._engine, "checkout", lambda *_: notify(self._in_use))
        # The one that comes back is still counted.
        event.listen(self._engine, "checkin", lambda *_: notify(self._in_use - 1))

    @property
    def _in_use(self) -> int:
        return cast("QueuePool", self._engine.pool).checkedout()

    def create_file(self) -> None:
        """Make SQLite's file, for its owner's eyes only, unless it is there. PostgreSQL needs nothing.

        Raises `Misconfigured` where there cannot be one.
        """
        if self.file:
            try:
                self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.file.touch(mode=0o600)
            except OSError as error:
                raise Misconfigured(
                    f"Cannot make {self}: {str(error.strerror or error).lower()}.{where_data_dir_is(self.file.parent)}"
                ) from None

    def close(self) -> None:
        """Close the idle connections. The next use opens new ones."""
        self._engine.dispose()

    def __str__(self) -> str:
        return trouble.name(self.url, self.file)

    def _on_error(self, context: ExceptionContext) -> None:
        if trouble.is_unavailability(context):
            self._is_away = self._is_away or context.connection is None
            raise StoreUnavailable(trouble.cause(context, self.url, self.file)) from context.original_exception

    def _on_connect(self, *_: object) -> None:
        if self._is_away:
            self._is_away = False
            log.warning("store_back")


def row_lock(connection: Connection, wording: str) -> str:
    """The end of a SELECT that locks rows, as `FOR UPDATE OF lanes SKIP LOCKED`; "" on SQLite, which has one writer."""
    return wording if connection.dialect.name == "postgresql" else ""


def milliseconds_now(connection: Connection) -> int:
    """The time by the store's clock, in milliseconds since the epoch; SQLite's is this machine's."""
    if connection.dialect.name == "postgresql":
        return int(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp()) * 1000").scalar_one())
    return time.time_ns() // 1_000_000


def commit_asynchronously(connection: Connection) -> None:
    """Let the transaction's commit return before it is on disk. A crash of the server may undo it, as a whole."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


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
    *,
    descending: bool = False,
) -> Page[T]:
    """Up to `limit` rows behind the key `after`, in the order of `key` or the reverse, each made an `item(*row)`.

    By key and not by offset: every page costs what the first does, and none repeats or skips a row
    while others come and go.
    """
    if after is not None:
        rows = rows.where(key < after if descending else key > after)
    order = key.desc() if descending else key
    found = connection.execute(rows.order_by(order).limit(limit + 1)).all()
    following = found[limit - 1]._mapping[key] if len(found) > limit else None
    return Page([item(*row) for row in found[:limit]], following)
