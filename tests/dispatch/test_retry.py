"""When a delivery is attempted again (contract, section 2) and a lane is put off (design, section 3)."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook_admin.config import RETRY_SCHEDULE
from webhook_admin.dispatch.retry import HOUR, MINUTE, SECOND, next_due, parse_retry_after, pause

SCHEDULE = [wait * SECOND for wait in RETRY_SCHEDULE]
NOW = 1_780_000_000_000


def middle() -> float:
    """Stands for chance: the wait as the schedule has it."""
    return 0.5


def test_nine_attempts_over_21_hours() -> None:
    """The waits are those that the contract promises, and the ninth attempt is the last."""
    waits = [next_due(SCHEDULE, attempt, 0, None, middle) for attempt in range(1, 10)]
    hours = [5 / 3600, 30 / 3600, 2 / 60, 10 / 60, 30 / 60, 2, 6, 12]
    assert waits == [*[round(one * HOUR) for one in hours], None]
    assert 20 * HOUR < sum(SCHEDULE) < 22 * HOUR


@given(st.integers(1, len(SCHEDULE)), st.floats(0, 1))
def test_jitter_is_a_fifth_at_most(attempt: int, chance: float) -> None:
    """A wait is up to 20 % shorter or longer than the schedule's."""
    due = next_due(SCHEDULE, attempt, NOW, None, lambda: chance)
    assert due is not None
    assert 0.8 * SCHEDULE[attempt - 1] - 1 <= due - NOW <= 1.2 * SCHEDULE[attempt - 1] + 1


def test_jitter_reaches_both_ends() -> None:
    """Chance decides over the whole range, so that what failed together does not return together."""
    assert [next_due([10 * SECOND], 1, 0, None, chance) for chance in (lambda: 0.0, lambda: 1.0)] == [8_000, 12_000]


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        (None, 5 * SECOND),
        (0, 5 * SECOND),
        (3 * SECOND, 5 * SECOND),
        (MINUTE, MINUTE),
        (6 * HOUR, 6 * HOUR),
        (7 * HOUR, 6 * HOUR),
        (10**15, 6 * HOUR),
    ],
)
def test_retry_after_delays_further(retry_after: int | None, wait: int) -> None:
    """A receiver can make the wait longer, up to 6 h, and never shorter."""
    assert next_due(SCHEDULE, 1, NOW, retry_after, middle) == NOW + wait


def test_retry_after_never_shortens_a_long_wait() -> None:
    """The bound of 6 h is one for Retry-After, and not for the schedule."""
    assert next_due(SCHEDULE, 8, NOW, 7 * HOUR, middle) == NOW + 12 * HOUR


def test_retry_after_adds_no_attempt() -> None:
    """After the last attempt nothing is due, whatever the receiver asks for."""
    assert next_due(SCHEDULE, 9, NOW, MINUTE, middle) is None


def test_an_empty_schedule_retries_nothing() -> None:
    """Retries can be switched off by the setting."""
    assert next_due([], 1, NOW, None, middle) is None


def date(seconds: int) -> str:
    """The HTTP date so many seconds from now."""
    return format_datetime(datetime.fromtimestamp(NOW / SECOND + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("0", 0),
        ("120", 120 * SECOND),
        (" 7 ", 7 * SECOND),
        ("007", 7 * SECOND),
        (date(90), 90 * SECOND),
        (date(-90), 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ("Sun Nov  6 08:49:37 1994", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, wait: int) -> None:
    """All forms of RFC 9110 are understood; a date in the past asks for nothing."""
    assert parse_retry_after(text, NOW) == wait


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "1e3", "+3", "٣", "12 34", "Fri, 99 Foo 2026", "0x10", "\0"])
def test_junk_is_no_retry_after(text: str) -> None:
    """What is neither is as good as no header."""
    assert parse_retry_after(text, NOW) is None


@pytest.mark.parametrize("text", ["99999999999", "9" * 100, "9" * 10_000])
def test_a_huge_retry_after_is_bounded(text: str) -> None:
    """However many seconds a receiver writes, the delivery is attempted again within 6 h."""
    assert next_due(SCHEDULE, 1, NOW, parse_retry_after(text, NOW), middle) == NOW + 6 * HOUR


PIECES = st.sampled_from(["Mon,", "31", "Feb", "9999", "0", "25:61:61", "GMT", "+9999", "-2400", "1", "99999"])


@given(st.text() | st.lists(PIECES).map(" ".join))
def test_no_header_is_an_error(text: str) -> None:
    """Whatever a receiver sends, the answer is a wait or none."""
    wait = parse_retry_after(text, NOW)
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("failures", "wait"),
    [
        (0, 0),
        (4, 0),
        (5, 10 * SECOND),
        (6, 20 * SECOND),
        (7, 40 * SECOND),
        (10, 320 * SECOND),
        (11, 10 * MINUTE),
        (12, 10 * MINUTE),
        (1_000_000, 10 * MINUTE),
    ],
)
def test_a_failing_lane_is_put_off(failures: int, wait: int) -> None:
    """From the fifth failure in a row, a lane rests for 10 s, then for twice as long each time, to 10 min."""
    assert pause(failures) == wait
