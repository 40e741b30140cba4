"""`db`: the database's schema."""

from contextlib import closing

import click

from webhook_admin import migrations
from webhook_admin.config import Settings
from webhook_admin.db import Database


@click.group()
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Bring the schema to this version. Does nothing if it is there already."""
    with closing(Database(Settings.from_environment().database_url)) as database:
        changed = migrations.upgrade(database)
    click.echo("The schema has been upgraded." if changed else "The schema is up to date.", err=True)
