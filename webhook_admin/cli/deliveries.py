"""`deliveries`: what became of events."""

from dataclasses import asdict
from functools import partial
from typing import Any

import click
from marshmallow import fields

from webhook_admin.cli.options import FieldType
from webhook_admin.cli.output import as_json, show, show_all, show_table
from webhook_admin.cli.store import open_store
from webhook_admin.queue import history
from webhook_admin.queue.deliveries import State
from webhook_admin.web.fields import Text, Timestamp
from webhook_admin.web.records import Answer


class Delivery(Answer):
    id = Text()
    account_id = Text()
    message_id = Text()
    event_id = Text()
    status = Text()
    state = Text()
    state_detail = Text()
    callback_url = Text()
    payload_format = Text()
    attempts: fields.Field[Any] = fields.Integer()
    created_at = Timestamp()
    next_attempt_at = Timestamp()


class Attempt(Answer):
    number = fields.Integer()
    started_at = Timestamp()
    duration_ms = fields.Integer()
    outcome = Text()
    status_code = fields.Integer()
    response = Text()


class DeliveryWithAttempts(Delivery):
    attempts = fields.List(fields.Nested(Attempt))


@click.group()
def deliveries() -> None:
    """What became of events: one delivery for each, and its attempts."""


@deliveries.command(name="list")
@click.option("--account", "account_id", metavar="ID", type=FieldType("id", Text()), help="Only this account's.")
@click.option("--state", type=click.Choice([*State], case_sensitive=False), help="Only those in this state.")
@click.option("--message-id", metavar="ID", type=FieldType("id", Text()), help="Only those of this message.")
@as_json
def list_(account_id: str | None, state: str | None, message_id: str | None, json_: bool) -> None:
    """List deliveries, in the order in which their events came in."""
    with open_store() as store, store.connect() as connection:
        show_all(Delivery(), partial(history.list_deliveries, connection, account_id, state, message_id), json_)


@deliveries.command(name="show")
@click.argument("delivery_id", metavar="ID")
@as_json
def show_(delivery_id: str, json_: bool) -> None:
    """Show the delivery ID with every attempt."""
    with open_store() as store, store.connect() as connection:
        delivery, attempts = history.get(connection, delivery_id)
    if json_:
        show(DeliveryWithAttempts(), {**asdict(delivery), "attempts": attempts}, json_)
        return
    show(Delivery(), delivery, json_)
    click.echo()
    show_table(Attempt(), attempts)
