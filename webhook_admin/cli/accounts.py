"""`accounts`: the platform's customers."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import click

from webhook_admin import accounts as nouns
from webhook_admin.cli.options import FieldType
from webhook_admin.cli.output import as_json, paged, show, show_page
from webhook_admin.cli.store import open_store
from webhook_admin.web import schemas
from webhook_admin.web.fields import Text

_COLUMNS = ("id", "name", "createdAt", "updatedAt")


@click.group()
def accounts() -> None:
    """The customers of the messaging platform."""


@accounts.command()
@click.argument("account_id", metavar="ID")
@click.option("--name", type=FieldType("text", Text()), help="What people call the account.")
@as_json
def create(account_id: str, name: str | None, json_: bool) -> None:
    """Add the account ID, which is the platform's own id of it."""
    with open_store() as store, store.transaction() as connection:
        account = nouns.create(connection, account_id, datetime.now(UTC), name)
    show(schemas.Account(), account, json_)


@accounts.command(name="list")
@paged
def list_(**paging: Any) -> None:
    """List accounts, by id."""
    with open_store() as store, store.connect() as connection:
        show_page(schemas.Account(), _COLUMNS, partial(nouns.list_accounts, connection), **paging)


@accounts.command()
@click.argument("account_id", metavar="ID")
def delete(account_id: str) -> None:
    """Delete the account ID with its keys and its webhook, at once and without asking."""
    with open_store() as store, store.transaction() as connection:
        nouns.remove(connection, account_id, datetime.now(UTC))
    click.echo(f"Account {account_id} has been deleted.", err=True)
