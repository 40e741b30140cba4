"""The types of columns that both stores have in common."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, String, Text
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
BYTES_ORDERED = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
