"""No statistics about what changes quickly in the queue, so that PostgreSQL's plans do not depend on their age."""

from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

DELIVERIES = ("account_id", "account_created_at", "destination", "state", "status", "channel", "recipient", "due_at")
LANES = ("due_at", "idle_since", "failing_since", "holder", "standing")


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    # Of a queue that has just been empty they say that hardly anything is pending, or that an account has nothing. A
    # burst was then read as a whole, 200,000 rows for 100 that were asked for, until they were gathered anew. Without
    # them PostgreSQL plans by the size of the table, which it always knows.
    for table, columns in (("deliveries", DELIVERIES), ("lanes", LANES)):
        op.execute(f"ALTER TABLE {table} {', '.join(f'ALTER COLUMN {name} SET STATISTICS 0' for name in columns)}")
