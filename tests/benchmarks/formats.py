"""What it costs to write a delivery's request: `python -m tests.benchmarks.formats`, in the checkout's folder.

Renders one message's events, of which everything is known, in each payload format and signs the bodies; next to it, the
least that a request takes (an HMAC over the finished body), and reading the event from the store. Rounds of all of them
alternate, and medians of the rounds' means are shown, because machines are noisy. Of time nothing is asserted.
"""

import hmac
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import mean, median

import click

from webhook_admin import formats
from webhook_admin.dispatch import signing
from webhook_admin.events import Event, Status
from webhook_admin.formats import FORMATS, samples

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = signing.key(SECRET)
DELIVERY = "dlv_0199c7a2b6f07d3e8a51c04f6e2b9d18"
NOW = 1_775_745_580
AIM = 40  # microseconds

Work = Callable[[], object]


def write(name: str, event: Event) -> dict[str, str]:
    """All of a request that depends on the format: its body, and the signatures over it."""
    body = formats.render(name, event)
    assert body
    return signing.headers([SECRET], DELIVERY, NOW, body) | formats.headers(name, body, KEY)


def events(name: str) -> list[Event]:
    """An event for each status that the format can say."""
    return [
        next(event for event in samples.of(Status(status)) if formats.render(name, event))
        for status in formats.examples(name)
    ]


def microseconds(work: Sequence[Work], seconds: float) -> float:
    """The mean time of a piece of the work, which is done over and over for about so many seconds."""
    count, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for each in work:
            each()
        count += len(work)
    return elapsed / count * 1e6


@click.command(help=__doc__)
@click.option("--seconds", default=0.2, help="How long a round of one subject lasts.", show_default=True)
@click.option("--rounds", default=9, help="How many rounds there are.", show_default=True)
def main(seconds: float, rounds: int) -> None:
    sayable = {name: events(name) for name in FORMATS}
    writing = {name: [partial(write, name, event) for event in sayable[name]] for name in FORMATS}
    bodies = [formats.render(name, event) or b"" for name in FORMATS for event in sayable[name]]
    stored = [event.to_json() for event in sayable["standard"]]
    subjects: dict[str, Sequence[Work]] = {
        **writing,
        "one HMAC": [partial(hmac.digest, KEY, body, "sha256") for body in bodies],
        "Event.from_json": [partial(Event.from_json, text) for text in stored],
    }
    figures: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, work in subjects.items():
            figures[name].append(microseconds(work, seconds))
    _report({name: median(rounds) for name, rounds in figures.items()})


def _report(figures: dict[str, float]) -> None:
    click.echo(f"{'':18}{'µs':>8}{'/ one HMAC':>12}")
    for name, figure in figures.items():
        click.echo(f"{name:18}{figure:8.1f}{figure / figures['one HMAC']:12.1f}")
    average = mean(figures[name] for name in FORMATS)
    click.echo(f"Rendering and signing, mean of the formats: {average:.1f} µs (aim: less than {AIM} µs)")


if __name__ == "__main__":
    main()
