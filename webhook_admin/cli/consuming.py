"""`consume`: takes events from a message broker."""

import asyncio
import signal
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import click

from webhook_admin import logs, migrations
from webhook_admin.cli.measuring import measured
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.errors import Misconfigured
from webhook_admin.intake.consumer import Source
from webhook_admin.intake.intake import Intake

Command = TypeVar("Command", bound=Callable[..., Any])


class _Broker(NamedTuple):
    """A module of `intake`, its client's package, the extra with it, and those options that not every broker has."""

    module: str
    client: str
    extra: str
    options: frozenset[str]


_NATS = _Broker("jetstream", "nats", "nats", frozenset({"group", "subject", "ack_wait"}))
_KAFKA = _Broker("kafka", "confluent_kafka", "kafka", frozenset({"group"}))
_RABBITMQ = _Broker("rabbitmq", "aio_pika", "rabbitmq", frozenset())
_BROKERS = {"nats": _NATS, "tls": _NATS, "kafka": _KAFKA, "amqp": _RABBITMQ, "amqps": _RABBITMQ}


def _source(command: Command) -> Command:
    """The options that say where events come from, and where refused ones go."""
    for option in (
        click.option(
            "--ack-wait",
            type=click.FloatRange(1, 3_600),
            help="NATS: seconds after which an unacknowledged message comes again.  [default: 30]",
        ),
        click.option("--subject", help="NATS: take only messages of this subject; wildcards may be used."),
        click.option(
            "--group",
            help="The durable consumer of NATS, which is made if it is not there, or the consumer group of Kafka. "
            "All processes with the same one share the work.  [default: webhook-admin]",
        ),
        click.option(
            "--dead-letter",
            required=True,
            metavar="NAME",
            help="Where refused events go: a subject of another stream, another topic or another queue.",
        ),
        click.option(
            "--from", "name", required=True, metavar="NAME", help="The stream, topic or queue to take events from."
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("url", envvar="WEBHOOK_ADMIN_BROKER_URL")
@_source
def consume(url: str, **options: Any) -> None:
    """Take events from a message broker instead of HTTP. Run as many of these as you like.

    URL is nats://[user:password@]host[:port] or tls://... for NATS, kafka://host:port[,host:port...][?setting=value...]
    for Kafka, with settings of librdkafka, and amqp://user:password@host[:port]/vhost or amqps://... for RabbitMQ. It
    may stand in WEBHOOK_ADMIN_BROKER_URL instead, where other users of this machine do not see its password.

    Each message is one event, as in the list of POST /events, and is judged by the same rules. It is acknowledged once
    its event is committed. A refused event goes to the dead letters, with its problem in the header
    Webhook-Admin-Problem, and stops no other. An event without an id gets one from its message, the same whenever the
    message comes again, so that it is stored once.

    Ctrl-C or SIGTERM stops it after the batch in hand.
    """
    scheme = url.partition("://")[0]
    broker = _BROKERS.get(scheme)
    if broker is None:
        raise click.UsageError(f"URL must begin with {', '.join(f'{each}://' for each in _BROKERS)}.")
    if not _has_host(url):
        raise click.UsageError("URL has no host, or one that cannot be read. In a password, / is %2F and @ is %40.")
    given = {name: value for name, value in options.items() if value is not None}
    for name in sorted(given.keys() & (_NATS.options - broker.options)):
        raise click.UsageError(f"--{name.replace('_', '-')} is not for {scheme}://.")
    settings = Settings.from_environment()
    database = Database(settings.database_url)
    migrations.require_current(database)
    logs.configure(settings.log_level, settings.log_format)
    with measured(settings):
        consumer = _consumer(broker)(Source(url=url, **given), Intake(settings, database))
        asyncio.run(_until_signal(consumer.run))
    database.close()


def _has_host(url: str) -> bool:
    """Whether the URL has a host, and a port that is a number if it has one. Kafka's may have several."""
    try:
        servers = urlsplit(url.partition("?")[0])
        return bool(servers.hostname) and ("," in servers.netloc or servers.port != 0)
    except ValueError:
        return False


def _consumer(broker: _Broker) -> Any:
    try:
        return resolve_name(f"webhook_admin.intake.{broker.module}:Consumer")
    except ModuleNotFoundError as error:
        if error.name != broker.client:
            raise
        raise Misconfigured(
            f"The broker's client is not installed: pip install 'webhook-admin[{broker.extra}]'."
        ) from None


async def _until_signal(run: Callable[[asyncio.Event], Any]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    click.echo("Consuming.")
    await run(stop)
