"""No receiver acknowledges another account's notifications: `python -m tests.soak.desync`, in the checkout's folder.

Two customers share one origin. A's side of it answers twice, late, before the request is whole, in halves, or after an
answer that has no body; B's side always answers 503. None of B's attempts is on record as delivered.
"""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from sqlalchemy import URL, select

from tests.receiver_process import ReceiverProcess
from tests.soak import platform, report, stores
from tests.soak.installation import Installation
from tests.soak.ledger import DELIVERED, Ledger, is_drained
from tests.soak.platform import ACCEPTED, Platform
from tests.soak.report import Figure
from tests.soak.waiting import until
from webhook_admin.db import Database
from webhook_admin.models import attempts

MISBEHAVIOURS = ("double", "late/{}", "half/{}", "surplus/204", "surplus/304", "eager")
MAX_LATE = 12  # milliseconds until the second answer
BATCH = 10
PATIENCE = 60  # seconds


def run(store: URL, folder: Path, rounds: int) -> list[Figure]:
    """So many events for each side, each of an account of its own so that no breaker spares the receiver; figures."""
    with ReceiverProcess(folder / "receiver") as receiver:
        settings = {"retry_schedule": "0.1,0.2", "log_level": "error"}
        with Installation(store, folder, receiver.ca_file, **settings) as installation:
            pairs = [(f"A-{number}", f"B-{number}") for number in range(rounds)]
            for account in itertools.chain(*pairs):
                installation.register(account)
            installation.dispatch()
            client = Platform(installation)
            for start in range(0, rounds, BATCH):
                client.post(batch(receiver.base_url, pairs[start : start + BATCH]))
            with closing(Database(store)) as database:
                until(lambda: is_drained(database), PATIENCE, every=0.2)
            return _figures(store, receiver, client, installation)


def batch(base_url: str, pairs: Sequence[tuple[str, str]]) -> Sequence[platform.Event]:
    """An event for each account, A's and B's in turn."""
    events = []
    for one, other in pairs:
        misbehaviour = random.choice(MISBEHAVIOURS).format(random.randrange(MAX_LATE))
        events.append(platform.event(one, callbackUrl=f"{base_url}/{misbehaviour}"))
        events.append(platform.event(other, callbackUrl=f"{base_url}/unavailable"))
    return events


def _figures(store: URL, receiver: ReceiverProcess, client: Platform, installation: Installation) -> list[Figure]:
    recorded = {"A": Counter[str](), "B": Counter[str]()}
    with closing(Database(store)) as database, database.connect() as connection:
        for account, outcome in connection.execute(select(attempts.c.account_id, attempts.c.outcome)):
            recorded[account[0]][outcome] += 1
    ledger = Ledger.read(store)
    delivered = [each for each in ledger.deliveries.values() if each.state == DELIVERED]
    honest = sum(request.path == "/unavailable" for request in receiver.seen())
    return [
        Figure("events of each account", len(client.acknowledged) / 2, least=1),
        Figure("A's requests, answered in a wrong way", len(receiver.seen()) - honest, least=1),
        Figure("B's requests, answered with 503", honest, least=1),
        *(Figure(f"{side}'s attempts: {name}", each) for side in "AB" for name, each in recorded[side].most_common()),
        Figure("false successes: B's attempts on record as delivered", recorded["B"]["delivered"], most=0),
        Figure("B's deliveries DELIVERED", sum(each.event_id.startswith("B") for each in delivered), most=0),
        Figure("calls that were not answered with 202", client.statuses.total() - client.statuses[ACCEPTED], most=0),
        Figure("tracebacks in the logs", installation.tracebacks(), most=0),
    ]


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--rounds", default=1_000)
def main(kinds: Sequence[str], rounds: int) -> None:
    """Let one customer's receiver answer too much, and look for false successes of another customer."""
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            kept.append(report.show(f"{rounds} rounds of answers too many on {kind}", run(store, Path(name), rounds)))
    report.leave(kept)


if __name__ == "__main__":
    main()
