"""When a delivery is attempted again, and how long a lane pauses whose receiver keeps failing.

Pure. Times are whole milliseconds: points in time since the epoch, spans as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

JITTER = 0.2
"""The part of a wait by which it may be shorter or longer, so that what failed together does not return together."""

EXHAUSTED_BEFORE_DISABLING = 10
"""So many deliveries have to use up their attempts before a webhook is disabled that fails."""

MAX_RETRY_AFTER = 6 * HOUR
"""As far as a receiver can put off the next attempt."""

FAILURES_BEFORE_PAUSE = 5
FIRST_PAUSE = 10 * SECOND
MAX_PAUSE = 10 * MINUTE
# The doublings that lead from the first pause past the longest.
_MAX_DOUBLINGS = 6


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how long a delivery is attempted: the waits between attempts, and its greatest age.

    A webhook that has failed for `disable_after` is disabled; 0 for never.
    """

    schedule: Sequence[int]
    max_age: int
    disable_after: int = 0


def next_due(
    schedule: Sequence[int], attempt: int, now: int, retry_after: int | None, random: Callable[[], float]
) -> int | None:
    """When the next attempt is due after `attempt` of them (at least one); None once the schedule is used up.

    `retry_after` is the receiver's wish: it makes the wait longer, never shorter. `random` gives numbers from 0 to 1.
    """
    if attempt > len(schedule):
        return None
    wait = round(schedule[attempt - 1] * (1 - JITTER + 2 * JITTER * random()))
    return now + max(wait, min(retry_after or 0, MAX_RETRY_AFTER))


def parse_retry_after(text: str, now: int) -> int | None:
    """How long the value of a Retry-After header asks to wait: seconds or a date (RFC 9110, 10.2.3).

    None if it is neither, and 0 for a date in the past.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        # Twelve digits are beyond all bounds already, and int() refuses thousands of them.
        return int(text.lstrip("0")[:12] or "0") * SECOND
    try:
        date = parsedate_to_datetime(text)
        # An HTTP date is in GMT, even where it forgets to say so.
        due = date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0, round(due * SECOND) - now)


def pause(failures: int) -> int:
    """How long a lane pauses after so many failures in a row."""
    if failures < FAILURES_BEFORE_PAUSE:
        return 0
    return min(FIRST_PAUSE << min(failures - FAILURES_BEFORE_PAUSE, _MAX_DOUBLINGS), MAX_PAUSE)
