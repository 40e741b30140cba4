"""Scenarios of the delivery benchmark in which the dispatcher waits most of the time."""

import statistics
import time

from tests.benchmarks import filling
from tests.benchmarks.metering import Meter, running
from tests.benchmarks.place import Options, Place
from tests.soak.waiting import until

PERIOD = 4.0  # seconds between two events of one account
SLICES = 40  # of a period
SETTLE = 3.0  # seconds
ROUNDS, PAUSE = 200, 0.02


def many_origins(place: Place, options: Options) -> str:
    """Each account has an origin of its own, and an event every few seconds: what do the handshakes cost?"""
    urls = place.receiver.origins()
    filling.register(place.installation, urls)
    client = filling.Client(place.installation)
    with running(place.installation) as dispatcher:
        meter = Meter(dispatcher, place.postmaster, place.receiver)
        posted, started = 0, time.monotonic()
        before = None
        while (elapsed := time.monotonic() - started) < PERIOD + options.seconds:
            if before is None and elapsed >= PERIOD:
                before = meter.read()
            due = int(elapsed / PERIOD * SLICES + 1) * len(urls) // SLICES
            client.call("POST", "/events", {"events": [filling.event(each, len(urls)) for each in range(posted, due)]})
            posted = due
            time.sleep(max(0, started + posted / len(urls) * PERIOD - time.monotonic()))
        until(lambda: place.receiver.requests() >= posted, 60)
        after = meter.read()
        meter.watch_memory()
    assert before
    return str(meter.figures(before, after))


def memory(place: Place, _options: Options) -> str:
    """The dispatcher's memory with nothing to do."""
    with running(place.installation) as dispatcher:
        time.sleep(SETTLE)
        meter = Meter(dispatcher, place.postmaster, place.receiver)
        meter.watch_memory()
    return f"RSS {meter.max_rss:.0f} MB, USS {meter.max_uss:.0f} MB"


def latency(place: Place, _options: Options) -> str:
    """From the 202 of a single event to its receipt, while nothing else is going on."""
    filling.register(place.installation, [place.url])
    client = filling.Client(place.installation)
    accepted = []
    with running(place.installation):
        for number in range(ROUNDS):
            client.call("POST", "/events", {"events": [filling.event(number, 1)]})
            accepted.append(time.monotonic())
            until(lambda: place.receiver.requests() == len(accepted), 20, every=0.001)
            time.sleep(PAUSE)
    took = [1_000 * (request.at - at) for request, at in zip(place.receiver.seen(), accepted, strict=True)]
    p99 = statistics.quantiles(took, n=100)[98]
    return f"p50 {statistics.median(took):.1f} ms, p99 {p99:.1f} ms"
