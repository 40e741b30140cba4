"""Run by Alembic: the migrations, on the connection and in the transaction that `upgrade` has opened."""

from alembic import context

from webhook_admin.models import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
