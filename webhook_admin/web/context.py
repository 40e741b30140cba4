"""What a request works with: the service's parts, its own connection and its own moment."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from cryptography.fernet import MultiFernet
from flask import Flask, current_app, g
from sqlalchemy import Connection

from webhook_admin.config import Settings
from webhook_admin.db import Database, Transaction
from webhook_admin.last_used import LastUsed

_NAME = "webhook_admin"


@dataclass(frozen=True)
class Parts:
    """What the service is made of."""

    settings: Settings
    database: Database
    cipher: MultiFernet
    last_used: LastUsed

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


def transaction() -> AbstractContextManager[Transaction]:
    """A transaction for the request, which gives its connection back before: no request holds two."""
    _close(None)
    return parts().database.transaction()


def now() -> datetime:
    """The moment of the request, the same whenever it is asked for."""
    now = g.get("now")
    if now is None:
        now = g.now = datetime.now(UTC)
    return cast("datetime", now)


def _close(_error: BaseException | None) -> None:
    connection = g.pop("connection", None)
    if connection is not None:
        connection.close()
