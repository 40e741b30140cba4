"""The tables, and nothing but the tables."""

from datetime import UTC, datetime

from sqlalchemy import (
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, in UTC. SQLite would take a naive one, and gives a naive one back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Ordered by bytes on both stores: pages come in the same order everywhere, and an operating system's
# new collation rules cannot corrupt the index.
ID = String(64).with_variant(postgresql.VARCHAR(64, collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", ID, primary_key=True),
    # NULL: a platform key.
    Column("account_id", ID, ForeignKey(accounts.c.id, ondelete="CASCADE")),
    Column("name", Text),
    # The SHA-256 of the key; the key itself is nowhere.
    Column("digest", LargeBinary(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Index(None, "account_id", "id"),
)

webhooks = Table(
    "webhooks",
    metadata,
    # The primary key is what makes it one webhook for each account.
    Column("account_id", ID, ForeignKey(accounts.c.id, ondelete="CASCADE"), primary_key=True),
    Column("id", ID, nullable=False),
    Column("callback_url", Text, nullable=False),
    Column("payload_format", Text, nullable=False),
    Column("description", Text),
    Column("status", Text, nullable=False),
    Column("disabled_reason", Text),
    # Encrypted (Fernet).
    Column("signing_secret", LargeBinary, nullable=False),
    # Counts the changes; part of the ETag.
    Column("revision", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "status", "account_id"),
)
