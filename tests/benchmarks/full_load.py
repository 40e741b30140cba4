"""Scenarios of the delivery benchmark in which the dispatcher has as much to do as it can do."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing

from sqlalchemy import URL, text

from tests.benchmarks import filling, metering
from tests.benchmarks.place import Options, Place
from webhook_admin.db import Database

IN_ORDER = {"ordering": "message", "superseded": "skip"}


def lanes(
    place: Place,
    lanes: int,
    events: int,
    measured: int,
    formats: Sequence[str] = (filling.DEFAULT,),
    options: Mapping[str, str] | None = None,
) -> str:
    """Deliver the first `measured` of the events from so many lanes, all to one origin, with the webhooks' options."""
    _fill(place, lanes, events, formats, options)
    figures = metering.deliver(place.installation, place.postmaster, place.receiver, measured)
    _require_success(place.installation.store)
    return str(figures)


def loop_alone(place: Place, options: Options) -> str:
    """The dispatcher's loop without sending, from 1,000 lanes."""
    _fill(place, 1_000, options.events, (filling.DEFAULT,))
    return _ceiling(place, "loop", options.events)


def sender_alone(place: Place, options: Options) -> str:
    """The sender without a store."""
    return _ceiling(place, "bare", options.events, place.url)


def _fill(
    place: Place, lanes: int, events: int, formats: Sequence[str], options: Mapping[str, str] | None = None
) -> None:
    filling.register(place.installation, [place.url] * lanes, formats, options)
    filling.post(place.installation, (filling.event(number, lanes, formats) for number in range(events)))
    place.installation.api.stop()


def _ceiling(place: Place, *arguments: object) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.ceilings", *map(str, arguments)]
    output = subprocess.run(command, env=place.installation.environment, check=True, stdout=subprocess.PIPE).stdout
    figures = json.loads(output)
    return f"{figures['per_second']:13,.0f} {figures['cpu_us']:13.0f}"


def _require_success(store: URL) -> None:
    counts = text("SELECT outcome, count(*) FROM attempts GROUP BY outcome")
    with closing(Database(store)) as database, database.connect() as connection:
        outcomes = {row[0]: row[1] for row in connection.execute(counts)}
    assert set(outcomes) == {"delivered"}, outcomes
