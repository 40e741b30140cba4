"""The store that commands work on."""

from webhook_admin import migrations
from webhook_admin.config import Settings
from webhook_admin.db import Database


def open_store() -> Database:
    """The database of the settings. Raises `Misconfigured` unless its schema is this version's."""
    database = Database(Settings.from_environment().database_url)
    migrations.require_current(database)
    return database
