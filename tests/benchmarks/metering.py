"""What one dispatcher process delivers, and what it and PostgreSQL spend on that, seen from outside."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from tests.benchmarks.receivers import Receiver
from tests.soak.installation import Installation
from tests.soak.processes import Running
from tests.soak.waiting import until

WARM_UP = 0.1  # of the deliveries
PATIENCE = 600  # seconds
EVERY = 0.05  # seconds between looks at the receiver


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Deliveries in a second, microseconds of CPU for each, new connections for each, and the dispatcher's memory (MB).

    None where there is nothing to be said.
    """

    per_second: float
    dispatcher_us: float
    postgresql_us: float | None
    connections: float | None
    max_rss: float
    max_uss: float

    def __str__(self) -> str:
        postgresql = "" if self.postgresql_us is None else f"{self.postgresql_us:.0f}"
        connections = "" if self.connections is None else f"{self.connections:.3f}"
        memory = f"{self.max_rss:8.0f} {self.max_uss:8.0f}"
        return f"{self.per_second:13,.0f} {self.dispatcher_us:13.0f} {postgresql:>13} {connections:>12} {memory}"


@dataclass(frozen=True)
class Reading:
    """Seconds by the clock, of the dispatcher's CPU and of PostgreSQL's; requests and connections of the receiver."""

    at: float
    dispatcher: float
    postgresql: float
    requests: int
    connections: int | None


class Meter:
    """Reads the clocks of a dispatcher, of PostgreSQL's processes if there are any, and the receiver's counts."""

    def __init__(self, dispatcher: Running, postmaster: psutil.Process | None, receiver: Receiver) -> None:
        self._dispatcher, self._postmaster, self._receiver = dispatcher.process, postmaster, receiver
        self.max_rss = self.max_uss = 0.0

    def read(self) -> Reading:
        """What there is now."""
        postgresql = [] if self._postmaster is None else self._postmaster.children(recursive=True)
        return Reading(
            time.perf_counter(),
            _cpu(self._dispatcher),
            sum(map(_cpu, postgresql)),
            self._receiver.requests(),
            self._receiver.connections(),
        )

    def watch_memory(self) -> None:
        """Look at the dispatcher's memory."""
        memory = self._dispatcher.memory_full_info()
        self.max_rss = max(self.max_rss, memory.rss / 2**20)
        self.max_uss = max(self.max_uss, memory.uss / 2**20)

    def figures(self, before: Reading, after: Reading) -> Figures:
        """What came between two readings."""
        count = after.requests - before.requests
        opened = None if after.connections is None else after.connections - (before.connections or 0)
        return Figures(
            per_second=count / (after.at - before.at),
            dispatcher_us=(after.dispatcher - before.dispatcher) / count * 1e6,
            postgresql_us=(after.postgresql - before.postgresql) / count * 1e6 if self._postmaster else None,
            connections=None if opened is None else opened / count,
            max_rss=self.max_rss,
            max_uss=self.max_uss,
        )


def deliver(installation: Installation, postmaster: psutil.Process | None, receiver: Receiver, count: int) -> Figures:
    """Start a dispatcher on a full store, and measure until so many requests have come; the first tenth is left out."""
    first = receiver.requests()
    with running(installation) as dispatcher:
        meter = Meter(dispatcher, postmaster, receiver)

        def has_sent(part: float) -> bool:
            assert dispatcher.is_running, dispatcher.log.read_text()[-2_000:]
            return receiver.requests() - first >= part * count

        until(lambda: has_sent(WARM_UP), PATIENCE, EVERY)
        before = meter.read()
        until(lambda: has_sent(0.5), PATIENCE, EVERY)
        meter.watch_memory()
        until(lambda: has_sent(1), PATIENCE, EVERY)
        after = meter.read()
        meter.watch_memory()
    return meter.figures(before, after)


@contextmanager
def running(installation: Installation) -> Iterator[Running]:
    """A dispatcher, stopped at the end."""
    dispatcher = installation.dispatch()
    try:
        yield dispatcher
    finally:
        dispatcher.stop()


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return times.user + times.system
    return 0.0
