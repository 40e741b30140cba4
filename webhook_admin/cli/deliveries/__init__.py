"""`deliveries`: what became of events."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

import click
from marshmallow import fields

from webhook_admin.cli import options
from webhook_admin.cli.options import FieldType
from webhook_admin.cli.output import as_json, paged, show_lines, show_page
from webhook_admin.cli.store import open_store
from webhook_admin.cli.text import block
from webhook_admin.events import Status
from webhook_admin.queue import history
from webhook_admin.queue.deliveries import State
from webhook_admin.web.fields import Text, Timestamp
from webhook_admin.web.records import Answer

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


class Delivery(Answer):
    id = Text()
    account_id = Text()
    message_id = Text()
    event_id = Text()
    channel = Text()
    status = Text()
    timestamp = Text()
    state = Text()
    state_detail = Text()
    callback_url = Text()
    payload_format = Text()
    attempt_count = fields.Integer()
    created_at = Timestamp()
    next_attempt_at = Timestamp()
    last_outcome = Text()
    last_status_code = fields.Integer()


class Attempt(Answer):
    number = fields.Integer()
    started_at = Timestamp()
    duration_ms = fields.Integer()
    outcome = Text()
    status_code = fields.Integer()
    detail = Text()
    hint = Text()
    response = Text()


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
        click.echo(json.dumps(as_object(delivery, attempts), indent=2))
    else:
        show_lines(_text(delivery, attempts))


def as_object(delivery: history.Delivery, attempts: Sequence[history.Attempt]) -> dict[str, Any]:
    """The delivery with its event and its attempts, as the API has it."""
    event = asdict(delivery.event) if delivery.event else {}
    return {
        **Delivery().dump(delivery),
        # What an event does not have is left out.
        "event": {_json_name(name): value for name, value in event.items() if value not in (None, {})} or None,
        "attempts": Attempt(many=True).dump(attempts),
    }


def _json_name(name: str) -> str:
    first, *words = name.split("_")
    return first + "".join(map(str.capitalize, words))


def _text(delivery: history.Delivery, attempts: Sequence[history.Attempt]) -> Iterator[str]:
    yield from block(Delivery().dump(delivery))
    for attempt in attempts:
        number, *values = Attempt().dump(attempt).items()
        yield ""
        yield f"Attempt {number[1]}"
        yield from block({name: value for name, value in values if value is not None}, indent="  ")
