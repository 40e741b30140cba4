"""Bringing the schema to this version, by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from webhook_admin import migrations
from webhook_admin.db import Database
from webhook_admin.db.versions import require_new_enough


def upgrade(database: Database) -> bool:
    """Bring the schema to this version; say whether there was anything to do.

    All or nothing, and safe to run from any number of processes at once. Raises `Misconfigured`, `StoreUnavailable`.
    """
    database.create_file()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with database.transaction() as connection:
        require_new_enough(connection, str(database))
        if connection.dialect.name == "postgresql":
            # The second of two waits here for the first's commit, as SQLite's BEGIN IMMEDIATE makes it do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('webhook-admin schema'))")
        before = MigrationContext.configure(connection).get_current_revision()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before != migrations.HEAD
