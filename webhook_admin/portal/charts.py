"""The last hours as pictures: where each line of an SVG is drawn. The templates draw it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from webhook_admin.queue.clock import HOUR, moment
from webhook_admin.queue.statistics import Counts, Kind

WIDTH, HEIGHT = 360, 150
_LEFT, _TOP, _BOTTOM = 44, 8, 126
# Milliseconds: lines at round times.
_TIMES = (1, 10, 100, 1_000, 10_000, 60_000, 600_000, HOUR, 10 * HOUR, 100 * HOUR)


@dataclass(frozen=True, slots=True)
class Hour:
    """What an hour has, and where it is drawn: x and the heights of its bars, y of its percentiles by name."""

    begins: datetime
    delivered: int
    failed: int
    acknowledged_after_ms: Mapping[str, int | None]
    x: float
    delivered_height: float
    failed_height: float
    percentile_y: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Chart:
    """The hours, and the lines across them: each the y of a value."""

    hours: Sequence[Hour]
    counts: Mapping[int, float]
    times: Mapping[int, float]
    left: int = _LEFT
    bottom: int = _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def slot(self) -> float:
        """The width of an hour."""
        return (WIDTH - _LEFT) / len(self.hours)


def draw(by_hour: Mapping[int, Counts]) -> Chart:
    """The chart of some hours since the epoch."""
    most = _round(max(each[Kind.DELIVERED] + each[Kind.FAILED] for each in by_hour.values()))
    times = _lines([ms for each in by_hour.values() for ms in each.acknowledged_after_ms.values() if ms])
    return Chart(
        list(_hours(by_hour, most, times)),
        {count: _BOTTOM - _height(count, most) for count in (0, most // 2, most)},
        {time: _y(time, times) for time in times},
    )


def _hours(by_hour: Mapping[int, Counts], most: int, times: Sequence[int]) -> Iterator[Hour]:
    slot = (WIDTH - _LEFT) / len(by_hour)
    for place, (hour, counts) in enumerate(by_hour.items()):
        percentiles = counts.acknowledged_after_ms
        yield Hour(
            begins=moment(hour * HOUR),
            delivered=counts[Kind.DELIVERED],
            failed=counts[Kind.FAILED],
            acknowledged_after_ms=percentiles,
            x=round(_LEFT + place * slot, 1),
            delivered_height=_height(counts[Kind.DELIVERED], most),
            failed_height=_height(counts[Kind.FAILED], most),
            percentile_y={name: _y(ms, times) for name, ms in percentiles.items() if ms is not None},
        )


def _round(count: int) -> int:
    """The first of 2, 10, 20, 50, 100, 200, 500, ... that is not less."""
    if count <= 2:
        return 2
    power = 10 ** math.floor(math.log10(count))
    return int(next(step * power for step in (1, 2, 5, 10) if step * power >= count and step * power >= 10))


def _height(count: int, most: int) -> float:
    """One in a million is still seen."""
    return round(max(count / most * (_BOTTOM - _TOP), 1.5 if count else 0), 1)


def _lines(percentiles: Sequence[int]) -> Sequence[int]:
    """The round times around these."""
    low = max(time for time in _TIMES if time <= min(percentiles, default=1))
    high = min(time for time in _TIMES if time >= max(percentiles, default=1_000) and time > low)
    return [time for time in _TIMES if low <= time <= high]


def _y(milliseconds: int, times: Sequence[int]) -> float:
    """The scale is that of the logarithm, as times are from milliseconds to days."""
    share = math.log(max(milliseconds, 1) / times[0]) / math.log(times[-1] / times[0])
    return round(_BOTTOM - min(share, 1) * (_BOTTOM - _TOP), 1)
