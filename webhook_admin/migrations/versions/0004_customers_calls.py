"""What customers' calls need: filters, resends, test events, rotation, order, failing webhooks and statistics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

ID = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
BYTES_ORDERED = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
FAILING = sa.text("failing_since IS NOT NULL AND destination = ''")
# The status and the channel of events that were accepted before, out of their JSON, which has these names side by side.
FILL = {
    "postgresql": """
        UPDATE deliveries SET channel = coalesce(substring(event FROM '"channel": "([A-Z]+)", "status": "'), ''),
            status = coalesce(substring(event FROM '"status": "([A-Z]+)", "timestamp": "'), '')
        """,
    "sqlite": """
        UPDATE deliveries SET channel = coalesce(json_extract(event, '$.channel'), ''),
            status = coalesce(json_extract(event, '$.status'), '')
        WHERE json_valid(event)
        """,
}


def upgrade() -> None:
    with op.batch_alter_table("webhooks") as webhooks:
        webhooks.add_column(sa.Column("previous_secret", sa.LargeBinary))
        webhooks.add_column(sa.Column("previous_secret_expires_at", sa.DateTime(timezone=True)))
        webhooks.add_column(sa.Column("ordering", sa.Text, nullable=False, server_default="none"))
        webhooks.add_column(sa.Column("superseded", sa.Text, nullable=False, server_default="send"))
    with op.batch_alter_table("lanes") as lanes:
        lanes.add_column(sa.Column("failing_since", sa.BigInteger))
        lanes.add_column(sa.Column("exhausted", sa.Integer, nullable=False, server_default="0"))
    op.create_index("lanes_failing_idx", "lanes", ["account_id"], sqlite_where=FAILING, postgresql_where=FAILING)
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.add_column(sa.Column("channel", sa.Text, nullable=False, server_default=""))
        deliveries.add_column(sa.Column("status", sa.Text, nullable=False, server_default=""))
        deliveries.add_column(sa.Column("test", sa.Boolean, nullable=False, server_default=sa.false()))
        deliveries.add_column(sa.Column("attempts_before", sa.Integer, nullable=False, server_default="0"))
        deliveries.add_column(sa.Column("resent_at", sa.BigInteger))
    op.execute(sa.text(FILL[op.get_bind().dialect.name].replace(":", r"\:")))
    op.drop_index("deliveries_message_id_account_id_idx", "deliveries")
    op.create_index("deliveries_message_id_account_id_id_idx", "deliveries", ["message_id", "account_id", "id"])
    chosen_by = ["account_id", "state", "status", "channel", "id"]
    op.create_index("deliveries_account_id_state_status_channel_id_idx", "deliveries", chosen_by)
    op.create_table(
        "statistics",
        sa.Column("account_id", ID, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("kind", BYTES_ORDERED, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "hour", "kind", name="statistics_pkey"),
    )
