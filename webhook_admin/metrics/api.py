"""What a process of the API measures."""

from functools import lru_cache

from prometheus_client import Counter, Histogram

from webhook_admin.metrics.events import EventMetrics
from webhook_admin.metrics.instruments import counter, gauge, histogram

# More than there are routes, methods and statuses together.
_MAX_SERIES = 1_000


class ApiMetrics:
    """The requests to the API, and the events that they bring."""

    def __init__(self) -> None:
        # Looking a time series up by its labels costs as much as counting.
        self._series = lru_cache(_MAX_SERIES)(self._look_up)
        self._requests = counter("requests", "Answered requests to the API.", ["method", "route", "status"])
        self._duration = histogram("request_duration_seconds", "From request to answer, by route.", ["route"])
        self.in_flight = gauge("requests_in_flight", "Requests to the API that are being answered.")
        self.events = EventMetrics()
        self.connections = gauge("store_connections", "Connections to the store in use.")

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the template of its path."""
        count, duration = self._series(method, route, status)
        count.inc()
        duration.observe(seconds)

    def _look_up(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(method, route, str(status)), self._duration.labels(route)
