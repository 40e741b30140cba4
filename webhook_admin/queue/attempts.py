"""Attempts: counted before they are made, started while nobody can change the webhook, and put on record afterwards."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select, text

from webhook_admin.db.bulk import bulk
from webhook_admin.models import accounts, webhooks
from webhook_admin.queue.deliveries import ID, UNCHANGED, Due


class Begun(NamedTuple):
    """An attempt that is about to be made: the `attempts`-th, when, where to, and in which format."""

    account_id: str
    id: str
    attempts: int
    begun_at: int
    callback_url: str
    payload_format: str


class Attempt(NamedTuple):
    """One HTTP request that has been made for a delivery, and what came of it. Times in milliseconds."""

    account_id: str
    delivery_id: str
    number: int
    started_at: int
    duration_ms: int | None
    outcome: str
    status_code: int | None
    response: str | None


def begin(connection: Connection, attempts: Sequence[Begun]) -> set[str]:
    """Count the attempts, before they are made; the ids of those deliveries that were still as they had been."""
    rows = bulk(
        connection,
        f"""
        UPDATE deliveries SET attempts = deliveries.attempts + 1, recorded = deliveries.attempts,
            begun_at = given.begun_at, callback_url = given.callback_url, payload_format = given.payload_format
        FROM {{given}} WHERE {UNCHANGED}
        RETURNING deliveries.id
        """,
        ID | {"begun_at": "bigint", "callback_url": "text", "payload_format": "text"},
        sorted((account_id, id_, attempts - 1, *rest) for account_id, id_, attempts, *rest in attempts),
    )
    return {row[0] for row in rows}


def hold_unchanged(connection: Connection, due: Sequence[Due]) -> set[str]:
    """The ids of the deliveries whose account is there and whose webhook is as it was.

    Until the transaction ends, nobody can change or delete either.
    """
    if connection.dialect.name == "postgresql":
        # What is lost with the machine is at most that an attempt is counted which was not made.
        connection.execute(text("SET LOCAL synchronous_commit = off"))
    account_ids = {each.account_id for each in due}
    there = set(
        connection.scalars(
            select(accounts.c.id)
            .where(accounts.c.id.in_(account_ids))
            .order_by(accounts.c.id)
            .with_for_update(read=True, key_share=True)
        )
    )
    unchanged = {
        (account_id, webhook_id, revision)
        for account_id, webhook_id, revision in connection.execute(
            select(webhooks.c.account_id, webhooks.c.id, webhooks.c.revision)
            .where(webhooks.c.account_id.in_(account_ids))
            .order_by(webhooks.c.account_id)
            .with_for_update(read=True)
        )
    }
    return {
        each.id
        for each in due
        if each.account_id in there
        and (not each.webhook_id or each.webhook is None or (each.account_id, *each.webhook[:2]) in unchanged)
    }


def take_back(connection: Connection, attempts: Sequence[Begun]) -> None:
    """Attempts that were begun and not made do not count; what only the first one settles is open again."""
    bulk(
        connection,
        f"""
        UPDATE deliveries SET attempts = recorded,
            payload_format = CASE WHEN recorded > 0 THEN payload_format END,
            callback_url = CASE WHEN recorded > 0 OR webhook_id IS NULL THEN callback_url END
        FROM {{given}} WHERE {UNCHANGED} AND deliveries.begun_at = given.begun_at
        """,
        ID | {"begun_at": "bigint"},
        sorted(each[:4] for each in attempts),
    )


def record(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Put the attempts on record. What is known replaces what was unknown, and never the other way round."""
    bulk(
        connection,
        """
        INSERT INTO attempts (account_id, delivery_id, number, started_at, duration_ms, outcome, status_code, response)
        SELECT account_id, delivery_id, number, started_at, duration_ms, outcome, status_code, response
        FROM {given} WHERE true
        ON CONFLICT (account_id, delivery_id, number) DO UPDATE SET
            started_at = excluded.started_at, duration_ms = excluded.duration_ms, outcome = excluded.outcome,
            status_code = excluded.status_code, response = excluded.response
        WHERE attempts.outcome = 'unknown'
        """,
        {
            "account_id": "text",
            "delivery_id": "text",
            "number": "integer",
            "started_at": "bigint",
            "duration_ms": "integer",
            "outcome": "text",
            "status_code": "integer",
            "response": "text",
        },
        attempts,
    )
