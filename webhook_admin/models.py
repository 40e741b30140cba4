"""The tables, and nothing but the tables."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from webhook_admin.columns import BYTES_ORDERED, ID, UtcDateTime

_PENDING = text("due_at IS NOT NULL")
_LEASED = text("holder IS NOT NULL")
_IDLE = text("idle_since IS NOT NULL")
_HAS_RECIPIENT = text("recipient IS NOT NULL")
_FAILING = text("failing_since IS NOT NULL AND destination = ''")

# Of tables with many rows that change or go soon. By default PostgreSQL vacuums once a fifth of a table is dead.
_AUTOVACUUM = {
    "autovacuum_vacuum_scale_factor": 0.01,
    "autovacuum_vacuum_insert_scale_factor": 0.05,
    "autovacuum_analyze_scale_factor": 0.02,
    "autovacuum_vacuum_cost_limit": 2000,
}

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
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

portal_sessions = Table(
    "portal_sessions",
    metadata,
    # The SHA-256 of the token, which only the browser has, or the link.
    Column("digest", LargeBinary(32), primary_key=True),
    # The account that is looked at; NULL: a session of the platform that has not chosen one yet.
    # The account's foreign key comes first: PostgreSQL locks in this order, as a deletion of the account does.
    Column("account_id", ID, ForeignKey(accounts.c.id, ondelete="CASCADE")),
    # The key that opened it, or that made the link; the session ends with the key.
    Column("key_id", ID, ForeignKey(api_keys.c.id, ondelete="CASCADE"), nullable=False),
    # Whether the session may go from one account to another.
    Column("is_platform", Boolean, nullable=False),
    Column("access", Text, nullable=False),
    # A link becomes a session when it is opened.
    Column("is_link", Boolean, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "account_id"),
    Index(None, "key_id"),
    Index(None, "expires_at"),
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
    # The secret before the latest rotation, and until when notifications are signed with it, too.
    Column("previous_secret", LargeBinary),
    Column("previous_secret_expires_at", UtcDateTime),
    # Whether the statuses of a message wait for each other, and whether older ones are sent (`Ordering`, `Superseded`).
    Column("ordering", Text, nullable=False, server_default="none"),
    Column("superseded", Text, nullable=False, server_default="send"),
    # Counts the changes; part of the ETag.
    Column("revision", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "status", "account_id"),
)

# The queue. Its times are milliseconds since the epoch (BigInteger): they are computed with, and written in bulk.
# Every key begins with account_id, so that the tables can be distributed by account. Without a foreign key to accounts:
# what waits is cancelled by a dispatcher, and stays on record, when the account is deleted.

# The row outlives the lane's last pending delivery, with what was learned about the receiver.
lanes = Table(
    "lanes",
    metadata,
    Column("account_id", ID, primary_key=True),
    # "" is the account's webhook, an origin that of per-message callback URLs; test events have "test:" before either.
    # "operations:" is the lane of operational events.
    Column("destination", BYTES_ORDERED, primary_key=True),
    # When a dispatcher is to lease the lane next, or when its lease ends. NULL exactly while nothing is pending.
    Column("due_at", BigInteger),
    # The dispatcher that leases the lane, or leased it when it died.
    Column("holder", Text),
    # The breaker: failed attempts in a row, and until when no attempt is started.
    Column("failures", Integer, nullable=False),
    Column("paused_until", BigInteger, nullable=False),
    # How the latest attempt went (`Standing`), and the congestion window with its threshold (NULL: not yet reduced).
    Column("standing", Text, nullable=False, server_default="untried"),
    Column("window_size", Float, nullable=False, server_default="1"),
    Column("threshold", Float),
    # The webhook or the account has changed since a dispatcher last settled the lane.
    Column("changed", Boolean, nullable=False, server_default=false()),
    # But there are no orphans among its deliveries: it has only been replaced, or they have been cancelled.
    Column("no_orphans", Boolean, nullable=False, server_default=false()),
    # When the lane's last pending delivery ended; NULL while there is one.
    Column("idle_since", BigInteger),
    # When the first of the failures since the last success was, and how many deliveries have used up their attempts
    # since then.
    Column("failing_since", BigInteger),
    Column("exhausted", Integer, nullable=False, server_default="0"),
    Index("lanes_due_idx", "standing", "due_at", "account_id", sqlite_where=_PENDING, postgresql_where=_PENDING),
    Index(None, "holder", sqlite_where=_LEASED, postgresql_where=_LEASED),
    Index(None, "idle_since", sqlite_where=_IDLE, postgresql_where=_IDLE),
    Index("lanes_failing_idx", "account_id", sqlite_where=_FAILING, postgresql_where=_FAILING),
    postgresql_with=_AUTOVACUUM,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    # When the account was created. An account that is deleted and created again with the same id is another one.
    Column("account_created_at", UtcDateTime, nullable=False),
    Column("destination", BYTES_ORDERED, nullable=False),
    Column("event_id", BYTES_ORDERED, nullable=False),
    Column("message_id", BYTES_ORDERED, nullable=False),
    # The event's channel and status, which deliveries are looked for by.
    Column("channel", Text, nullable=False, server_default=""),
    Column("status", Text, nullable=False, server_default=""),
    # The event's recipient, which erasure looks for: NULL for none, "" if the row is from before the column.
    Column("recipient", BYTES_ORDERED, server_default=""),
    # A test event: one attempt, and it counts nowhere.
    Column("test", Boolean, nullable=False, server_default=false()),
    # JSON; "" once it has been erased.
    Column("event", Text, nullable=False),
    # The webhook that there was when the event came in; NULL for a per-message callback URL.
    Column("webhook_id", ID),
    # Of a webhook's delivery: where the latest attempt went, NULL before the first.
    Column("callback_url", Text),
    # Settled by the first attempt; NULL before.
    Column("payload_format", Text),
    # The notification's body, kept once an attempt has failed: all attempts send the same bytes.
    Column("body", Text),
    Column("state", Text, nullable=False),
    # Why it is in that state, in words; NULL where the state says it all.
    Column("state_detail", Text),
    # NULL once it is not pending any more. The index of what is pending goes by this and not by the state, which other
    # statements test, too: PostgreSQL's planner would take it for those, and read all that is pending.
    Column("due_at", BigInteger),
    # Attempts begun, and attempts on record: they differ while one is in flight, or if its dispatcher died.
    Column("attempts", Integer, nullable=False),
    Column("recorded", Integer, nullable=False),
    # When the latest attempt was begun.
    Column("begun_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    # Where the retry schedule begins: how many attempts there were when the delivery was resent, and when that was.
    Column("attempts_before", Integer, nullable=False, server_default="0"),
    Column("resent_at", BigInteger),
    UniqueConstraint("account_id", "account_created_at", "event_id"),
    Index(None, "id"),
    Index(None, "message_id", "account_id", "id"),
    Index(None, "account_id", "state", "status", "channel", "id"),
    Index(
        "deliveries_recipient_idx",
        "recipient",
        "account_id",
        "id",
        sqlite_where=_HAS_RECIPIENT,
        postgresql_where=_HAS_RECIPIENT,
    ),
    Index(
        "deliveries_pending_idx",
        "account_id",
        "destination",
        "due_at",
        "id",
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    ),
    # Leaves room in each page for HOT updates.
    postgresql_with={"fillfactor": 50} | _AUTOVACUUM,
)

attempts = Table(
    "attempts",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("delivery_id", ID, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", BigInteger, nullable=False),
    Column("duration_ms", Integer),
    Column("outcome", Text, nullable=False),
    Column("status_code", Integer),
    Column("response", Text),
    # What went wrong, in one sentence, and what to do about it; NULL when the notification was delivered.
    Column("detail", Text),
    Column("hint", Text),
    postgresql_with=_AUTOVACUUM,
)

# What dispatchers count: so many of a kind (`statistics.Kind`) by account and hour (hours since the epoch).
statistics = Table(
    "statistics",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("kind", BYTES_ORDERED, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
