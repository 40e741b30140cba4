"""`demo`: the whole service at work, in one process and one screen."""

import json
import tempfile
import time
from pathlib import Path

import click

from webhook_admin.cli.demo.api import open_session
from webhook_admin.cli.demo.certificate import make_certificate
from webhook_admin.cli.demo.receiver import Receiver
from webhook_admin.cli.demo.report import Report, concluded
from webhook_admin.cli.demo.screen import Screen
from webhook_admin.cli.demo.service import LOOPBACK, RETRY_AFTER, running_service, serving
from webhook_admin.cli.demo.story import Story
from webhook_admin.cli.output import as_json

_FIGURES = (
    "{eventsSent} events, {requestsReceived} requests: "
    "{verified} verified ({retried} of them a retry), {forged} forged."
)
_NEXT = """
  webhook-admin up   runs the service, and prints the commands that try it out
  README.md          has the API, the settings, and how to run it in production"""


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
        certificate = make_certificate(Path(folder), LOOPBACK)
        receiver = Receiver(LOOPBACK, certificate)
        with (
            serving(receiver),
            running_service(Path(folder), certificate.file) as service,
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
