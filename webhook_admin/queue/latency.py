"""Latencies counted in buckets, each a fifth wider than the one before: any percentile is right to within 10 %."""

import math
from collections.abc import Mapping

_GROWTH = 1.2


def bucket(milliseconds: int) -> int:
    """The number of the bucket that a latency is counted in."""
    return int(math.log(milliseconds, _GROWTH)) if milliseconds > 1 else 0


def percentile(counts: Mapping[int, int], share: float) -> int | None:
    """The latency (ms) that `share` (0 to 1) of those counted do not exceed; None if there are none."""
    left = share * sum(counts.values())
    for number in sorted(counts):
        left -= counts[number]
        if left <= 0:
            # The middle of the bucket, as far from its beginning as from its end.
            return round(math.pow(_GROWTH, number + 0.5))
    return None
