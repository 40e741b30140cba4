"""No event of a broker is lost or doubled by `kill -9`: `python -m tests.soak.intake`, in the checkout's folder.

Events are published all the time while the consumer, the broker, the API and the dispatcher are killed one after the
other and started again at once. In the end every published message has one delivery, and the receiver has seen it.
RabbitMQ is Debian's `rabbitmq-server`, and Kafka's jars are in `$KAFKA_HOME/libs`; a broker that is not there is left
out, and said.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import click
from sqlalchemy import URL, select

from tests.intake.broker import Broker
from tests.intake.brokers import BROKERS
from tests.receiver import Receiver
from tests.soak import platform, report, stores
from tests.soak.installation import Installation
from tests.soak.kills import ACCOUNTS, SCHEDULE, drain
from tests.soak.ledger import DELIVERED
from tests.soak.moods import Moody
from tests.soak.processes import Running
from tests.soak.report import Figure
from tests.soak.waiting import until
from webhook_admin.db import Database
from webhook_admin.models import deliveries

BATCH, PAUSE = 50, 0.05
CONSUMER, BROKER, API, DISPATCHER = VICTIMS = ("consumer", "broker", "api", "dispatcher")
Event = dict[str, Any]


class Publisher:
    """Publishes one batch after another in a thread, as long as the context lasts, and each until it is taken.

    A batch may be published twice while the broker is killed; only with ids are its events the same ones then.
    """

    def __init__(self, broker: Broker, *, with_ids: bool) -> None:
        self._broker, self._with_ids = broker, with_ids
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher")
        self.published: list[str] = []
        self.repeated = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(PAUSE):
            events = [self._event() for _ in range(BATCH)]
            while not self._is_published([json.dumps(event).encode() for event in events]):
                self.repeated += 1
                time.sleep(PAUSE)
            self.published += [event["messageId"] for event in events]

    def _event(self) -> Event:
        event = dict(platform.event(random.choice(ACCOUNTS)))
        return event if self._with_ids else {name: value for name, value in event.items() if name != "id"}

    def _is_published(self, bodies: Sequence[bytes]) -> bool:
        try:
            self._broker.publish(*bodies)
        except Exception:  # noqa: BLE001  whatever a client raises whose broker is killed
            return False
        return True


def run(store: URL, folder: Path, kind: type[Broker], victims: Sequence[str], kills: int) -> list[Figure]:
    """Kill each of the victims so many times; the figures."""
    with Receiver() as receiver, closing(kind(folder / "broker")) as broker:
        url = receiver.url("/cb", Moody(receiver))
        settings = {"retry_schedule": SCHEDULE, "lease_seconds": 1}
        with Installation(store, folder, receiver.ca_file, **settings) as installation:
            for account in ACCOUNTS:
                installation.register(account, url)
            dispatcher = installation.dispatch()
            options = ["--from", broker.NAME, "--dead-letter", broker.DEAD, *broker.options]
            consumer = installation.start("Consuming.", "consume", broker.url, *options)
            processes = {CONSUMER: consumer, API: installation.api, DISPATCHER: dispatcher}
            with Publisher(broker, with_ids=BROKER in victims) as publisher:
                for victim in _shuffled(victims, kills):
                    time.sleep(random.uniform(0.5, 2))
                    _kill_and_start(broker if victim == BROKER else processes[victim])
            until(lambda: len(set(_stored(store))) >= len(set(publisher.published)), 120, every=0.5)
            until(lambda: not broker.remaining, 60, every=0.5)
            drained = drain(store)
            stopped = consumer.stop()
            stored = Counter(_stored(store))
            seen = {json.loads(request.body)["messageId"] for request in receiver.requests}
            return [
                *(Figure(f"kills of the {victim}", kills) for victim in victims),
                Figure("messages published", len(publisher.published), least=1),
                Figure("batches published once more", publisher.repeated),
                Figure("lost: published and not stored", len(set(publisher.published) - stored.keys()), most=0),
                Figure("doubled: stored more than once", sum(count > 1 for count in stored.values()), most=0),
                Figure("lost: published and never seen", len(set(publisher.published) - seen), most=0),
                Figure("not delivered", len(set(publisher.published) - set(_stored(store, DELIVERED))), most=0),
                Figure("left with the broker", broker.remaining, most=0),
                Figure("dead letters", len(broker.dead_letters()), most=0),
                Figure("exit status of the consumer", stopped, most=0),
                Figure("tracebacks in the logs", installation.tracebacks(), most=0),
                Figure("seconds until all was delivered", drained),
            ]


def _shuffled(victims: Sequence[str], kills: int) -> list[str]:
    order = [*victims] * kills
    random.shuffle(order)
    return order


def _kill_and_start(victim: Running | Broker) -> None:
    victim.kill()
    victim.start()


def _stored(store: URL, state: str | None = None) -> list[str]:
    """The messages that have a delivery; of a state, if one is given."""
    rows = select(deliveries.c.message_id)
    with closing(Database(store)) as database, database.connect() as connection:
        return list(connection.scalars(rows.where(deliveries.c.state == state) if state else rows))


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--broker", "brokers", type=click.Choice(list(BROKERS)), multiple=True, default=list(BROKERS))
@click.option("--victim", "victims", type=click.Choice(VICTIMS), multiple=True, default=VICTIMS)
@click.option("--kills", default=5, help="How often each of the victims is killed.")
def main(kinds: Sequence[str], brokers: Sequence[str], victims: Sequence[str], kills: int) -> None:
    """Kill consumer, broker, API and dispatcher again and again, and compare what was published with what came."""
    kept = []
    for name in brokers:
        if BROKERS[name].missing:
            click.echo(f"{name} is left out: {BROKERS[name].missing}")
            continue
        for kind in kinds:
            with TemporaryDirectory(prefix="soak-") as folder, stores.store(kind, Path(folder)) as store:
                figures = run(store, Path(folder), BROKERS[name], victims, kills)
            kept.append(report.show(f"Intake from {name} on {kind}", figures))
    report.leave(kept)


if __name__ == "__main__":
    main()
