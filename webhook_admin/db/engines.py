"""How connections to SQLite and to PostgreSQL are opened and kept."""

import select
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from webhook_admin.errors import StoreUnavailable

POSTGRESQL_CONNECTION: dict[str, Any] = {
    "application_name": "webhook-admin",
    "connect_timeout": 3,
    # A host that has vanished is noticed within 5 s, whether or not a statement is running.
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}

_PLANS_ARE_KEPT = 1  # seconds
_DISCARD_AT = "discard_plans_at"
# Connections of one process. A request holds one at a time, so more threads than these take turns; PostgreSQL has 100
# for all processes by default.
_MAX_CONNECTIONS = 32


class _Pool(QueuePool):
    """SQLAlchemy's pool; that all its connections stay in use for too long counts as `StoreUnavailable`."""

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except PoolExhausted as error:
            raise StoreUnavailable(
                f"All {_MAX_CONNECTIONS} connections to the store have been in use for {self._timeout:g} s."
            ) from error


def sqlite(file: Path, lock_seconds: float) -> Engine:
    # mode=rw: a missing file is an error, and not an empty database that forgets everybody's webhooks.
    url = URL.create("sqlite", database=f"file:{quote(str(file))}", query={"mode": "rw", "uri": "true"})
    engine = _create_engine(url, lock_seconds, {"timeout": lock_seconds})

    @event.listens_for(engine, "connect")
    def prepare(dbapi_connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        entry.info["inode"] = file.stat().st_ino
        _use_wal(dbapi_connection, lock_seconds)
        # A checkpoint every 40 MB and not every 4: a busy queue would do little else.
        # What is erased or deleted is overwritten where that costs no further page.
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "wal_autocheckpoint = 10000",
            "secure_delete = FAST",
        ):
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


def _use_wal(connection: sqlite3.Connection, lock_seconds: float) -> None:
    """Have SQLite write ahead. Of several that switch a new file at once, it sends some away without waiting."""
    deadline = time.monotonic() + lock_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def begin_immediate(connection: Connection) -> None:
    # Without IMMEDIATE, a transaction that reads before it writes can lose another's update.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def postgresql(url: URL, lock_seconds: float) -> Engine:
    # A process that stops in the middle of a transaction, as on a machine put to sleep, must not keep its locks.
    patience = f"-c lock_timeout={lock_seconds}s -c idle_in_transaction_session_timeout={lock_seconds}s"
    settings = POSTGRESQL_CONNECTION | {"options": f"{patience} -c timezone=UTC"}
    defaults = {name: value for name, value in settings.items() if name not in url.query}
    engine = _create_engine(url, lock_seconds, defaults)

    @event.listens_for(engine, "do_execute")
    def execute(cursor: Any, statement: str, parameters: Any, context: ExecutionContext) -> bool:
        # For statements that are right only with a plan for these very parameters.
        if not context.execution_options.get("replan"):
            return False
        cursor.execute(statement, parameters, prepare=False)
        return True

    @event.listens_for(engine, "checkout")
    def still_open(dbapi_connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
        # An idle connection has nothing to read unless the server has closed it. Asking the kernel
        # saves the round trip that SQLAlchemy's pre-ping would take on every request.
        poll = select.poll()
        poll.register(dbapi_connection.fileno(), select.POLLIN)
        if poll.poll(0):
            raise DisconnectionError
        # PostgreSQL keeps the plans of prepared statements, which are half of a turn's time at the store. The plan for
        # an empty queue reads all of a full one, so none is kept for long.
        now = time.monotonic()
        if now >= entry.info.get(_DISCARD_AT, 0):
            try:
                dbapi_connection.execute("DISCARD PLANS")
            except engine.dialect.loaded_dbapi.Error as error:
                raise DisconnectionError from error
            entry.info[_DISCARD_AT] = now + _PLANS_ARE_KEPT

    return engine


def _create_engine(url: URL, wait_seconds: float, connect_args: dict[str, Any]) -> Engine:
    return create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args=connect_args,
        poolclass=_Pool,
        pool_size=_MAX_CONNECTIONS,
        max_overflow=0,
        pool_timeout=wait_seconds,
        pool_use_lifo=True,
    )
