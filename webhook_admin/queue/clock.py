"""The queue's time: whole milliseconds since the epoch."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC)
SECOND = 1_000


def now() -> int:
    """The present."""
    return time.time_ns() // 1_000_000


def milliseconds(moment: datetime) -> int:
    """An aware datetime as the queue has it."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """The queue's time as an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
