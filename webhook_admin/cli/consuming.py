"""`consume`: takes events from a message broker."""

import asyncio
import signal
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from webhook_admin import logs, migrations
from webhook_admin.cli.measuring import measured
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.errors import Misconfigured
from webhook_admin.intake.intake import Intake

Command = TypeVar("Command", bound=Callable[..., Any])
_SCHEMES = ("nats", "tls")


def _source(command: Command) -> Command:
    """The options that say where events come from, and where refused ones go."""
    for option in (
        click.option(
            "--ack-wait",
            type=click.FloatRange(1, 3_600),
            default=30,
            show_default=True,
            help="Seconds after which a message that was not acknowledged comes again.",
        ),
        click.option(
            "--durable",
            default="webhook-admin",
            show_default=True,
            help="The durable consumer, which is made "
            "if it is not there. All processes with the same one share the work.",
        ),
        click.option("--subject", help="Take only messages of this subject; wildcards may be used.  [default: all]"),
        click.option(
            "--dead-letter",
            required=True,
            metavar="SUBJECT",
            help="Where refused events go: a subject of another stream.",
        ),
        click.option("--stream", required=True, help="The stream to take events from."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("url", envvar="WEBHOOK_ADMIN_BROKER_URL")
@_source
def consume(url: str, **source: Any) -> None:
    """Take events from NATS JetStream instead of HTTP. Run as many of these as you like.

    URL is nats://[user:password@]host[:port], or tls://... It may stand in WEBHOOK_ADMIN_BROKER_URL instead, where
    other users of this machine do not see its password.

    Each message is one event, as in the list of POST /events, and is judged by the same rules. It is acknowledged once
    its event is committed. A refused event goes to the dead letters, with its problem in the header
    Webhook-Admin-Problem, and stops no other. An event without an id gets one from the stream's name, the number of
    the message and its time, so that it is stored once however often the message comes.

    Ctrl-C or SIGTERM stops it after the batch in hand.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise click.UsageError("URL must begin with nats:// or tls://.")
    settings = Settings.from_environment()
    database = Database(settings.database_url)
    migrations.require_current(database)
    logs.configure(settings.log_level, settings.log_format)
    with measured(settings):
        consumer = _jetstream("Consumer")(_jetstream("Source")(url=url, **source), Intake(settings, database))
        asyncio.run(_until_signal(consumer.run))
    database.close()


def _jetstream(name: str) -> Any:
    try:
        return resolve_name(f"webhook_admin.intake.jetstream:{name}")
    except ModuleNotFoundError as error:
        if error.name != "nats":
            raise
        raise Misconfigured("The client for NATS is not installed: pip install 'webhook-admin[nats]'.") from None


async def _until_signal(run: Callable[[asyncio.Event], Any]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    click.echo("Consuming.")
    await run(stop)
