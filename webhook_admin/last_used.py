"""When keys were last used: written in the background, never in a request's own time or transaction."""

import threading
from datetime import UTC, datetime

import structlog

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
        self._key_ids: set[str] = set()
        self._collected = threading.Event()
        self._start = threading.Lock()

    def note(self, caller: keys.Caller, now: datetime) -> None:
        """Remember that the caller's key has been used at `now`, unless that is on record for this minute."""
        if caller.last_used_at is not None and now - caller.last_used_at < keys.USE_INTERVAL:
            return
        self._key_ids.add(caller.key_id)
        if self._start.acquire(blocking=False):
            # Not in __init__: a thread does not survive the fork by which servers make their workers.
            threading.Thread(target=self._write_forever, name="last-used", daemon=True).start()
        self._collected.set()

    def _write_forever(self) -> None:
        pause = threading.Event()
        while self._collected.wait():
            pause.wait(_WRITE_EVERY)
            self._collected.clear()
            key_ids, self._key_ids = self._key_ids, set()
            try:
                with self._database.connect() as connection:
                    keys.record_use(connection, key_ids, datetime.now(UTC))
            except StoreUnavailable as error:
                log.warning("last_used_not_written", keys=len(key_ids), error=str(error))
