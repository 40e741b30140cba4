"""The queue's time: whole milliseconds since the epoch."""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from webhook_admin.db import milliseconds_now

_EPOCH = datetime.fromtimestamp(0, UTC)
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 3_600 * SECOND


def now() -> int:
    """The present, by this machine's clock."""
    return time.time_ns() // 1_000_000


def monotonic() -> int:
    """For spans inside this process: never goes back, whatever happens to the machine's clock."""
    return time.monotonic_ns() // 1_000_000


def milliseconds(moment: datetime) -> int:
    """An aware datetime as the queue has it."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """The queue's time as an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def text(milliseconds: int) -> str:
    """The queue's time as RFC 3339 in UTC with `Z`, to the millisecond."""
    return moment(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class StoreClock:
    """The store's time, which all dispatchers share: asked for once a second, kept by the monotonic clock meanwhile.

    So a machine whose clock is wrong neither sends early nor takes lanes whose lease has not ended.
    """

    def __init__(self) -> None:
        self._offset = now() - monotonic()
        self._set_at: int | None = None

    def now(self, connection: Connection) -> int:
        """The present."""
        if self._set_at is None or monotonic() - self._set_at >= SECOND:
            told = milliseconds_now(connection)
            self._set_at = monotonic()
            self._offset = told - self._set_at
        return self.estimate()

    def estimate(self) -> int:
        """The present by the last look, for the places that have no connection."""
        return monotonic() + self._offset
