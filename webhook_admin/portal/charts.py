"""The last hours as pictures: how high a count is drawn, and where a time. The templates draw them as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from webhook_admin.queue.clock import HOUR
from webhook_admin.queue.statistics import Counts, Kind

# Milliseconds: lines at round times.
_TIMES = (1, 10, 100, 1_000, 10_000, 60_000, 600_000, HOUR, 10 * HOUR, 100 * HOUR)


@dataclass(frozen=True, slots=True)
class Chart:
    """A frame: `most` deliveries reach from its bottom to its top, and `times` (ms) are the lines across it."""

    width: ClassVar[int] = 360
    height: ClassVar[int] = 150
    left: ClassVar[int] = 44
    top: ClassVar[int] = 8
    bottom: ClassVar[int] = 126

    hours: int
    most: int
    times: Sequence[int]

    @property
    def slot(self) -> float:
        """The width of an hour."""
        return (self.width - self.left) / self.hours

    def bar(self, count: int) -> float:
        """How high a count is drawn: one in ten million is still seen."""
        return round(max(count / self.most * (self.bottom - self.top), 1.5 if count else 0), 1)

    def y(self, milliseconds: int) -> float:
        """Where a time is drawn, on the scale of the logarithm, as times are from milliseconds to days."""
        share = math.log(max(milliseconds, 1) / self.times[0]) / math.log(self.times[-1] / self.times[0])
        return round(self.bottom - min(share, 1) * (self.bottom - self.top), 1)


def chart(by_hour: Mapping[int, Counts]) -> Chart:
    """The frame that some hours fit into."""
    most = max(each[Kind.DELIVERED] + each[Kind.FAILED] for each in by_hour.values())
    return Chart(len(by_hour), _round(most), _lines([ms for each in by_hour.values() for ms in _times(each)]))


def _times(counts: Counts) -> list[int]:
    return [ms for ms in counts.acknowledged_after_ms.values() if ms is not None]


def _round(count: int) -> int:
    """The first of 2, 10, 20, 50, 100, 200, 500, ... that is not less."""
    if count <= 2:
        return 2
    power = 10 ** math.floor(math.log10(count))
    return int(next(step * power for step in (1, 2, 5, 10) if step * power >= max(count, 10)))


def _lines(times: Sequence[int]) -> Sequence[int]:
    """The round times around these."""
    low = max(time for time in _TIMES if time <= max(min(times, default=1), 1))
    high = min(time for time in _TIMES if time >= max(times, default=1_000) and time > low)
    return [time for time in _TIMES if low <= time <= high]
