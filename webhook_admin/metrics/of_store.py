"""What a scrape asks the store: pending and overdue deliveries, and lanes."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from webhook_admin.db import Database, milliseconds_now
from webhook_admin.errors import StoreUnavailable
from webhook_admin.metrics.instruments import PREFIX
from webhook_admin.queue import clock
from webhook_admin.queue.backlog import MAX_COUNTED, Backlog, look
from webhook_admin.queue.clock import SECOND

# Milliseconds for which a look at the store serves every scrape.
_LOOK_EVERY = 5 * SECOND
# A store that accepts connections and then says nothing would hold the scrape.
_PATIENCE = 3.0  # seconds


class StoreCollector(Collector):
    """Gauges from the store. A store that cannot be reached makes `store_up` 0 and leaves the others out."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looks = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backlog")
        self._latest: Future[Backlog] | None = None
        self._looked_at = 0

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry would look at the store to learn it."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """The gauges, as at most 5 seconds ago."""
        try:
            backlog: Backlog | None = self._look().result(_PATIENCE)
        except (NotInTime, StoreUnavailable):
            backlog = None
        is_up = backlog is not None
        yield GaugeMetricFamily(f"{PREFIX}store_up", "1 if the store can be reached, else 0.", value=is_up)
        if backlog is None:
            return
        yield GaugeMetricFamily(
            f"{PREFIX}pending_deliveries", f"Pending deliveries, counted up to {MAX_COUNTED:,}.", value=backlog.pending
        )
        yield _by_word("lanes", f"Lanes by state, counted up to {MAX_COUNTED:,}.", "state", backlog.lanes)
        overdue = {standing: ms / SECOND for standing, ms in backlog.overdue.items()}
        yield _by_word("overdue_seconds", "For how long the most overdue delivery has been due.", "standing", overdue)

    def _look(self) -> Future[Backlog]:
        monotonic = clock.monotonic()
        is_old = monotonic >= self._looked_at + _LOOK_EVERY
        # One look at a time: a store that hangs must not gather threads.
        if self._latest is None or (self._latest.done() and is_old):
            self._looked_at = monotonic
            self._latest = self._looks.submit(self._see)
        return self._latest

    def _see(self) -> Backlog:
        with self._database.reading() as connection:
            return look(connection, milliseconds_now(connection))


def _by_word(name: str, help_: str, label: str, values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, help_, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family
