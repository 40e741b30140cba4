"""Retention: deletes what is old enough, a few rows at a time. Rows that another transaction has locked are skipped.

Ids begin with the time, so the index of deliveries by id finds the old ones.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select, text

from webhook_admin.db import Transaction, commit_asynchronously, row_lock
from webhook_admin.db.bulk import bulk
from webhook_admin.ids import first_id
from webhook_admin.models import deliveries, statistics
from webhook_admin.queue.clock import moment

_KEY = {"account_id": "text", "id": "text"}
# A delivery that was resent is as old as its latest resend.
_IS_OLD = "due_at IS NULL AND coalesce(resent_at, created_at) < :before"


class Found(NamedTuple):
    """A delivery that was accepted long ago, and whether it is to be deleted."""

    account_id: str
    id: str
    is_old: bool


def find(connection: Connection, after: str, before: int, limit: int) -> list[Found]:
    """The first `limit` deliveries behind the id `after` that were accepted before then (ms), by id.

    Those that are pending, or were resent since, are among them and not old.
    """
    # Without an upper bound: by statistics older than the rows, PostgreSQL would read and sort all between the two.
    statement = f"SELECT account_id, id, {_IS_OLD} FROM deliveries WHERE id > :after ORDER BY id LIMIT :limit"
    rows = connection.execute(
        text(statement).execution_options(replan=True), {"after": after, "before": before, "limit": limit}
    )
    end = first_id("dlv", moment(before))
    return [Found(*row) for row in rows if row.id < end]


def count(connection: Connection, before: int) -> int:
    """How many deliveries `find` finds in all. Reads all of the index's entries of that time."""
    chosen = deliveries.c.id < first_id("dlv", moment(before))
    return connection.execute(select(func.count()).select_from(deliveries).where(chosen)).scalar_one()


def delete(transaction: Transaction, chosen: Sequence[Found], before: int) -> tuple[int, int]:
    """Delete those that are still old, with their attempts; how many deliveries and attempts that were.

    The commit is asynchronous: a crash can only bring rows back that the next sweep deletes again.
    """
    commit_asynchronously(transaction)
    # CROSS JOIN and IN: SQLite begins with the given rows.
    deleted = bulk(
        transaction,
        f"""
        WITH free AS MATERIALIZED (
            SELECT deliveries.account_id, deliveries.id FROM {{given}} CROSS JOIN deliveries
            WHERE deliveries.account_id = given.account_id AND deliveries.id = given.id AND {_IS_OLD}
            {row_lock(transaction, "FOR UPDATE OF deliveries SKIP LOCKED")}
        )
        DELETE FROM deliveries WHERE (account_id, id) IN (SELECT account_id, id FROM free) RETURNING account_id, id
        """,
        _KEY,
        [each[:2] for each in chosen],
        before=before,
    )
    attempts = bulk(
        transaction,
        """
        DELETE FROM attempts WHERE (account_id, delivery_id) IN (SELECT account_id, id FROM {given})
        RETURNING number
        """,
        _KEY,
        [tuple(row) for row in deleted],
    )
    return len(deleted), len(attempts)


def counted_accounts(connection: Connection, after: str, limit: int) -> list[str]:
    """The first `limit` accounts behind the id `after` that have statistics: one look at the primary key for each."""
    following = "(SELECT min(statistics.account_id) FROM statistics WHERE statistics.account_id > {})"
    rows = connection.execute(
        text(f"""
        WITH RECURSIVE counted(account_id, place) AS (
            SELECT {following.format(":after")}, 1
            UNION ALL
            SELECT {following.format("counted.account_id")}, place + 1 FROM counted
            WHERE account_id IS NOT NULL AND place < :limit
        )
        SELECT account_id FROM counted WHERE account_id IS NOT NULL ORDER BY account_id
        """).execution_options(replan=True),
        {"after": after, "limit": limit},
    )
    return [row.account_id for row in rows]


def delete_statistics(transaction: Transaction, account_ids: Sequence[str], before_hour: int) -> int:
    """Delete what was counted of the accounts before that hour since the epoch; how many rows.

    Nobody else locks rows of hours that have ended but another sweep, which takes the accounts in the same order.
    """
    if not account_ids:
        return 0
    commit_asynchronously(transaction)
    deleted = transaction.execute(
        statistics.delete().where(
            statistics.c.account_id == bindparam("counted"), statistics.c.hour < bindparam("before_hour")
        ),
        [{"counted": account_id, "before_hour": before_hour} for account_id in account_ids],
    )
    return deleted.rowcount
