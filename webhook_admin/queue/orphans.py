"""Orphans: pending deliveries that have lost their account or their webhook, or whose webhook is disabled."""

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

from webhook_admin.db import Transaction, row_lock
from webhook_admin.db.bulk import bulk
from webhook_admin.queue.lanes import KEY, Key

ACCOUNT_DELETED = "The account has been deleted."
WEBHOOK_DELETED = "The webhook has been deleted."
_GONE = "The webhook is disabled, as the receiver has answered 410 Gone."
_FAILING = "The webhook is disabled, as its receiver has failed for too long."
_LIMIT = 200
"""How many are cancelled in one call: it takes about 6 ms on PostgreSQL, in a turn that is everybody's."""


class Cancelled(NamedTuple):
    """How many deliveries were cancelled, by account and without tests, and whether those were all orphans."""

    by_account: Counter[str]
    is_all: bool


def webhook_disabled(reason: str | None) -> str:
    """What a delivery says that is cancelled because its webhook is disabled for this reason."""
    return _FAILING if reason == "FAILING" else _GONE


def cancel(transaction: Transaction, keys: Collection[Key]) -> Cancelled:
    """Cancel the lanes' orphans.

    Skips deliveries in flight and rows that another transaction has locked. At most 200 in one call.
    """
    rows = bulk(
        transaction,
        f"""
        UPDATE deliveries SET state = 'CANCELLED', due_at = NULL, state_detail = orphans.detail
        FROM (
            SELECT candidates.account_id, candidates.id, CASE
                WHEN accounts.id IS NULL THEN '{ACCOUNT_DELETED}'
                WHEN webhooks.id IS NULL THEN '{WEBHOOK_DELETED}'
                WHEN webhooks.disabled_reason = 'FAILING' THEN '{_FAILING}'
                ELSE '{_GONE}' END AS detail
            FROM {{given}}
                JOIN deliveries AS candidates
                    ON candidates.account_id = given.account_id AND candidates.destination = given.destination
                LEFT JOIN accounts
                    ON accounts.id = candidates.account_id AND accounts.created_at = candidates.account_created_at
                LEFT JOIN webhooks
                    ON webhooks.account_id = candidates.account_id AND webhooks.id = candidates.webhook_id
            WHERE candidates.due_at IS NOT NULL AND candidates.attempts = candidates.recorded
                AND (accounts.id IS NULL
                     OR candidates.webhook_id IS NOT NULL AND (webhooks.id IS NULL OR webhooks.status = 'DISABLED'))
            LIMIT {_LIMIT} {row_lock(transaction, "FOR UPDATE OF candidates SKIP LOCKED")}
        ) AS orphans
        WHERE deliveries.account_id = orphans.account_id AND deliveries.id = orphans.id
            AND deliveries.state = 'PENDING' AND deliveries.attempts = deliveries.recorded
        RETURNING deliveries.account_id, deliveries.test
        """,
        KEY,
        sorted(keys),
    )
    return Cancelled(Counter(row.account_id for row in rows if not row.test), len(rows) < _LIMIT)
