"""No acknowledged event is lost by `kill -9`: `python -m tests.soak.kills`, in the checkout's folder.

Events are posted all the time while the dispatcher and the API are killed at random moments and started again at once.
When everything is delivered, three independent records are compared: acknowledged events, requests that the receiver
saw, and the store.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from sqlalchemy import URL

from tests.receiver import Receiver
from tests.soak import platform, records, report, stores
from tests.soak.installation import Installation
from tests.soak.ledger import Ledger, is_drained
from tests.soak.moods import Moody
from tests.soak.platform import Load
from tests.soak.processes import Running
from tests.soak.report import Figure
from tests.soak.waiting import until
from webhook_admin.db import Database

SCHEDULE = "0.1,0.2,0.3,0.5,0.5,0.5,1,1,1,1,1,1"
IN_FLIGHT = 100
ACCOUNTS = [f"account-{number}" for number in range(20)]
BATCH, PAUSE = 50, 0.02
DRAINED_WITHIN = 120  # seconds


def run(store: URL, folder: Path, kills: int, apart: float = 2.0) -> list[Figure]:
    """Kill each of the two so many times, at most so many seconds `apart`; the figures."""
    with Receiver() as receiver:
        moody = Moody(receiver)
        url = receiver.url("/cb", moody)
        settings = {"retry_schedule": SCHEDULE, "lease_seconds": 1, "max_in_flight": IN_FLIGHT}
        with Installation(store, folder, receiver.ca_file, **settings) as installation:
            for account in ACCOUNTS:
                installation.register(account, url)
            dispatcher = installation.dispatch()
            with Load(installation, lambda: batch(url), PAUSE) as load:
                kill_at_random(installation, dispatcher, receiver, kills, apart)
                until(installation.is_answering, 20)
            drained = drain(store)
            ledger, most = Ledger.read(store), SCHEDULE.count(",") + 2
            return [
                *records.compare(load.acknowledged, receiver.requests, moody.acknowledged, ledger, most),
                Figure("attempts `unknown`: in flight when a dispatcher was killed", ledger.unknown, least=1),
                Figure("duplicates: seen again after a 200", moody.duplicates(), most=kills * IN_FLIGHT),
                Figure("answers other than 202 and 503", load.others(), most=0),
                Figure("deadlocks", stores.deadlocks(store), most=0),
                Figure("tracebacks in the logs", installation.tracebacks(), most=0),
                Figure("seconds until all was delivered", drained, most=DRAINED_WITHIN),
            ]


def batch(url: str) -> Sequence[platform.Event]:
    """Events for some accounts; each fifth goes to a callback URL of its own."""
    return [
        platform.event(random.choice(ACCOUNTS), **({} if number % 5 else {"callbackUrl": url}))
        for number in range(BATCH)
    ]


def kill_at_random(
    installation: Installation, dispatcher: Running, receiver: Receiver, kills: int, apart: float
) -> None:
    """Kill the API and the dispatcher so many times each, at most so many seconds `apart`."""
    killers = [
        threading.Thread(target=_kill, args=(installation.api, installation.is_answering, kills, apart)),
        threading.Thread(target=_kill, args=(dispatcher, lambda: _is_called(receiver), kills, apart)),
    ]
    for killer in killers:
        killer.start()
    for killer in killers:
        killer.join()


def _kill(running: Running, is_at_work: Callable[[], bool], kills: int, apart: float) -> None:
    for number in range(kills):
        # Two of three kills come while it is working, the third may come while it starts.
        if number % 3 < 2:
            until(is_at_work, 20)
        time.sleep(random.uniform(0, apart))
        running.kill()
        running.start()


def _is_called(receiver: Receiver) -> bool:
    return bool(receiver.requests) and time.monotonic() - receiver.requests[-1].at < 0.1


def drain(store: URL) -> float:
    """Wait until nothing is pending; how many seconds that took."""
    started = time.monotonic()
    with closing(Database(store)) as database:
        until(lambda: is_drained(database), DRAINED_WITHIN, every=0.2)
    return time.monotonic() - started


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--kills", default=20, help="How often each of the two is killed.")
def main(kinds: Sequence[str], kills: int) -> None:
    """Kill the dispatcher and the API again and again, and compare the records of every event."""
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            kept.append(report.show(f"{kills} + {kills} kills on {kind}", run(store, Path(name), kills)))
    report.leave(kept)


if __name__ == "__main__":
    main()
