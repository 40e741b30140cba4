"""`db`: the store's schema."""

from contextlib import closing

import click

from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.migrations.upgrading import upgrade as upgrade_schema


@click.group()
def db() -> None:
    """The schema of the store."""


@db.command()
def upgrade() -> None:
    """Bring the schema to this version. Does nothing if it is there already."""
    with closing(Database(Settings.from_environment().database_url)) as database:
        changed = upgrade_schema(database)
    click.echo("The schema has been upgraded." if changed else "The schema is up to date.", err=True)
