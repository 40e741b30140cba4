"""`demo`: the whole service at work, in one process and one screen."""

import json
import tempfile
import time
from pathlib import Path

import click

from webhook_admin.cli.demo.api import open_session
from webhook_admin.cli.demo.report import Report, concluded
from webhook_admin.cli.demo.screen import Screen
from webhook_admin.cli.demo.service import RETRY_AFTER, running_service
from webhook_admin.cli.demo.story import Story
from webhook_admin.cli.output import as_json
from webhook_admin.cli.receive.certificate import certificate_in
from webhook_admin.cli.receive.server import Receiver, serving

_FIGURES = (
    "{eventsSent} events, {requestsReceived} requests: "
    "{verified} verified ({retried} of them a retry), {forged} forged."
)
_NEXT = """
  webhook-admin up       runs the service, and prints calls that try it out
  webhook-admin receive  shows the notifications that it sends to you
  README.md              has a tour of five minutes, and says where to read on"""


@click.command()
@as_json
def demo(json_: bool) -> None:
    """Watch the whole service at work, for a few seconds.

    It runs on this machine alone and on a store of its own, takes no notice of your settings, and leaves nothing
    behind. With --json it shows nothing, and prints what has come of it.
    """
    screen, started = Screen(is_dark=json_), time.monotonic()
    try:
        report = _perform(screen)
    except BrokenPipeError:
        # Nobody is watching any more: click ends the command without a word.
        raise
    except OSError as error:
        raise click.ClickException(f"The demo cannot go on: {error.strerror or error}.") from None
    seconds = round(time.monotonic() - started, 1)
    screen.title(_FIGURES.format(**report.figures()))
    screen.text(f"It took {seconds} s, and nothing of it is left. Now it is your turn:", _NEXT)
    if json_:
        click.echo(json.dumps({"seconds": seconds} | report.as_json(), indent=2))


def _perform(screen: Screen) -> Report:
    screen.title("The service starts on this machine, and so does the server of a customer, Acme")
    with tempfile.TemporaryDirectory(prefix="webhook-admin-demo-") as folder:
        receiver = Receiver(certificate_in(Path(folder)))
        # Wait for the connections to end when the server does.
        receiver.daemon_threads = False
        with (
            serving(receiver),
            running_service(Path(folder), receiver.certificate) as service,
            open_session() as session,
        ):
            screen.part("API", service.url, "on a temporary SQLite")
            screen.part("dispatcher", "one, in a thread", f"retries after {RETRY_AFTER:g} s, not 5")
            screen.part("receiver", receiver.url, "TLS certificate made now")
            story = Story(service, receiver, session, screen)
            story.tell()
            screen.title("What the service has on record")
            report = Report(story.events, story.arrivals, concluded(service.database))
            screen.table(list(report.rows()))
            return report
