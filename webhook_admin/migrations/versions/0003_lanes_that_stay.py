"""Lanes that outlive their deliveries, why attempts failed, and event ids of an account's present incarnation."""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

PENDING, LEASED, IDLE = (sa.text(f"{name} IS NOT NULL") for name in ("due_at", "holder", "idle_since"))


def upgrade() -> None:
    op.drop_index("lanes_due_at_idx", "lanes")
    with op.batch_alter_table("lanes") as lanes:
        lanes.alter_column("due_at", existing_type=sa.BigInteger, nullable=True)
        lanes.drop_column("webhook_etag")
        lanes.add_column(sa.Column("standing", sa.Text, nullable=False, server_default="untried"))
        lanes.add_column(sa.Column("window_size", sa.Float, nullable=False, server_default="1"))
        lanes.add_column(sa.Column("threshold", sa.Float))
        lanes.add_column(sa.Column("changed", sa.Boolean, nullable=False, server_default=sa.false()))
        lanes.add_column(sa.Column("idle_since", sa.BigInteger))
    due = ["standing", "due_at", "account_id"]
    op.create_index("lanes_due_idx", "lanes", due, sqlite_where=PENDING, postgresql_where=PENDING)
    op.create_index("lanes_holder_idx", "lanes", ["holder"], sqlite_where=LEASED, postgresql_where=LEASED)
    op.create_index("lanes_idle_since_idx", "lanes", ["idle_since"], sqlite_where=IDLE, postgresql_where=IDLE)
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_constraint("deliveries_account_id_event_id_key", type_="unique")
        deliveries.create_unique_constraint(
            "deliveries_account_id_account_created_at_event_id_key", ["account_id", "account_created_at", "event_id"]
        )
        deliveries.add_column(sa.Column("body", sa.Text))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE deliveries SET (fillfactor = 50)")
    op.add_column("attempts", sa.Column("detail", sa.Text))
    op.add_column("attempts", sa.Column("hint", sa.Text))
