"""Outages of the store under load, and the figures of what became of every event. The soaks bring the outage."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL

from tests.receiver import Receiver
from tests.soak import platform, records
from tests.soak.installation import Installation
from tests.soak.ledger import Ledger, is_drained
from tests.soak.moods import Moody
from tests.soak.platform import ACCEPTED, NO_ANSWER, UNAVAILABLE, Load
from tests.soak.report import Figure
from tests.soak.waiting import until
from webhook_admin.db import Database

SCHEDULE = ",".join(["0.5"] * 30)
ACCOUNTS = [f"account-{number}" for number in range(10)]
BATCH, PAUSE = 20, 0.03
BACK_WITHIN = 5  # seconds
# Twice the store's lock time-out: a request may wait for a lock during authentication, and when it stores.
ANSWERED_WITHIN = 11  # seconds
DRAINED_WITHIN = 60  # seconds

Outage = Callable[[], AbstractContextManager[object]]


class Times(NamedTuple):
    """When an outage was complete, when its end began, and when the store was back; by the monotonic clock."""

    begin: float
    end: float
    back: float


def run(
    store: URL, folder: Path, outage: Outage, lengths: Sequence[float], *, dispatchers: int = 1, least_refused: int = 1
) -> list[Figure]:
    """Go through an outage of each length (seconds) under load; the figures."""
    with Receiver() as receiver:
        moody = Moody(receiver, late=0.2, seconds=0.2)
        settings = {"retry_schedule": SCHEDULE, "lease_seconds": 2}
        with Installation(store, folder, receiver.ca_file, **settings) as installation:
            for account in ACCOUNTS:
                installation.register(account, receiver.url("/cb", moody))
            for _ in range(dispatchers):
                installation.dispatch()
            with Load(installation, batch, PAUSE) as load:
                until(lambda: receiver.requests, 20)
                times = [_go_through(outage, length, receiver, load) for length in lengths]
            with closing(Database(store)) as database:
                until(lambda: is_drained(database), DRAINED_WITHIN, every=0.2)
            ledger = Ledger.read(store)
            most = SCHEDULE.count(",") + 2
            return [
                *records.compare(load.acknowledged, receiver.requests, moody.acknowledged, ledger, most),
                *_figures(times, receiver, load, least_refused),
                Figure("dispatchers that have ended", sum(not one.is_running for one in installation.dispatchers), 0),
                Figure("tracebacks in the logs", installation.tracebacks(), most=0),
            ]


def batch() -> Sequence[platform.Event]:
    """Events for some accounts."""
    return [platform.event(random.choice(ACCOUNTS)) for _ in range(BATCH)]


def _go_through(outage: Outage, length: float, receiver: Receiver, load: Load) -> Times:
    time.sleep(random.uniform(0.5, 1.5))
    with outage():
        begin = time.monotonic()
        time.sleep(length)
        end = time.monotonic()
    back = time.monotonic()
    until(lambda: _first_accepted(load, end) and receiver.requests[-1].at > end, DRAINED_WITHIN)
    return Times(begin, end, back)


def _first_accepted(load: Load, since: float) -> float | None:
    return next((at for at, status in list(load.answered_at) if status == ACCEPTED and at > since), None)


def _figures(times: Sequence[Times], receiver: Receiver, load: Load, least_refused: int) -> list[Figure]:
    sending = [next(one.at for one in receiver.requests if one.at > each.end) - each.back for each in times]
    accepting = [(_first_accepted(load, each.end) or 0) - each.back for each in times]
    refused = [_count(load, each, UNAVAILABLE) for each in times]
    accepted = [_count(load, each, ACCEPTED) for each in times]
    # Requests in flight when the outage began may arrive; a second later none may.
    during = [sum(each.begin + 1 < one.at < each.end for one in receiver.requests) for each in times]
    return [
        Figure("outages", len(times)),
        Figure("fewest 503 in an outage", min(refused), least=least_refused),
        Figure("202 in the midst of outages", sum(accepted), most=0),
        Figure("requests to receivers in the midst of outages", sum(during), most=0),
        Figure("answers other than 202 and 503", load.others(), most=0),
        Figure("calls without an answer", load.statuses[NO_ANSWER], most=0),
        Figure("slowest call, seconds", load.slowest, most=ANSWERED_WITHIN),
        Figure("longest until events were accepted again, seconds", max(*accepting, 0), most=BACK_WITHIN),
        Figure("longest until a receiver was called again, seconds", max(*sending, 0), most=BACK_WITHIN),
    ]


def _count(load: Load, times: Times, status: int) -> int:
    # Answers to calls that were in flight when the outage began come within half a second.
    return sum(times.begin + 0.5 < at < times.end and each == status for at, each in load.answered_at)
