"""Lanes, deliveries and their attempts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

ID = sa.String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")
BYTES_ORDERED = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
PENDING = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "lanes",
        sa.Column("account_id", ID, nullable=False),
        sa.Column("destination", BYTES_ORDERED, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("paused_until", sa.BigInteger, nullable=False),
        sa.Column("webhook_etag", sa.Text),
        sa.PrimaryKeyConstraint("account_id", "destination", name="lanes_pkey"),
    )
    op.create_index("lanes_due_at_idx", "lanes", ["due_at"])
    op.create_table(
        "deliveries",
        sa.Column("account_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("account_created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("destination", BYTES_ORDERED, nullable=False),
        sa.Column("event_id", BYTES_ORDERED, nullable=False),
        sa.Column("message_id", BYTES_ORDERED, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("webhook_id", ID),
        sa.Column("callback_url", sa.Text),
        sa.Column("payload_format", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("state_detail", sa.Text),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
        sa.Column("begun_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="deliveries_pkey"),
        sa.UniqueConstraint("account_id", "event_id", name="deliveries_account_id_event_id_key"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("deliveries_id_idx", "deliveries", ["id"])
    op.create_index("deliveries_message_id_account_id_idx", "deliveries", ["message_id", "account_id"])
    op.create_index(
        "deliveries_pending_idx",
        "deliveries",
        ["account_id", "destination", "due_at", "id"],
        sqlite_where=PENDING,
        postgresql_where=PENDING,
    )
    op.create_table(
        "attempts",
        sa.Column("account_id", ID, nullable=False),
        sa.Column("delivery_id", ID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.Integer),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("status_code", sa.Integer),
        sa.Column("response", sa.Text),
        sa.PrimaryKeyConstraint("account_id", "delivery_id", "number", name="attempts_pkey"),
    )
