"""PUT and DELETE hold at once: `python -m tests.soak.immediate`, in the checkout's folder.

Round after round an account's callback URL is replaced, or its webhook deleted and registered anew, while requests to
the old URL are in flight and more wait behind them, retries of older events among them. Each round has a path of its
own, so every request tells which URL it was meant for. A request that was on the wire when the answer came may arrive
after it: what counts is when its attempt was started, by the record, and whether every request has such a record.
"""

import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from sqlalchemy import URL, select

from tests.receiver import Received, Receiver
from tests.soak import platform, report, stores
from tests.soak.installation import WEBHOOK, Installation
from tests.soak.ledger import Ledger, is_drained
from tests.soak.moods import Moody
from tests.soak.platform import Load, Platform
from tests.soak.report import Figure
from tests.soak.waiting import until
from webhook_admin.db import Database
from webhook_admin.models import attempts
from webhook_admin.queue.deliveries import State

ACCOUNTS = [f"account-{number}" for number in range(4)]
SCHEDULE = ",".join(["0.2"] * 20)
BATCH, PAUSE = 20, 0.04
HELD = 0.1  # seconds until a request is answered
ROUND = 0.15  # seconds that a URL lives, at most


@dataclass(frozen=True)
class Change:
    """The end of a callback URL: its path, and when the answer came, in milliseconds and by the monotonic clock."""

    path: str
    at: float
    monotonic: float


@dataclass(frozen=True)
class Late:
    """A request that came to an old URL after the answer; `started` is how long after it, negative if before."""

    started: float
    arrived: float


def run(store: URL, folder: Path, rounds: int) -> list[Figure]:
    """So many PUTs and DELETEs, in turn; the figures."""
    with Receiver() as receiver:
        moody = Moody(receiver, failing=0.2, late=1, seconds=HELD)
        settings = {"retry_schedule": SCHEDULE, "lease_seconds": 5}
        with Installation(store, folder, receiver.ca_file, **settings) as installation:
            customers = [Customer(installation, receiver, moody, account) for account in ACCOUNTS]
            installation.dispatch()
            with Load(installation, batch, PAUSE) as load, ThreadPoolExecutor(len(customers)) as pool:
                Platform(installation).post(batch())
                until(lambda: receiver.requests, 20)
                list(pool.map(lambda customer: customer.change(rounds // len(customers)), customers))
            with closing(Database(store)) as database:
                until(lambda: is_drained(database), 60, every=0.2)
                started = _started(database)
            return [
                *_figures(customers, receiver.requests, started),
                *_rest(Ledger.read(store), load, installation),
            ]


class Customer:
    """Changes its webhook again and again."""

    def __init__(self, installation: Installation, receiver: Receiver, moody: Moody, account: str) -> None:
        self._installation, self._receiver, self._moody, self._account = installation, receiver, moody, account
        self._numbers = iter(range(1_000_000))
        self.changes: list[Change] = []
        self._url = self._new_url()
        installation.register(account, self._url)

    def change(self, rounds: int) -> None:
        """Replace the callback URL by PUT and by DELETE in turn."""
        for number in range(rounds):
            time.sleep(random.uniform(ROUND / 3, ROUND))
            (self._delete if number % 2 else self._put)()

    def _put(self) -> None:
        new = self._new_url()
        self._installation.call("PUT", WEBHOOK, self._account, callbackUrl=new).raise_for_status()
        self._note_end(new)

    def _delete(self) -> None:
        new = self._new_url()
        self._installation.call("DELETE", WEBHOOK, self._account).raise_for_status()
        self._note_end(new)
        self._installation.call("POST", WEBHOOK, self._account, callbackUrl=new).raise_for_status()

    def _note_end(self, new: str) -> None:
        path = self._url.removeprefix(self._receiver.base_url)
        self.changes.append(Change(path, time.time() * 1_000, time.monotonic()))
        self._url = new

    def _new_url(self) -> str:
        return self._receiver.url(f"/{self._account}/{next(self._numbers)}", self._moody)


def batch() -> Sequence[platform.Event]:
    """Events for all accounts."""
    return [platform.event(random.choice(ACCOUNTS)) for _ in range(BATCH)]


def _started(database: Database) -> Mapping[str, list[int]]:
    """When each delivery's attempts were started, in milliseconds, in their order."""
    found: dict[str, list[int]] = defaultdict(list)
    with database.connect() as connection:
        rows = connection.execute(select(attempts.c.delivery_id, attempts.c.started_at).order_by(attempts.c.number))
        for delivery_id, started_at in rows:
            found[delivery_id].append(started_at)
    return found


def _figures(
    customers: Sequence[Customer],
    requests: Sequence[Received],
    started: Mapping[str, list[int]],
) -> list[Figure]:
    changes = {change.path: change for customer in customers for change in customer.changes}
    seen: dict[str, int] = defaultdict(int)
    late, unrecorded = [], 0
    for request in requests:
        delivery_id = request.headers["webhook-id"]
        number, seen[delivery_id] = seen[delivery_id], seen[delivery_id] + 1
        # Nobody is killed here and every request is answered, so the n-th that is seen is the n-th attempt.
        if number >= len(started.get(delivery_id, [])):
            unrecorded += 1
        elif (change := changes.get(request.path)) and request.at > change.monotonic:
            late.append(Late(started[delivery_id][number] - change.at, (request.at - change.monotonic) * 1_000))
    held = sum(_in_flight(requests, change) for change in changes.values()) / len(changes)
    return [
        Figure("rounds", len(changes)),
        Figure("requests that the receivers saw", len(requests)),
        Figure("requests in flight to the old URL at the answer, mean", held, least=0.5),
        Figure("attempts started to the old URL after the answer", sum(each.started >= 0 for each in late), most=0),
        Figure("requests without an attempt on record", unrecorded, most=0),
        Figure("attempts on record without a request", sum(map(len, started.values())) - len(requests), most=0),
        Figure("started before the answer, arrived after it", sum(each.started < 0 for each in late)),
        Figure("latest of those, ms after the answer", max((each.arrived for each in late), default=0)),
    ]


def _rest(ledger: Ledger, load: Load, installation: Installation) -> list[Figure]:
    states = ledger.states()
    missing = sum(one not in ledger.of_event() for one in load.acknowledged)
    return [
        Figure("events acknowledged", len(load.acknowledged)),
        Figure("of these, without a delivery though there was a webhook", max(missing - load.unrouted, 0), most=0),
        Figure("deliveries DELIVERED", states[State.DELIVERED], least=1),
        Figure("deliveries CANCELLED, their webhook was deleted", states[State.CANCELLED], least=1),
        Figure(
            "deliveries in any other state", states.total() - states[State.DELIVERED] - states[State.CANCELLED], most=0
        ),
        Figure("slowest call of the platform, seconds", load.slowest, most=5),
        Figure("answers other than 202 and 503", load.others(), most=0),
        Figure("tracebacks in the logs", installation.tracebacks(), most=0),
    ]


def _in_flight(requests: Sequence[Received], change: Change) -> int:
    return sum(each.path == change.path and 0 <= change.monotonic - each.at < HELD for each in requests)


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--rounds", default=500)
def main(kinds: Sequence[str], rounds: int) -> None:
    """Replace and delete webhooks under load, and look for what went to an old URL afterwards."""
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            kept.append(report.show(f"{rounds} rounds of PUT and DELETE on {kind}", run(store, Path(name), rounds)))
    report.leave(kept)


if __name__ == "__main__":
    main()
