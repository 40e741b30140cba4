"""`keys`: the API keys of accounts and of the platform."""

from datetime import UTC, datetime
from functools import partial

import click

from webhook_admin import keys as nouns
from webhook_admin.cli.options import FieldType
from webhook_admin.cli.output import as_json, show, show_all
from webhook_admin.cli.store import open_store
from webhook_admin.web import schemas
from webhook_admin.web.fields import Text, Timestamp


@click.group()
def keys() -> None:
    """API keys: what lets a program call the API."""


@keys.command()
@click.option("--account", "account_id", metavar="ID", help="Make an account key: it acts for this account only.")
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
@click.option("--account", "account_id", metavar="ID", help="Only this account's.")
@as_json
def list_(account_id: str | None, json_: bool) -> None:
    """List all API keys, the oldest first; never the keys themselves."""
    with open_store() as store, store.connect() as connection:
        show_all(schemas.Key(), partial(nouns.list_keys, connection, account_id), json_)


@keys.command()
@click.argument("key_id", metavar="KEY_ID")
def revoke(key_id: str) -> None:
    """Revoke the API key KEY_ID: it stops working with the next request."""
    with open_store() as store, store.transaction() as connection:
        nouns.revoke(connection, key_id)
    click.echo(f"Key {key_id} has been revoked.", err=True)
