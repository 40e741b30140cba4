"""The store that commands work on."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from webhook_admin import migrations
from webhook_admin.cli import refusals
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.errors import Error


@contextmanager
def open_store() -> Iterator[Database]:
    """The store of the settings. Errors, of the block's too, become `ClickException`s that speak of the command."""
    try:
        with closing(Database(Settings.from_environment().database_url)) as database:
            migrations.require_current(database)
            yield database
    except Error as error:
        raise click.ClickException(refusals.sentence(error, click.get_current_context().params)) from None
