"""Two versions on one store: `python -m tests.soak.upgrade --old PROGRAM`, in the checkout's folder.

The API and a dispatcher of an older version, whose `webhook-admin` is `PROGRAM`, are under load. Meanwhile this version
upgrades the schema, and its own API and dispatcher join; then the old ones stop. No call is refused and no event lost.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from sqlalchemy import URL

from tests.receiver import Receiver
from tests.soak import kills, records, report, stores
from tests.soak.installation import Installation
from tests.soak.kills import SCHEDULE
from tests.soak.ledger import Ledger
from tests.soak.moods import Moody
from tests.soak.platform import ACCEPTED, Load
from tests.soak.processes import THIS_PROGRAM
from tests.soak.report import Figure


def run(store: URL, folder: Path, old_program: str, seconds: float) -> list[Figure]:
    """Let the old version, both, and the new one work for so many seconds each; the figures."""
    with Receiver() as receiver, ExitStack() as running, ExitStack() as old_load:
        moody = Moody(receiver)
        url = receiver.url("/cb", moody)
        old = _installation(store, folder / "old", receiver, old_program)
        new = _installation(store, folder / "new", receiver, *THIS_PROGRAM)
        old.run("db", "upgrade")
        running.enter_context(old)
        for account in kills.ACCOUNTS:
            old.register(account, url)
        dispatcher = old.dispatch()
        before = old_load.enter_context(Load(old, lambda: kills.batch(url), kills.PAUSE))
        time.sleep(seconds)
        started = time.monotonic()
        new.run("db", "upgrade")
        upgraded = time.monotonic() - started
        time.sleep(seconds)
        running.enter_context(new)
        new.dispatch()
        with Load(new, lambda: kills.batch(url), kills.PAUSE) as after:
            time.sleep(seconds)
            old_load.close()
            stopped = [old.api.stop(), dispatcher.stop()]
            time.sleep(seconds)
        drained = kills.drain(store)
        acknowledged = before.acknowledged | after.acknowledged
        return [
            Figure("seconds that the upgrade of the schema took", upgraded),
            Figure("events acknowledged by the old version", len(before.acknowledged), least=1),
            Figure("events acknowledged by the new version", len(after.acknowledged), least=1),
            Figure("longest call, s", max(before.slowest, after.slowest)),
            *records.compare(
                acknowledged, receiver.requests, moody.acknowledged, Ledger.read(store), SCHEDULE.count(",") + 2
            ),
            Figure("deadlocks", stores.deadlocks(store), most=0),
            Figure("answers other than 202", sum(map(_others, (before, after))), most=0),
            Figure("exit statuses of the old API and dispatcher", sum(stopped), most=0),
            Figure("tracebacks in the logs", old.tracebacks() + new.tracebacks(), most=0),
            Figure("seconds until all was delivered", drained, most=kills.DRAINED_WITHIN),
        ]


def _installation(store: URL, folder: Path, receiver: Receiver, *program: str) -> Installation:
    folder.mkdir()
    return Installation(store, folder, receiver.ca_file, program, retry_schedule=SCHEDULE, lease_seconds=1)


def _others(load: Load) -> int:
    return load.statuses.total() - load.statuses[ACCEPTED]


@contextmanager
def _empty(kind: str, folder: Path) -> Iterator[URL]:
    """A store without a schema."""
    if kind == "sqlite":
        yield stores.sqlite_url(folder)
        return
    with stores.empty_postgresql() as server:
        yield stores.url(server)


@click.command()
@click.option("--old", "old_program", required=True, help="The older version's `webhook-admin`, of a venv of its own.")
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--seconds", default=5.0, help="How long the old version, both, and the new one work.")
def main(old_program: str, kinds: Sequence[str], seconds: float) -> None:
    """Upgrade under load, with the processes of both versions on one store."""
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as folder, _empty(kind, Path(folder)) as store:
            kept.append(report.show(f"Upgrade on {kind}", run(store, Path(folder), old_program, seconds)))
    report.leave(kept)


if __name__ == "__main__":
    main()
