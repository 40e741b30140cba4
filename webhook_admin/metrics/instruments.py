"""Kinds of metrics, kept by prometheus-client: in files that all processes of one command share, or in memory.

Every label is one of a few words of ours, such as a route or an outcome: a metric has the same number of time series
however many accounts there are.
"""

from bisect import bisect_left
from collections import Counter as Count
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import prometheus_client

PREFIX = "webhook_admin_"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The buckets of requests to the API."""
# From a delivery at once to one after eight retries.
_LONG_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 28_800, 86_400)


def counter(name: str, help_: str, labels: Sequence[str] = ()) -> prometheus_client.Counter:
    """A number that grows. Its name ends in `_total` when it is scraped."""
    return prometheus_client.Counter(PREFIX + name, help_, labels, registry=None)


def gauge(name: str, help_: str, labels: Sequence[str] = ()) -> prometheus_client.Gauge:
    """A number of the present; of several processes, their sum."""
    return prometheus_client.Gauge(PREFIX + name, help_, labels, registry=None, multiprocess_mode="livesum")


def histogram(
    name: str, help_: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
) -> prometheus_client.Histogram:
    """How often a number of seconds fell into each of some buckets."""
    return prometheus_client.Histogram(PREFIX + name, help_, labels, registry=None, buckets=buckets)


class BulkHistogram(prometheus_client.Histogram):
    """A histogram that takes many values at once, for a tenth of what `observe` costs for each (3 us)."""

    def __init__(self, name: str, help_: str) -> None:
        super().__init__(PREFIX + name, help_, registry=None, buckets=_LONG_SECONDS)

    def observe_all(self, seconds: Collection[float]) -> None:
        """Count all of them."""
        if seconds:
            for place, count in Count(bisect_left(self._upper_bounds, each) for each in seconds).items():
                self._buckets[place].inc(count)
            self._sum.inc(sum(seconds))


class ByWord:
    """A counter with one label, by its words; all of them are there from the start, at 0."""

    def __init__(self, name: str, help_: str, label: str, words: Iterable[str]) -> None:
        metric = counter(name, help_, [label])
        self._counters: dict[str, Any] = {word: metric.labels(word) for word in words}

    def add(self, word: str, amount: float) -> None:
        """Add to one of them; nothing costs nothing."""
        if amount:
            self._counters[word].inc(amount)
