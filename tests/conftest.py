"""Fixtures of all tests: the service in this process, and as real processes; others are in the plug-ins below."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import URL

from tests.api import Api
from tests.processes import Start, settings, starting
from webhook_admin import accounts, keys, logs
from webhook_admin.app import create_app, make_parts
from webhook_admin.config import Settings
from webhook_admin.db import Database

pytest_plugins = ["tests.stores", "tests.engine_fixtures", "tests.shell_fixtures"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the suite in the background has SIGINT ignored, also by all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Each of several hundred processes would compile the package anew, which takes 0.3 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more worker than there are processors: a third of the time, tests wait."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WEBHOOK_ADMIN_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def environment(store_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The settings of a service on the store, in the environment."""
    for name, value in settings(store_url, tmp_path).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `webhook-admin serve` (or another command) on a free port, and returns when it answers."""
    with starting(tmp_path) as start:
        yield start
