"""What an account's receivers do delays no other account: `python -m tests.soak.isolation`, in the checkout's folder.

How long do honest accounts' events take from 202 to receipt, without an attack and while it goes on? And is a lone
account with a slow receiver sent to as fast as its window allows? Dead name servers need a network namespace; without
the right to make one they are left out.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from sqlalchemy import URL

from tests.receiver_process import ReceiverProcess
from tests.soak import attacks, namespace, report, slow_receivers, stores
from tests.soak.attacks import ATTACKS, Attackers
from tests.soak.honest import NEWCOMER, REGULAR, Honest
from tests.soak.installation import Installation
from tests.soak.report import Figure

MAX_WAIT = 1_000  # milliseconds
SLOW = "slow"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of everything.

    `scale` multiplies the attackers' numbers, `seconds` is the time of each measurement; the p99 may be `ratio` times
    the quiet one and `floor` ms on top.
    """

    regulars: int
    scale: float
    seconds: float
    ratio: float
    floor: float


def run(store: URL, folder: Path, attack: str, sizes: Sizes, **settings: object) -> list[Figure]:
    """Measure without the attack, and with it; the figures."""
    with ExitStack() as stack:
        honest_receiver = stack.enter_context(ReceiverProcess(folder / "honest"))
        hostile_receiver = stack.enter_context(
            ReceiverProcess(folder / "hostile", hosts=attacks.HOSTS, ports=attacks.PORTS)
        )
        authorities = folder / "authorities.pem"
        authorities.write_text(honest_receiver.ca_file.read_text() + hostile_receiver.ca_file.read_text())
        installation = stack.enter_context(Installation(store, folder, authorities, **settings))
        newcomers = round(6 * sizes.seconds) + 4
        honest = Honest(installation, honest_receiver, sizes.regulars, newcomers)
        carry_out = ATTACKS[attack].prepare(Attackers(installation, hostile_receiver, stack, sizes.scale))
        dispatcher = installation.dispatch()
        honest.introduce()
        quiet = honest.measure(sizes.seconds)
        events: list[int] = []
        if ATTACKS[attack].is_before:
            events.append(carry_out())
        attacked = honest.measure(sizes.seconds, lambda: None if events else events.append(carry_out()))
        max_p99 = min(sizes.ratio * quiet[REGULAR].p99 + sizes.floor, MAX_WAIT)
        return [
            *(figure for kind in (REGULAR, NEWCOMER) for figure in quiet[kind].figures(f"{kind}, quiet")),
            Figure("events of the attack", sum(events), least=1),
            Figure("requests of the attack", len(hostile_receiver.seen()), least=1),
            *(figure for kind in (REGULAR, NEWCOMER) for figure in attacked[kind].figures(f"{kind}, attacked")),
            Figure("regular: p99 in the attack, ms", attacked[REGULAR].p99, most=max_p99),
            Figure("regular: latest in the attack, ms", attacked[REGULAR].max, most=MAX_WAIT),
            Figure("memory of the dispatcher, MB", dispatcher.process.memory_info().rss / 2**20),
            Figure("tracebacks in the logs", installation.tracebacks(), most=0),
        ]


@click.command()
@click.option("--store", "kinds", type=click.Choice(stores.KINDS), multiple=True, default=stores.KINDS)
@click.option("--only", type=click.Choice([*ATTACKS, SLOW]), multiple=True, default=[*ATTACKS, SLOW])
@click.option("--regulars", default=100, help="How many honest accounts.")
@click.option("--scale", default=1.0, help="Multiplies the number of attackers, origins and events in a backlog.")
@click.option("--seconds", default=30.0, help="How long to measure, without and with the attack.")
@click.option("--ratio", default=2.0, help="How much longer the p99 may be in the attack.")
@click.option("--floor", default=20.0, help="Milliseconds on top of that.")
@click.option("--latency", "latencies", type=int, multiple=True, default=slow_receivers.LATENCIES)
@click.option("--setting", "settings", type=(str, str), multiple=True, help="A setting's name in lower case and value.")
def main(
    kinds: Sequence[str],
    only: Sequence[str],
    latencies: Sequence[int],
    settings: Sequence[tuple[str, str]],
    **sizes: Any,
) -> None:
    """Compare honest accounts' waits without and with each attack; and see how fast slow receivers are sent to."""
    namespace.enter()
    kept = []
    for kind in kinds:
        for name in only:
            with TemporaryDirectory(prefix="soak-") as folder, stores.store(kind, Path(folder)) as store:
                if name == SLOW:
                    figures = slow_receivers.run(store, Path(folder), latencies)
                else:
                    figures = run(store, Path(folder), name, Sizes(**sizes), **dict(settings))
            kept.append(report.show(f"Isolation, {name}, on {kind}", figures))
    report.leave(kept)


if __name__ == "__main__":
    main()
