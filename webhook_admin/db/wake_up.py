"""How a dispatcher hears of new deliveries: by NOTIFY on PostgreSQL, by SQLite's own change counter."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from pathlib import Path
from urllib.parse import quote

import psycopg

from webhook_admin.db import Database
from webhook_admin.db.engines import POSTGRESQL_CONNECTION
from webhook_admin.db.notify import CHANNEL

# Seconds. Reading the counter takes microseconds.
_LOOK_EVERY = 0.02
_RECONNECT_AFTER = 1.0


async def wake_ups(database: Database) -> AsyncGenerator[None, None]:
    """Comes round, for ever, whenever there may be something new in the store, and when it is reachable again."""
    while True:
        try:
            async with aclosing(_look(database.file) if database.file else _listen(database)) as inner:
                async for _ in inner:
                    yield
        except (OSError, sqlite3.Error, psycopg.Error):
            # The dispatcher meets the same trouble, and reports it.
            await asyncio.sleep(_RECONNECT_AFTER)


async def _listen(database: Database) -> AsyncGenerator[None, None]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = {name: value for name, value in POSTGRESQL_CONNECTION.items() if name not in database.url.query}
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, **options) as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        yield
        async for _ in connection.notifies():
            yield


async def _look(file: Path) -> AsyncGenerator[None, None]:
    inode = _inode(file)
    with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, isolation_level=None)) as connection:
        seen = None
        # Another file may be put in its place, such as a backup.
        while _inode(file) == inode:
            if (version := connection.execute("PRAGMA data_version").fetchone()) != seen:
                seen = version
                yield
            await asyncio.sleep(_LOOK_EVERY)


def _inode(file: Path) -> int:
    return file.stat().st_ino
