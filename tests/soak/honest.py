"""Accounts whose receivers answer at once, and how long their events take from 202 to receipt."""

import itertools
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from tests.receiver_process import ReceiverProcess
from tests.soak import platform
from tests.soak.installation import Installation
from tests.soak.platform import Load
from tests.soak.report import Figure
from tests.soak.waiting import until

PAUSE, EVENTS_PER_BATCH, BATCHES_PER_NEWCOMER = 0.05, 5, 10
PATIENCE = 30  # seconds
REGULAR, NEWCOMER = "regular", "newcomer"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How long so many events took from 202 to receipt, in ms.

    `missing` did not arrive within `PATIENCE`, and count as having arrived then.
    """

    events: int
    p50: float
    p99: float
    max: float
    missing: int

    def figures(self, name: str) -> list[Figure]:
        """The spread in words."""
        return [
            Figure(f"{name}: events", self.events),
            Figure(f"{name}: p50 from 202 to receipt, ms", self.p50),
            Figure(f"{name}: p99 from 202 to receipt, ms", self.p99),
            Figure(f"{name}: latest, ms", self.max),
            Figure(f"{name}: not received within {PATIENCE} s", self.missing, most=0),
        ]


class Honest:
    """Regulars, whose earlier events have been acknowledged, and newcomers, who have had no event yet."""

    def __init__(self, installation: Installation, receiver: ReceiverProcess, regulars: int, newcomers: int) -> None:
        self._installation, self._receiver = installation, receiver
        self._regulars = [f"{REGULAR}-{number}" for number in range(regulars)]
        self._newcomers = iter([f"{NEWCOMER}-{number}" for number in range(newcomers)])
        for account in [*self._regulars, *(f"{NEWCOMER}-{number}" for number in range(newcomers))]:
            installation.register(account, f"{receiver.base_url}/ok")

    def introduce(self) -> None:
        """Let each regular have one event, and wait for its receipt."""
        client = platform.Platform(self._installation)
        client.post([platform.event(account) for account in self._regulars])
        until(lambda: client.acknowledged.keys() <= self._arrived().keys(), PATIENCE, every=0.2)

    def measure(self, seconds: float, attack: Callable[[], object] = lambda: None) -> dict[str, Spread]:
        """Post until so many seconds after the attack; the spreads of `REGULAR` and `NEWCOMER`."""
        numbers = itertools.count()

        def batch() -> Sequence[platform.Event]:
            chosen = random.choices(self._regulars, k=EVENTS_PER_BATCH)
            new = [] if next(numbers) % BATCHES_PER_NEWCOMER else itertools.islice(self._newcomers, 1)
            return [platform.event(account) for account in [*chosen, *new]]

        with Load(self._installation, batch, PAUSE) as load:
            attack()
            time.sleep(seconds)
        deadline = time.monotonic() + PATIENCE
        while load.acknowledged.keys() - self._arrived().keys() and time.monotonic() < deadline:
            time.sleep(0.5)
        arrived = self._arrived()
        return {kind: _spread(load.acknowledged, arrived, kind) for kind in (REGULAR, NEWCOMER)}

    def _arrived(self) -> Mapping[str, float]:
        return {request.event: request.at for request in self._receiver.seen()}


def _spread(acknowledged: Mapping[str, float], arrived: Mapping[str, float], kind: str) -> Spread:
    own = {event: at for event, at in acknowledged.items() if event.startswith(kind)}
    waits = [max(arrived.get(event, at + PATIENCE) - at, 0) * 1_000 for event, at in own.items()]
    percentiles = quantiles(waits, n=100, method="inclusive")
    return Spread(
        events=len(own),
        p50=percentiles[49],
        p99=percentiles[98],
        max=max(waits),
        missing=sum(event not in arrived for event in own),
    )
