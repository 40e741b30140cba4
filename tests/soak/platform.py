"""The messaging platform: posts events, and knows which of them have been acknowledged."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import click
import requests

from tests.soak.installation import Installation

NO_ANSWER = 0
ACCEPTED, UNAVAILABLE = 202, 503
PATIENCE = 30  # seconds
_numbers = itertools.count(1)

Event = Mapping[str, Any]


def event(account: str, **fields: Any) -> Event:
    """An event with an id of its own, which begins with the account's."""
    number = next(_numbers)
    own = {"id": f"{account}_{number}", "accountId": account, "messageId": f"message-{number}"}
    return own | {"channel": "SMS", "status": "SENT", "timestamp": "2026-04-09T14:39:40.69257Z"} | fields


class Platform:
    """One connection to the API. `acknowledged`: event ids, with the monotonic time of the 202 that said so.

    `unrouted` counts those of them that had nowhere to go, `statuses` the answers, `NO_ANSWER` among them; `slowest` is
    the longest call in seconds.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._session = requests.Session()
        self.acknowledged: dict[str, float] = {}
        self.statuses: Counter[int] = Counter()
        self.unrouted = 0
        self.slowest = 0.0
        self.answered_at: list[tuple[float, int]] = []

    def post(self, events: Sequence[Event]) -> int:
        """Post a batch once; the status, or `NO_ANSWER`."""
        started = time.monotonic()
        status = self._post(events)
        now = time.monotonic()
        self.slowest = max(self.slowest, now - started)
        self.statuses[status] += 1
        self.answered_at.append((now, status))
        if status == ACCEPTED:
            self.acknowledged |= dict.fromkeys((each["id"] for each in events), now)
        return status

    def _post(self, events: Sequence[Event]) -> int:
        headers = {"X-API-Key": self._installation.key}
        url = self._installation.url + "/events"
        try:
            response = self._session.post(url, headers=headers, json={"events": events}, timeout=PATIENCE)
        except requests.RequestException:
            return NO_ANSWER
        if response.status_code == ACCEPTED:
            self.unrouted += response.json()["unrouted"]
        elif response.status_code != UNAVAILABLE:
            click.echo(response.text, err=True)
        return response.status_code

    def others(self) -> int:
        """How many answers were neither 202 nor 503."""
        return sum(count for status, count in self.statuses.items() if status not in (ACCEPTED, UNAVAILABLE, NO_ANSWER))


class Load(Platform):
    """Posts one batch after another in a thread, with a pause between them, as long as the context lasts.

    What fails is repeated as it was, or left behind, by the toss of a coin.
    """

    def __init__(self, installation: Installation, batch: Callable[[], Sequence[Event]], pause: float) -> None:
        super().__init__(installation)
        self._batch, self._pause = batch, pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        events = self._batch()
        while not self._stopping.wait(self._pause):
            if self.post(events) == ACCEPTED or random.random() < 0.5:
                events = self._batch()
