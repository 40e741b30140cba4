"""`keys`: the API keys of accounts and of the platform."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import click

from webhook_admin import keys as nouns
from webhook_admin.cli import options
from webhook_admin.cli.options import FieldType
from webhook_admin.cli.output import as_json, paged, show, show_page
from webhook_admin.cli.store import open_store
from webhook_admin.web import schemas
from webhook_admin.web.fields import Text, Timestamp

_COLUMNS = ("id", "accountId", "name", "createdAt", "lastUsedAt", "expiresAt")


@click.group()
def keys() -> None:
    """API keys: what lets a program call the API."""


@keys.command()
@options.account("Make an account key: it acts for this account only.")
@click.option("--platform", is_flag=True, help="Make a platform key: it manages accounts, and acts for any of them.")
@click.option("--name", type=FieldType("text", Text()), help="What people call the key.")
@click.option(
    "--expires",
    "expires_at",
    type=FieldType("time", Timestamp()),
    help="From when on it no longer works, as in 2027-01-31T00:00:00Z.",
)
@as_json
def create(account_id: str | None, platform: bool, name: str | None, expires_at: datetime | None, json_: bool) -> None:
    """Make an API key and print it, this once."""
    if platform == (account_id is not None):
        raise click.UsageError("Say one of --account ID and --platform.")
    with open_store() as store, store.transaction() as connection:
        key = nouns.create(connection, account_id, datetime.now(UTC), name, expires_at)
    show(schemas.CreatedKey(), key, json_)


@keys.command(name="list")
@options.account("Only this account's.")
@paged
def list_(account_id: str | None, **paging: Any) -> None:
    """List API keys, the oldest first; never the keys themselves."""
    with open_store() as store, store.connect() as connection:
        show_page(schemas.Key(), _COLUMNS, partial(nouns.list_keys, connection, account_id), **paging)


@keys.command()
@click.argument("key_id", metavar="KEY_ID")
def revoke(key_id: str) -> None:
    """Revoke the API key KEY_ID: it stops working with the next request."""
    with open_store() as store, store.transaction() as connection:
        nouns.revoke(connection, key_id)
    click.echo(f"Key {key_id} has been revoked.", err=True)
