"""PUT and DELETE take effect at once: `python -m tests.soak.immediate`, in the checkout's folder.

Round after round an account's callback URL is replaced, or its webhook deleted and created anew, while requests to the
old URL are in flight and more wait behind them, retries of older events among them. Each round has a path of its own,
so every request tells which URL it was meant for. A request that was on the wire when the answer came may arrive after
it: what counts is when its attempt was started, by the record, and whether every request has such a record. Where
connections take long to open (`tests.soak.opening`), the first byte that the receiver sees is what counts.
"""

import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from sqlalchemy import URL, select

from tests.receiver import Received, Receiver
from tests.soak import opening, platform, report, stores
from tests.soak.customers import Change, Customer, all_changes
from tests.soak.installation import Installation
from tests.soak.ledger import CANCELLED, DELIVERED, Ledger, is_drained
from tests.soak.moods import Moody
from tests.soak.platform import Load, Platform
from tests.soak.report import Figure
from tests.soak.waiting import until
from webhook_admin.db import Database
from webhook_admin.models import attempts

ACCOUNTS = [f"account-{number}" for number in range(4)]
SCHEDULE = ",".join(["0.2"] * 20)
BATCH, PAUSE = 20, 0.04
HELD = 0.1  # seconds until a request is answered
ROUND = 0.15  # seconds that a URL lives, at most


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
            customers = [_customer(installation, receiver, moody, account) for account in ACCOUNTS]
            installation.dispatch()
            with Load(installation, batch, PAUSE) as load, ThreadPoolExecutor(len(customers)) as pool:
                Platform(installation).post(batch())
                until(lambda: receiver.requests, 20)
                list(pool.map(lambda customer: customer.change(rounds // len(customers), ROUND), customers))
            with closing(Database(store)) as database:
                until(lambda: is_drained(database), 60, every=0.2)
                started = _started(database)
            return [
                *_figures(customers, receiver.requests, started),
                *_rest(Ledger.read(store), load, installation),
            ]


def _customer(installation: Installation, receiver: Receiver, moody: Moody, account: str) -> Customer:
    paths = (f"/{account}/{number}" for number in itertools.count())
    return Customer(installation, account, (receiver.url(path, moody) for path in paths))


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
    changes = all_changes(customers)
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
        Figure("requests in flight to the old URL at the answer, mean", held, least=0.1),
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
        Figure("deliveries DELIVERED", states[DELIVERED], least=1),
        Figure("deliveries CANCELLED, their webhook was deleted", states[CANCELLED], least=1),
        Figure("deliveries in any other state", states.total() - states[DELIVERED] - states[CANCELLED], most=0),
        Figure("slowest call of the platform, seconds", load.slowest, most=5),
        Figure("answers other than 202 and 503", load.others(), most=0),
        Figure("tracebacks in the logs", installation.tracebacks(), most=0),
    ]


def _in_flight(requests: Sequence[Received], change: Change) -> int:
    return sum(each.path == change.path and 0 <= change.monotonic - each.at < HELD for each in requests)


SCENARIOS: Mapping[str, Callable[[URL, Path, int], list[Figure]]] = {"sending": run, "opening": opening.run}


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--only", type=click.Choice(list(SCENARIOS)), multiple=True, default=list(SCENARIOS))
@click.option("--rounds", default=500)
def main(kinds: Sequence[str], only: Sequence[str], rounds: int) -> None:
    """Replace and delete webhooks under load, and look for requests to an old URL that were started afterwards."""
    kept = []
    for kind in kinds:
        for scenario in only:
            with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
                figures = SCENARIOS[scenario](store, Path(name), rounds)
            kept.append(report.show(f"{rounds} rounds of PUT and DELETE while {scenario}, on {kind}", figures))
    report.leave(kept)


if __name__ == "__main__":
    main()
