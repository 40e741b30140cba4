"""Sessions of the customers' page, and the links that open them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None

ID = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "portal_sessions",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("account_id", ID),
        sa.Column("key_id", ID, nullable=False),
        sa.Column("is_platform", sa.Boolean, nullable=False),
        sa.Column("access", sa.Text, nullable=False),
        sa.Column("is_link", sa.Boolean, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="portal_sessions_pkey"),
        # The account first: PostgreSQL locks in this order, as a deletion of the account does.
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], ondelete="CASCADE", name="portal_sessions_account_id_fkey"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], ondelete="CASCADE", name="portal_sessions_key_id_fkey"),
    )
    for column in ("account_id", "key_id", "expires_at"):
        op.create_index(f"portal_sessions_{column}_idx", "portal_sessions", [column])
