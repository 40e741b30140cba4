"""The schema's version. Nothing here needs Alembic, which takes longer to load than most commands take in all."""

from sqlalchemy import inspect, text

from webhook_admin.db import Database
from webhook_admin.db.versions import require_new_enough
from webhook_admin.errors import Misconfigured

HEAD = "0008"
"""The newest revision in `versions`."""


def require_current(database: Database) -> None:
    """Raise `Misconfigured`, with what to do, unless the database is new enough and the schema is this version's."""
    with database.connect() as connection:
        require_new_enough(connection, str(database))
        is_there = inspect(connection).has_table("alembic_version")
        found = connection.scalar(text("SELECT version_num FROM alembic_version")) if is_there else None
    if found != HEAD:
        raise Misconfigured(
            f"The schema of {database} is {found or 'not there yet'}, and this version of webhook-admin "
            f"works with {HEAD}: run `webhook-admin db upgrade`."
        )
