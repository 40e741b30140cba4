"""Customers who replace and delete their webhooks again and again."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.soak.installation import WEBHOOK, Installation


@dataclass(frozen=True)
class Change:
    """The end of a callback URL: its path, and when the answer came, in milliseconds and by the monotonic clock (s)."""

    path: str
    at: float
    monotonic: float


class Customer:
    """One account. Each of its `urls` is its callback URL once; `ended` is called after each change."""

    def __init__(
        self, installation: Installation, account: str, urls: Iterator[str], ended: Callable[[], object] = lambda: None
    ) -> None:
        self._installation, self._account, self._urls, self._ended = installation, account, urls, ended
        self.changes: list[Change] = []
        self._url = next(urls)
        installation.register(account, self._url)

    def change(self, rounds: int, seconds: float) -> None:
        """Replace the callback URL by PUT and by DELETE in turn; each lives for at most so many seconds."""
        for number in range(rounds):
            time.sleep(random.uniform(seconds / 3, seconds))
            (self._recreate if number % 2 else self._put)()

    def delete(self) -> None:
        """Delete the webhook."""
        self._installation.call("DELETE", WEBHOOK, self._account).raise_for_status()
        self._note_end()

    def _recreate(self) -> None:
        self.delete()
        self._url = next(self._urls)
        self._installation.call("POST", WEBHOOK, self._account, callbackUrl=self._url).raise_for_status()

    def _put(self) -> None:
        new = next(self._urls)
        self._installation.call("PUT", WEBHOOK, self._account, callbackUrl=new).raise_for_status()
        self._note_end()
        self._url = new

    def _note_end(self) -> None:
        self.changes.append(Change(urlsplit(self._url).path, time.time() * 1_000, time.monotonic()))
        self._ended()


def all_changes(customers: Iterable[Customer]) -> Mapping[str, Change]:
    """The customers' changes, by the paths of the old URLs."""
    return {change.path: change for customer in customers for change in customer.changes}
