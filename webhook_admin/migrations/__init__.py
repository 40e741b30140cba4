"""The versions of the schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from webhook_admin.db import Database
from webhook_admin.errors import Misconfigured

_LOCATION = str(Path(__file__).parent)
_HEAD = ScriptDirectory(_LOCATION).get_current_head()


def upgrade(database: Database) -> bool:
    """Bring the schema to this version; say whether there was anything to do.

    All or nothing, and safe to run from any number of processes at once.
    """
    database.create_file()
    config = Config()
    config.set_main_option("script_location", _LOCATION)
    with database.transaction() as connection:
        if connection.dialect.name == "postgresql":
            # Whoever comes second waits here for the first's commit, as SQLite's BEGIN IMMEDIATE makes it do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('webhook-admin schema'))")
        before = MigrationContext.configure(connection).get_current_revision()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before != _HEAD


def require_current(database: Database) -> None:
    """Raise `Misconfigured`, with the command to run, unless the schema is this version's."""
    with database.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != _HEAD:
        raise Misconfigured(
            f"The database's schema is {found or 'not there yet'}, and this version of webhook-admin "
            f"works with {_HEAD}: run `webhook-admin db upgrade`."
        )
