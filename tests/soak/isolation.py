"""Nobody waits for somebody else's receiver: `python -m tests.soak.isolation`, in the checkout's folder.

Half of the accounts have receivers that hang, drip, reset, or whose name servers never answer, and one of them has a
long backlog to a receiver that hangs. How long do the other half's events take from 202 to receipt, without those and
with them? The name servers need a network namespace; without the right to make one they are left out.
"""

import json
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
from sqlalchemy import URL

from tests.nameserver import Nameserver
from tests.receiver import Receiver
from tests.receiver_process import ReceiverProcess
from tests.soak import namespace, platform, report, stores
from tests.soak.installation import Installation
from tests.soak.platform import Load, Platform
from tests.soak.report import Figure
from tests.soak.waiting import until

PAUSE, EACH = 0.05, 5
SETTLE = 1  # seconds
BULK = 1_000
MOST = 1_000  # milliseconds
# Below it, a ratio says more about the machine's other work than about the dispatcher.
NOISE = 50  # milliseconds


class Spread(NamedTuple):
    """How long so many events took from 202 to receipt, in milliseconds."""

    events: int
    p50: float
    p99: float


class Sizes(NamedTuple):
    """How many accounts in each half, how long a backlog, how many seconds of measuring, and the dispatcher's size.

    `ratio` is how much longer the p99 may be with the hostile half than without.
    """

    half: int
    backlog: int
    seconds: float
    max_in_flight: int
    ratio: float


def run(store: URL, folder: Path, sizes: Sizes) -> list[Figure]:
    """Measure without the hostile half, and with it; the figures."""
    with ExitStack() as stack:
        healthy = stack.enter_context(Receiver())
        hostile = stack.enter_context(ReceiverProcess(_folder(folder, "hostile")))
        authorities = folder / "authorities.pem"
        authorities.write_text(healthy.ca_file.read_text() + hostile.ca_file.read_text())
        installation = stack.enter_context(Installation(store, folder, authorities, max_in_flight=sizes.max_in_flight))
        good = [f"good-{number}" for number in range(sizes.half)]
        for account in good:
            installation.register(account, healthy.url(f"/{account}"))
        bad = _register_hostile(installation, hostile, sizes.half, stack)
        dispatcher = installation.dispatch()
        without = _measure(installation, healthy, good, [], sizes.seconds)
        backlog = _backlog(installation, bad[0], sizes.backlog)
        beside = _measure(installation, healthy, good, bad, sizes.seconds)
        return [
            Figure("accounts with a healthy receiver", len(good)),
            Figure("accounts with a hostile one", len(bad)),
            Figure("of these with silent name servers", sum("dns" in account for account in bad)),
            Figure("backlog of one of them", backlog),
            Figure("requests that hostile receivers saw", len(hostile.seen()), least=1),
            *_spread("without them", without),
            *_spread("with them", beside),
            Figure("ratio of the p99", beside.p99 / without.p99, most=max(sizes.ratio, NOISE / without.p99)),
            Figure("p99 with them, ms", beside.p99, most=MOST),
            Figure("memory of the dispatcher, MB", dispatcher.process.memory_info().rss / 2**20),
            Figure("tracebacks in the logs", installation.tracebacks(), most=0),
        ]


def _folder(parent: Path, name: str) -> Path:
    found = parent / name
    found.mkdir()
    return found


def _register_hostile(installation: Installation, hostile: ReceiverProcess, half: int, stack: ExitStack) -> list[str]:
    urls = {kind: f"{hostile.base_url}/{kind}" for kind in ("hang", "drip", "reset")}
    accounts = []
    if namespace.is_inside():
        silent = {f"silent-{number}.example.com": None for number in range(half)}
        stack.enter_context(Nameserver(silent, namespace.NAMESERVER, 53))
        urls["dns"] = "https://silent-{}.example.com/"
    for number in range(half):
        kind, url = list(urls.items())[number % len(urls)]
        accounts.append(f"bad-{kind}-{number}")
        installation.register(accounts[-1], url.format(number))
    return accounts


def _backlog(installation: Installation, account: str, count: int) -> int:
    client = Platform(installation)
    for _ in range(0, count, BULK):
        client.post([platform.event(account) for _ in range(min(BULK, count))])
    return len(client.acknowledged)


def _measure(
    installation: Installation, healthy: Receiver, good: Sequence[str], bad: Sequence[str], seconds: float
) -> Spread:
    """Post to the good accounts, and as much to the bad ones, if there are any."""

    def batch() -> Sequence[platform.Event]:
        chosen = random.choices(good, k=EACH) + (random.choices(bad, k=EACH) if bad else [])
        return [platform.event(account) for account in chosen]

    with Load(installation, batch, PAUSE):
        time.sleep(SETTLE)
    healthy.requests.clear()
    with Load(installation, batch, PAUSE) as load:
        time.sleep(seconds)
    own = {one: at for one, at in load.acknowledged.items() if one.startswith("good")}
    until(lambda: own.keys() <= _arrived(healthy).keys(), 60, every=0.5)
    arrived = _arrived(healthy)
    waits = [max(arrived[one] - at, 0) * 1_000 for one, at in own.items()]
    percentiles = quantiles(waits, n=100)
    return Spread(len(waits), percentiles[49], percentiles[98])


def _arrived(healthy: Receiver) -> dict[str, float]:
    """When each event arrived, by its id."""
    return {json.loads(request.body)["eventId"]: request.at for request in healthy.requests}


def _spread(name: str, spread: Spread) -> list[Figure]:
    return [
        Figure(f"{name}: events to healthy receivers", spread.events),
        Figure(f"{name}: p50 from 202 to receipt, ms", spread.p50),
        Figure(f"{name}: p99 from 202 to receipt, ms", spread.p99),
    ]


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--half", default=100, help="How many accounts have a healthy receiver, and how many a hostile one.")
@click.option("--backlog", default=100_000)
@click.option("--seconds", default=30.0, help="How long to measure, without and with the hostile half.")
@click.option("--max-in-flight", default=500)
@click.option("--ratio", default=2.0, help="How much longer the p99 may be with the hostile half than without.")
def main(kinds: Sequence[str], **sizes: Any) -> None:
    """Compare the healthy receivers' waits without and with the hostile half."""
    namespace.enter()
    kept = []
    for kind in kinds:
        with TemporaryDirectory(prefix="soak-") as name, stores.store(kind, Path(name)) as store:
            figures = run(store, Path(name), Sizes(**sizes))
            kept.append(report.show(f"Isolation on {kind}", figures))
    report.leave(kept)


if __name__ == "__main__":
    main()
