"""When keys were last used: written in the background, never in a request's own time or transaction."""

import threading
import time
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
        self._key_ids: SimpleQueue[str] = SimpleQueue()
        self._start = threading.Lock()

    def note(self, caller: keys.Caller, now: datetime) -> None:
        """Remember that the caller's key has been used at `now`, unless that is on record for this minute."""
        if caller.last_used_at is not None and now - caller.last_used_at < keys.USE_INTERVAL:
            return
        self._key_ids.put(caller.key_id)
        if self._start.acquire(blocking=False):
            # Not in __init__: a thread does not survive the fork by which servers make their workers.
            threading.Thread(target=self._write_forever, name="last-used", daemon=True).start()

    def _write_forever(self) -> None:
        while True:
            key_ids = {self._key_ids.get()}
            time.sleep(_WRITE_EVERY)
            key_ids |= self._collected()
            try:
                with self._database.connect() as connection:
                    keys.record_use(connection, key_ids, datetime.now(UTC))
            except (StoreUnavailable, SQLAlchemyError) as error:
                log.warning("last_used_not_written", keys=len(key_ids), error=str(error))

    def _collected(self) -> set[str]:
        key_ids = set()
        while True:
            try:
                key_ids.add(self._key_ids.get_nowait())
            except Empty:
                return key_ids
