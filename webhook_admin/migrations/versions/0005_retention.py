"""Autovacuum that suits a queue."""

from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

AUTOVACUUM = """
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    # By default PostgreSQL vacuums once a fifth of a table is dead: of 10,000,000 deliveries, 2,000,000.
    for table in ("deliveries", "attempts", "lanes"):
        op.execute(f"ALTER TABLE {table} SET ({AUTOVACUUM})")
