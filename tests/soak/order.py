"""Statuses in order through `kill -9`: `python -m tests.soak.order`, in the checkout's folder.

Statuses of messages are posted in any order, to webhooks with `ordering=message` and `superseded=skip`, while the
dispatcher and the API are killed, signing secrets are rotated and deliveries are resent. No receiver sees a status
after a newer one of the same message, the newest arrives, and each notification verifies with one of the secrets.
"""

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import count, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from sqlalchemy import URL, select
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.receiver import Received, Receiver
from tests.soak import kills, platform, report, stores
from tests.soak.installation import WEBHOOK, Installation
from tests.soak.ledger import DELIVERED, PENDING, Ledger
from tests.soak.moods import Moody
from tests.soak.platform import Load
from tests.soak.report import Figure
from tests.soak.waiting import until
from webhook_admin.db import Database
from webhook_admin.events import Event, Status
from webhook_admin.models import deliveries

ACCOUNTS = [f"account-{number}" for number in range(10)]
BATCH, STATUSES = 20, 4  # messages of a batch, statuses of a message
OVERLAP = 30  # seconds
OPTIONS = {"ordering": "message", "superseded": "skip"}
_messages = count()


class Customer:
    """One account, whose secret is rotated and whose deliveries are resent again and again."""

    def __init__(self, installation: Installation, account: str, url: str) -> None:
        self._installation, self._account = installation, account
        installation.register(account, url)
        made = installation.call("PUT", WEBHOOK, account, callbackUrl=url, **OPTIONS)
        made.raise_for_status()
        self.secrets: list[str] = []
        self._rotate()
        self.resent = 0

    def work(self) -> None:
        """Rotate, or resend what fits, as far as the API answers."""
        if random.random() < 0.5:
            # A rotation without an answer may have been made: the next one follows while the secret before is valid.
            until(self._rotate, OVERLAP, every=0.2)
        else:
            answer = self._call("/deliveries/resend", states=["FAILED", "SKIPPED", "DELIVERED"], since=_ago(5))
            self.resent += answer.get("resent", 0)

    def _rotate(self) -> str:
        answer = self._call(f"{WEBHOOK}/signing-secret", overlapSeconds=OVERLAP, force=True)
        self.secrets.append(answer.get("signingSecret", ""))
        return self.secrets[-1]

    def _call(self, path: str, **body: object) -> Mapping[str, Any]:
        try:
            answer = self._installation.call("POST", path, self._account, **body)
        except OSError:
            return {}
        return answer.json() if answer.ok else {}


def _ago(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))


def batch() -> Sequence[platform.Event]:
    """All statuses of some messages, in any order."""
    events = []
    for _ in range(BATCH):
        account, message = random.choice(ACCOUNTS), f"m-{next(_messages)}"
        for status in random.sample([*Status], STATUSES):
            stamp = f"2026-04-09T14:39:{random.randrange(60):02}Z"
            events.append(platform.event(account, messageId=message, status=status, timestamp=stamp))
    random.shuffle(events)
    return events


@contextmanager
def _working(customers: Sequence[Customer]) -> Iterator[None]:
    stopping = threading.Event()

    def work() -> None:
        while not stopping.wait(0.3):
            random.choice(customers).work()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def run(store: URL, folder: Path, times: int, apart: float = 2.0) -> list[Figure]:
    """Kill dispatcher and API so many times each; the figures."""
    with Receiver() as receiver:
        moody = Moody(receiver)
        settings = {"retry_schedule": kills.SCHEDULE, "lease_seconds": 1, "max_in_flight": kills.IN_FLIGHT}
        with Installation(store, folder, receiver.ca_file, **settings) as installation:
            urls = {account: receiver.url(f"/{account}", moody) for account in ACCOUNTS}
            customers = {account: Customer(installation, account, url) for account, url in urls.items()}
            dispatcher = installation.dispatch()
            with Load(installation, batch, kills.PAUSE * 5) as load, _working([*customers.values()]):
                kills.kill_at_random(installation, dispatcher, receiver, times, apart)
                until(installation.is_answering, 20)
            drained = kills.drain(store)
            ledger = Ledger.read(store)
            stored = _events(store)
            return [
                Figure("events acknowledged with 202", len(load.acknowledged), least=1),
                Figure("requests that the receiver saw", len(receiver.requests), least=1),
                Figure("rotations", sum(len(each.secrets) for each in customers.values()), least=1),
                Figure("deliveries resent", sum(each.resent for each in customers.values()), least=times > 3),
                Figure("lost: acknowledged, not in the store", len(load.acknowledged.keys() - stored.keys()), most=0),
                Figure("seen after a newer status", _disorder(receiver.requests), most=0),
                Figure("messages whose newest status did not arrive", _missing(ledger, stored), most=0),
                Figure("refused signatures", _refused(receiver.requests, customers), most=0),
                Figure("deliveries left PENDING", ledger.states()[PENDING], most=0),
                Figure("deadlocks", stores.deadlocks(store), most=0),
                Figure("tracebacks in the logs", installation.tracebacks(), most=0),
                Figure("seconds until all was delivered", drained, most=kills.DRAINED_WITHIN),
            ]


def _events(store: URL) -> Mapping[str, Event]:
    with closing(Database(store)) as database, database.connect() as connection:
        rows = connection.execute(select(deliveries.c.event_id, deliveries.c.event)).all()
    return {row.event_id: Event.from_json(row.event) for row in rows}


def _disorder(requests: Sequence[Received]) -> int:
    """How often a receiver saw a status behind a newer one of the same message."""
    seen: dict[tuple[str, str], list[tuple[int, str, str]]] = defaultdict(list)
    for request in requests:
        body = json.loads(request.body)
        said = Event(
            id="", account_id="", message_id="", channel="SMS", status=body["status"], timestamp=body["timestamp"]
        )
        seen[request.path, body["messageId"]].append(said.newness)
    return sum(later < earlier for positions in seen.values() for earlier, later in pairwise(positions))


def _missing(ledger: Ledger, stored: Mapping[str, Event]) -> int:
    """How many messages have no newest status that was delivered."""
    states = {each.event_id: each.state for each in ledger.deliveries.values()}
    newest: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in stored.values():
        key = event.account_id, event.message_id
        best = max([event.newness, *(each.newness for each in newest[key])])
        newest[key] = [each for each in [*newest[key], event] if each.newness == best]
    return sum(not any(states[each.id] == DELIVERED for each in events) for events in newest.values())


def _refused(requests: Sequence[Received], customers: Mapping[str, Customer]) -> int:
    secrets = {f"/{account}": [each for each in customer.secrets if each] for account, customer in customers.items()}
    return sum(not _verifies(each, secrets[each.path]) for each in requests)


def _verifies(request: Received, secrets: Sequence[str]) -> bool:
    """Whether any of the account's secrets verifies the notification."""
    for secret in reversed(secrets):
        try:
            Webhook(secret).verify(request.body, dict(request.headers))
        except WebhookVerificationError:
            continue
        return True
    return False


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--kills", "times", default=10, help="How often each of the two is killed.")
def main(kinds: Sequence[str], times: int) -> None:
    """Kill the dispatcher and the API again and again, and look at the order in which statuses arrive."""
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            kept.append(report.show(f"order through {times} + {times} kills on {kind}", run(store, Path(name), times)))
    report.leave(kept)


if __name__ == "__main__":
    main()
