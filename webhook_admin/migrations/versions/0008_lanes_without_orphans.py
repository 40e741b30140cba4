"""Which changed lanes have no orphans, so that nobody looks for them in a backlog whose webhook was only replaced."""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    # False is what the version before means when it marks a lane: that somebody has to look.
    op.add_column("lanes", sa.Column("no_orphans", sa.Boolean, nullable=False, server_default=sa.false()))
