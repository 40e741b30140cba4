"""`deliveries`: what became of events."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import click

from webhook_admin.cli import options
from webhook_admin.cli.deliveries.filters import filters
from webhook_admin.cli.deliveries.resend import resend
from webhook_admin.cli.output import as_json, paged, show_lines, show_page
from webhook_admin.cli.store import open_store
from webhook_admin.cli.text import block
from webhook_admin.queue import history
from webhook_admin.queue.history import DeliveryWithAttempts
from webhook_admin.queue.selection import Filter
from webhook_admin.web import delivery_schemas as schemas

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


@click.group()
def deliveries() -> None:
    """What became of events."""


@deliveries.command(name="list")
@options.account("Only this account's.")
@filters
@paged
def list_(limit: int, all_: bool, json_: bool, **wanted: Any) -> None:
    """List deliveries, the newest first.

    Without --account, filters by --state, --status and --channel read past every delivery that does not fit.
    """
    with open_store() as store, store.connect() as connection:
        fetch = partial(history.list_deliveries, connection, Filter(**wanted))
        show_page(schemas.Delivery(), _COLUMNS, fetch, limit=limit, all_=all_, json_=json_)


@deliveries.command(name="show")
@click.argument("delivery_id", metavar="ID")
@as_json
def show_(delivery_id: str, json_: bool) -> None:
    """Show the delivery ID with its event and every attempt."""
    with open_store() as store, store.connect() as connection:
        delivery = history.get(connection, delivery_id)
    if json_:
        click.echo(json.dumps(schemas.DeliveryWithAttempts().dump(delivery), indent=2))
    else:
        show_lines(as_text(delivery))


def as_text(delivery: DeliveryWithAttempts) -> Iterator[str]:
    """The delivery and its attempts, as lines for people."""
    yield from block(schemas.Delivery().dump(delivery))
    for attempt in delivery.attempts:
        number, *values = schemas.Attempt().dump(attempt).items()
        yield ""
        yield f"Attempt {number[1]}"
        yield from block({name: value for name, value in values if value is not None}, indent="  ")


deliveries.add_command(resend)
