"""What a request works with: the service's parts, its own connection and its own moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from cryptography.fernet import MultiFernet
from flask import Flask, current_app, g
from sqlalchemy import Connection

from webhook_admin.config import Settings
from webhook_admin.db import Database, Transaction
from webhook_admin.last_used import LastUsed
from webhook_admin.metrics.api import ApiMetrics
from webhook_admin.queue.group_commit import GroupCommit
from webhook_admin.web.rate_limit import RateLimit

_NAME = "webhook_admin"


@dataclass(frozen=True)
class Parts:
    """What the service is made of."""

    settings: Settings
    database: Database
    cipher: MultiFernet
    last_used: LastUsed
    group_commit: GroupCommit
    rate_limit: RateLimit
    metrics: ApiMetrics
    sign_ins: RateLimit

    def close(self) -> None:
        """End what goes on in the background, and close the store."""
        self.last_used.close()
        self.database.close()


def init_app(app: Flask, parts: Parts) -> None:
    """Give the app's requests the parts, and take back each request's connection at its end."""
    app.extensions[_NAME] = parts
    app.teardown_request(_close)


def parts() -> Parts:
    """The parts of the service that runs."""
    return cast("Parts", current_app.extensions[_NAME])


def connection() -> Connection:
    """The request's connection, on which every statement commits by itself: before the response, that is."""
    connection = g.get("connection")
    if connection is None:
        connection = g.connection = parts().database.connect()
    return cast("Connection", connection)


@contextmanager
def transaction() -> Iterator[Transaction]:
    """A connection whose statements commit together at the end of the block, or not at all."""
    give_back()
    with parts().database.transaction() as transaction:
        yield transaction


def give_back() -> None:
    """Give the request's connection back to the pool, if it has one.

    A request never holds one connection while it takes another or waits for another request: once every connection is
    held by a request that waits for a second one, none of them goes on (deadlock).
    """
    connection = g.pop("connection", None)
    if connection is not None:
        connection.close()


def now() -> datetime:
    """The moment of the request, the same whenever it is asked for."""
    now = g.get("now")
    if now is None:
        now = g.now = datetime.now(UTC)
    return cast("datetime", now)


def _close(_error: BaseException | None) -> None:
    give_back()
