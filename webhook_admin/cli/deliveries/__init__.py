"""`deliveries`: what became of events."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import click

from webhook_admin.cli import options
from webhook_admin.cli.options import FieldType
from webhook_admin.cli.output import as_json, paged, show_lines, show_page
from webhook_admin.cli.store import open_store
from webhook_admin.cli.text import block
from webhook_admin.events import Status
from webhook_admin.queue import history
from webhook_admin.queue.deliveries import State
from webhook_admin.web.delivery_schemas import Attempt, Delivery, DeliveryWithAttempts, with_attempts
from webhook_admin.web.fields import Timestamp

_COLUMNS = (
    "createdAt",
    "id",
    "state",
    "status",
    "messageId",
    "accountId",
    "attemptCount",
    "lastOutcome",
    "lastStatusCode",
    "nextAttemptAt",
    "callbackUrl",
)
_TIME = FieldType("time", Timestamp())


@click.group()
def deliveries() -> None:
    """What became of events."""


@deliveries.command(name="list")
@options.account("Only this account's.")
@click.option(
    "--state",
    "states",
    type=click.Choice([*State], case_sensitive=False),
    multiple=True,
    help="Only those in this state; may be repeated.",
)
@click.option("--status", type=click.Choice([*Status], case_sensitive=False), help="Only events of this status.")
@click.option("--message-id", metavar="ID", type=options.ID, help="Only those of this message.")
@click.option("--since", type=_TIME, help="Only what came in at this time or later, as in 2026-01-31T09:30:00Z.")
@click.option("--until", type=_TIME, help="Only what came in before this time.")
@paged
def list_(
    account_id: str | None,
    states: Sequence[str],
    status: str | None,
    message_id: str | None,
    since: datetime | None,
    until: datetime | None,
    **paging: Any,
) -> None:
    """List deliveries, the newest first."""
    wanted = history.Filter(
        account_id=account_id, states=states, status=status, message_id=message_id, since=since, until=until
    )
    with open_store() as store, store.connect() as connection:
        show_page(Delivery(), _COLUMNS, partial(history.list_deliveries, connection, wanted), **paging)


@deliveries.command(name="show")
@click.argument("delivery_id", metavar="ID")
@as_json
def show_(delivery_id: str, json_: bool) -> None:
    """Show the delivery ID with its event and every attempt."""
    with open_store() as store, store.connect() as connection:
        delivery, attempts = history.get(connection, delivery_id)
    if json_:
        click.echo(json.dumps(DeliveryWithAttempts().dump(with_attempts(delivery, attempts)), indent=2))
    else:
        show_lines(as_text(delivery, attempts))


def as_text(delivery: history.Delivery, attempts: Sequence[history.Attempt]) -> Iterator[str]:
    """The delivery and its attempts, as lines for people."""
    yield from block(Delivery().dump(delivery))
    for attempt in attempts:
        number, *values = Attempt().dump(attempt).items()
        yield ""
        yield f"Attempt {number[1]}"
        yield from block({name: value for name, value in values if value is not None}, indent="  ")
