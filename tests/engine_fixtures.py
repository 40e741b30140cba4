"""Fixtures of tests that run a dispatcher: the queue, a receiver, and the dispatcher itself."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.engine import Configure, Dispatch, Queue, Running
from tests.receiver import Receiver
from webhook_admin import encryption
from webhook_admin.config import Settings
from webhook_admin.db import Database


@pytest.fixture
def queue(database: Database, environment: pytest.MonkeyPatch) -> Queue:
    """The store's queue, empty, without any account."""
    return Queue(database, encryption.load_cipher(Settings.from_environment()))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on loopback."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def configure(environment: pytest.MonkeyPatch, receiver: Receiver) -> Configure:
    """Sets settings (names in lower case) in the environment, after those that let the receiver be reached."""
    environment.setenv("WEBHOOK_ADMIN_ALLOWED_NETWORKS", "127.0.0.0/8")
    environment.setenv("WEBHOOK_ADMIN_CA_BUNDLE", str(receiver.ca_file))
    environment.setenv("WEBHOOK_ADMIN_REQUEST_TIMEOUT", "10")

    def configure(**values: object) -> Settings:
        for name, value in values.items():
            environment.setenv(f"WEBHOOK_ADMIN_{name.upper()}", str(value))
        return Settings.from_environment()

    return configure


@pytest.fixture
def dispatch(configure: Configure, database: Database) -> Iterator[Dispatch]:
    """Starts a dispatcher with these settings, which runs until the test ends."""
    with ExitStack() as running:
        yield lambda **values: running.enter_context(Running(configure(**values)))
