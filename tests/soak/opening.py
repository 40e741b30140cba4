"""PUT and DELETE take effect at once, also on requests whose connections are still being opened.

Every request needs a new connection, whose TLS handshake takes up to 2 s. What counts is the first byte of the request
that the receiver sees after the handshake. Run by `tests.soak.immediate`.
"""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import mean

from sqlalchemy import URL

from tests.receiver_process import ReceiverProcess
from tests.soak import platform
from tests.soak.customers import Customer, all_changes
from tests.soak.installation import Installation
from tests.soak.ledger import CANCELLED, DELIVERED, Ledger, is_drained
from tests.soak.platform import Load
from tests.soak.processes import Running
from tests.soak.report import Figure
from tests.soak.waiting import until
from webhook_admin.db import Database

ACCOUNTS = [f"account-{number}" for number in range(10)]
SCHEDULE = ",".join(["0.2"] * 20)
BATCH, PAUSE = 10, 0.1
HANDSHAKE = 0.2, 2.0  # seconds
ROUND = 1.5  # seconds that a URL lives, at most
# A byte that was sent before the answer may be seen so much later, on a busy machine.
TOLERANCE = 50  # milliseconds
DRAINED_WITHIN = 60  # seconds


def run(store: URL, folder: Path, rounds: int) -> list[Figure]:
    """So many PUTs and DELETEs, in turn, while connections are being opened; the figures."""
    with ReceiverProcess(folder / "receiver", handshake=HANDSHAKE) as receiver:
        settings = {"retry_schedule": SCHEDULE, "lease_seconds": 5}
        with Installation(store, folder, receiver.ca_file, **settings) as installation:
            opening: list[int] = []
            dispatcher = installation.dispatch()
            note = partial(_note_open, dispatcher, receiver.port, opening)
            customers = [_customer(installation, receiver, account, note) for account in ACCOUNTS]
            with Load(installation, batch, PAUSE) as load, ThreadPoolExecutor(len(customers)) as pool:
                until(receiver.seen, 20)
                list(pool.map(lambda customer: customer.change(max(rounds // len(customers), 1), ROUND), customers))
            for customer in customers:
                customer.delete()
            with closing(Database(store)) as database:
                until(lambda: is_drained(database), DRAINED_WITHIN, every=0.2)
            return [
                *_figures(customers, receiver, Ledger.read(store)),
                Figure("connections being opened at the answer, mean", mean(opening), least=1),
                Figure("answers other than 202 and 503", load.others(), most=0),
                Figure("tracebacks in the logs", installation.tracebacks(), most=0),
            ]


def batch() -> Sequence[platform.Event]:
    """Events for some of the accounts."""
    return [platform.event(random.choice(ACCOUNTS)) for _ in range(BATCH)]


def _customer(
    installation: Installation, receiver: ReceiverProcess, account: str, note: Callable[[], object]
) -> Customer:
    urls = (f"{receiver.base_url}/once/{account}/{number}" for number in itertools.count())
    return Customer(installation, account, urls, note)


def _note_open(dispatcher: Running, port: int, counts: list[int]) -> None:
    """Note how many connections to the receiver there are. It closes each with its answer, so these are opening."""
    connections = dispatcher.process.net_connections("tcp")
    counts.append(sum(bool(one.raddr) and one.raddr.port == port for one in connections))


def _figures(customers: Sequence[Customer], receiver: ReceiverProcess, ledger: Ledger) -> list[Figure]:
    changes = all_changes(customers)
    seen = receiver.seen()
    after = [(each.at - changes[each.path].monotonic) * 1_000 for each in seen if each.path in changes]
    late = [milliseconds for milliseconds in after if milliseconds > 0]
    counts = Counter(each.delivery for each in seen)
    states = ledger.states()
    return [
        Figure("changes", len(changes)),
        Figure("requests that the receiver saw", len(seen), least=1),
        Figure("requests to the old URL, begun after the answer", len(late)),
        Figure(f"of these, more than {TOLERANCE} ms after it", sum(each > TOLERANCE for each in late), most=0),
        Figure("latest of them, ms after the answer", max(late, default=0)),
        Figure("requests without an attempt on record", (counts - ledger.attempts).total(), most=0),
        Figure("attempts on record without a request", (ledger.attempts - counts).total()),
        Figure("deliveries DELIVERED", states[DELIVERED], least=1),
        Figure("deliveries CANCELLED", states[CANCELLED], least=1),
        Figure("deliveries in any other state", states.total() - states[DELIVERED] - states[CANCELLED], most=0),
    ]
