"""The store that commands work on."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from webhook_admin import migrations
from webhook_admin.config import Settings
from webhook_admin.db import Database


@contextmanager
def open_store() -> Iterator[Database]:
    """The database of the settings. Raises `Misconfigured` unless its schema is this version's."""
    with closing(Database(Settings.from_environment().database_url)) as database:
        migrations.require_current(database)
        yield database
