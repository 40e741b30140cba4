"""The recipients of events, and autovacuum that suits a queue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

RECIPIENT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
HAS_RECIPIENT = sa.text("recipient IS NOT NULL")
AUTOVACUUM = """
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000
"""


def upgrade() -> None:
    # "" for the rows that are there: erasure reads their events when it is first asked for, and locks few at a time.
    op.add_column("deliveries", sa.Column("recipient", RECIPIENT, server_default=""))
    op.create_index(
        "deliveries_recipient_idx",
        "deliveries",
        ["recipient", "account_id", "id"],
        sqlite_where=HAS_RECIPIENT,
        postgresql_where=HAS_RECIPIENT,
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    # By default PostgreSQL vacuums once a fifth of a table is dead: of 10,000,000 deliveries, 2,000,000.
    for table in ("deliveries", "attempts", "lanes"):
        op.execute(f"ALTER TABLE {table} SET ({AUTOVACUUM})")
