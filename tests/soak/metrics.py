"""Metrics agree with the records through `kill -9`: `python -m tests.soak.metrics`, in the checkout's folder.

Events are posted all the time while processes of `dispatch --workers 2`, the one that serves the metrics among them,
are killed at random and started again by their parent. In the end what is scraped is compared with what is stored. A
killed dispatcher may lose the counts of a quarter of a second.
"""

import random
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import psutil
from sqlalchemy import URL, func, select

from tests.receiver import Receiver
from tests.scrape import scrape_port
from tests.soak import kills, report, stores
from tests.soak.installation import Installation
from tests.soak.ledger import Ledger
from tests.soak.moods import Moody
from tests.soak.platform import ACCEPTED, Load
from tests.soak.processes import Running, free_port
from tests.soak.report import Figure
from webhook_admin.db import Database
from webhook_admin.models import attempts

UNCOUNTED = 300
"""At most so many attempts end in a quarter of a second, and are in flight."""


def run(store: URL, folder: Path, times: int) -> list[Figure]:
    """Kill one of the dispatcher's processes so many times; the figures."""
    ports = free_port(), free_port()
    settings = {"retry_schedule": kills.SCHEDULE, "lease_seconds": 1, "max_in_flight": kills.IN_FLIGHT}
    with Receiver() as receiver:
        moody = Moody(receiver)
        url = receiver.url("/cb", moody)
        with Installation(store, folder, receiver.ca_file, metrics_port=ports[0], **settings) as installation:
            for account in kills.ACCOUNTS:
                installation.register(account, url)
            command = ("dispatch", "--workers", "2")
            dispatchers = installation.start("Dispatching", *command, metrics_port=ports[1])
            with Load(installation, lambda: kills.batch(url), kills.PAUSE) as load:
                for _ in range(times):
                    time.sleep(random.uniform(0, 2))
                    _kill_one(dispatchers)
                time.sleep(2)
            kills.drain(store)
            # What the last turns have counted is written a quarter of a second later.
            time.sleep(1)
            api, dispatched = map(scrape_port, ports)
            recorded = _recorded(store)
            counted = Counter({outcome: int(dispatched("attempts_total", outcome=outcome)) for outcome in recorded})
            accepted, stored = api("events_total", result="accepted"), len(Ledger.read(store).deliveries)
            answered = api("requests_total", route="/events", status=str(ACCEPTED))
            return [
                Figure("processes killed", times),
                Figure("deliveries in the store", stored, least=1),
                Figure("attempts on record", recorded.total(), least=1),
                Figure("events counted more or less often than stored", abs(accepted - stored), most=0),
                Figure("answers of 202 counted more or less often", abs(answered - load.statuses[ACCEPTED]), most=0),
                Figure("attempts counted and not on record", (counted - recorded).total(), most=0),
                Figure("attempts on record and not counted", (recorded - counted).total(), most=times * UNCOUNTED),
                Figure("deliveries pending, by the metrics", dispatched("pending_deliveries"), most=0),
                Figure("seconds overdue, by the metrics", dispatched("overdue_seconds"), most=0),
                Figure("requests in flight, by the metrics", dispatched("notifications_in_flight"), most=0),
                Figure("tracebacks in the logs", installation.tracebacks(), most=0),
            ]


def _kill_one(dispatchers: Running) -> None:
    """One of the dispatchers, or the process that serves their metrics."""
    children = [each for each in dispatchers.process.children() if each.status() != psutil.STATUS_ZOMBIE]
    random.choice([each for each in children if "multiprocessing.spawn" in " ".join(each.cmdline())]).kill()


def _recorded(store: URL) -> Counter[str]:
    with closing(Database(store)) as database, database.connect() as connection:
        rows = connection.execute(select(attempts.c.outcome, func.count()).group_by(attempts.c.outcome)).all()
    return Counter({row[0]: row[1] for row in rows})


@click.command()
@click.option("--kills", "times", default=20, help="How many processes are killed.")
def main(times: int) -> None:
    """Kill processes of two dispatchers again and again, and compare their metrics with the records."""
    with TemporaryDirectory(prefix="soak-") as folder, stores.store("postgresql", Path(folder)) as store:
        report.leave([report.show(f"Metrics through {times} kills", run(store, Path(folder), times))])


if __name__ == "__main__":
    main()
