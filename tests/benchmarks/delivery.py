"""What one dispatcher process delivers: `python -m tests.benchmarks.delivery`, in the checkout's folder.

Signed notifications over kept-alive TLS to a receiver on the same machine, nginx where it is installed, from both
stores. PostgreSQL is the benchmark's own, with its default settings: every commit reaches the disk. The service is
real processes, filled through its API. Two ceilings are measured in the same run: the sender without a store, and the
dispatcher's loop without sending. Of time nothing is asserted; that every attempt has succeeded is.

To compare versions, name the `webhook-admin` of each: `--command old/.venv/bin/webhook-admin --command ...`. Each gets
the same load in turn, on a store of its own.
"""

from collections.abc import Callable, Mapping, Sequence

import click

from tests.benchmarks import filling, full_load, light_load
from tests.benchmarks.place import Options, Place, Scenario, place
from tests.benchmarks.receivers import HAS_NGINX
from tests.soak import stores
from tests.soak.processes import THIS_PROGRAM

THIS = "this checkout"
COLUMNS = (
    f"{'deliveries/s':>13} {'dispatcher us':>13} {'postgresql us':>13} {'connections':>12} {'RSS MB':>8} {'USS MB':>8}"
)

Run = Callable[[Place, Options], str]


def _lanes(count: int, formats: Sequence[str] = (filling.DEFAULT,)) -> Run:
    return lambda place, options: full_load.lanes(place, count, options.events, options.events, formats)


def _in_order(place: Place, options: Options) -> str:
    return full_load.lanes(place, 1_000, options.events, options.events, options=full_load.IN_ORDER)


def _one_lane(length: Callable[[Options], int]) -> Run:
    return lambda place, options: full_load.lanes(place, 1, length(options), options.events // 4)


SCENARIOS: Mapping[str, Scenario] = {
    "sender": Scenario(title="the sender without a store", run=full_load.sender_alone, is_ceiling=True),
    "loop": Scenario(title="the loop without sending", run=full_load.loop_alone, is_ceiling=True),
    "lanes": Scenario(title="1,000 lanes", run=_lanes(1_000)),
    "order": Scenario(title="1,000 lanes, order and superseded", run=_in_order),
    "info": Scenario(title="1,000 lanes, log level info", run=_lanes(1_000), settings={"log_level": "info"}),
    "many-lanes": Scenario(title="20,000 lanes", run=_lanes(20_000)),
    "formats": Scenario(title="1,000 lanes, five formats", run=_lanes(1_000, filling.FORMATS)),
    "long-lane": Scenario(title="one lane of 100,000", run=_one_lane(lambda _: 100_000)),
    "longer-lane": Scenario(title="one lane of --backlog", run=_one_lane(lambda options: options.backlog)),
    "origins": Scenario(
        title="1,000 origins, an event each every 4 s", run=light_load.many_origins, hosts=10, ports=100
    ),
    "memory": Scenario(title="idle: memory", run=light_load.memory),
    "latency": Scenario(title="idle: from 202 to receipt", run=light_load.latency, needs_times=True),
}


@click.command()
@click.option("--store", "kinds", type=click.Choice([*stores.KINDS, "both"]), default="both")
@click.option("--only", type=click.Choice(list(SCENARIOS)), multiple=True, default=list(SCENARIOS))
@click.option("--command", "commands", type=click.Path(exists=True), multiple=True, help="A webhook-admin to measure.")
@click.option("--events", default=100_000, help="How many deliveries each figure is taken from.")
@click.option("--backlog", default=1_000_000, help="The length of the longest lane.")
@click.option("--seconds", default=60.0, help="How long the scenario of 1,000 origins is measured.")
def main(kinds: str, only: Sequence[str], commands: Sequence[str], events: int, backlog: int, seconds: float) -> None:
    """Measure deliveries per second, and CPU (us) and new connections for each."""
    programs: dict[str, Sequence[str]] = {command: [command] for command in commands} or {THIS: THIS_PROGRAM}
    options = Options(events=events, backlog=backlog, seconds=seconds)
    click.echo("The receiver is " + ("nginx." if HAS_NGINX else "the tests' own, which costs more than nginx."))
    for kind in stores.KINDS if kinds == "both" else [kinds]:
        click.echo(f"\n{kind:40} {COLUMNS}")
        for scenario in (SCENARIOS[name] for name in only):
            for name, program in ({THIS: THIS_PROGRAM} if scenario.is_ceiling else programs).items():
                with place(kind, program, scenario) as found:
                    figures = scenario.run(found, options)
                click.echo(f"  {scenario.title:38} {figures}" + (f"  {name}" if commands else ""))


if __name__ == "__main__":
    main()
