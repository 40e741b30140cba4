"""How a dispatcher is told of new deliveries, for `wake_up` to hear. Apart from it, as telling needs no psycopg."""

from sqlalchemy import Connection, text

CHANNEL = "webhook_admin_lanes"


def notify(connection: Connection) -> None:
    """Wake all dispatchers when the transaction is committed. SQLite's see that by themselves."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
