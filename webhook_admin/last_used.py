"""When keys were last used: written in the background, never in a request's own time or transaction."""

import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

import structlog
from sqlalchemy.exc import SQLAlchemyError

from webhook_admin import keys
from webhook_admin.db import Database
from webhook_admin.errors import StoreUnavailable

_WRITE_EVERY = 1.0  # seconds
log = structlog.get_logger()


class LastUsed:
    """Collects the ids of keys that have been used, and writes them once a second.

    What was collected in the last second before a crash is forgotten: it is a convenience for admins, no record.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._key_ids: SimpleQueue[str | None] = SimpleQueue()
        self._closing = threading.Event()
        self._start = threading.Lock()
        self._writer = threading.Thread(target=self._write_until_closed, name="last-used", daemon=True)

    def note(self, caller: keys.Caller, now: datetime) -> None:
        """Remember that the caller's key has been used at `now`, unless that is on record for this minute."""
        if caller.last_used_at is not None and now - caller.last_used_at < keys.USE_INTERVAL:
            return
        self._key_ids.put(caller.key_id)
        if self._start.acquire(blocking=False):
            # Not in __init__: a thread does not survive the fork by which servers make their workers.
            self._writer.start()

    def close(self) -> None:
        """Write what has been collected, and write no more."""
        self._closing.set()
        self._key_ids.put(None)
        if self._writer.ident is not None:
            self._writer.join()

    def _write_until_closed(self) -> None:
        while not self._closing.is_set():
            first = self._key_ids.get()
            self._closing.wait(_WRITE_EVERY)
            self._write({key_id for key_id in (first, *self._collected()) if key_id})

    def _collected(self) -> Iterator[str | None]:
        with suppress(Empty):
            while True:
                yield self._key_ids.get_nowait()

    def _write(self, key_ids: Collection[str]) -> None:
        try:
            with self._database.connect() as connection:
                keys.record_use(connection, key_ids, datetime.now(UTC))
        except (StoreUnavailable, SQLAlchemyError) as error:
            log.warning("last_used_not_written", keys=len(key_ids), error=str(error))
