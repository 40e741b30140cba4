"""Which lanes may have orphans, so that nobody looks for them in a backlog whose webhook has only been changed."""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column("lanes", sa.Column("orphaned", sa.Boolean, nullable=False, server_default=sa.false()))
    # What is marked now may be so for any reason.
    op.execute("UPDATE lanes SET orphaned = changed WHERE changed")
