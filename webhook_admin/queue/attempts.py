"""The attempts: counted before they are made, started while nobody can change the webhook, then put on record."""

from collections.abc import Sequence
from operator import attrgetter

from msgspec import Struct, structs
from sqlalchemy import select

from webhook_admin.db import Transaction, commit_asynchronously, row_lock
from webhook_admin.db.bulk import among, bulk
from webhook_admin.models import webhooks
from webhook_admin.queue.deliveries import ERASED_EVENT, ID, UNCHANGED, in_key_order
from webhook_admin.queue.due_deliveries import Due


class Begun(Struct, frozen=True, kw_only=True):
    """An attempt that is about to be made: the delivery's `attempts`-th, when, where to, and in which format.

    `resent_at` is what it was when the delivery was read.
    """

    account_id: str
    id: str
    attempts: int
    begun_at: int
    callback_url: str
    payload_format: str
    resent_at: int | None = None


class Attempt(Struct, frozen=True, kw_only=True):
    """One HTTP request that was made for a delivery, and its outcome. `started_at` and `duration_ms` in milliseconds.

    Without an answer there is no status code and no response. `detail` says what went wrong, `hint` what to do.
    """

    account_id: str
    delivery_id: str
    number: int
    started_at: int
    duration_ms: int | None
    outcome: str
    status_code: int | None = None
    response: str | None = None
    detail: str | None = None
    hint: str | None = None


_ATTEMPT = {
    "account_id": "text",
    "delivery_id": "text",
    "number": "integer",
    "started_at": "bigint",
    "duration_ms": "integer",
    "outcome": "text",
    "status_code": "integer",
    "response": "text",
    "detail": "text",
    "hint": "text",
}
_KNOWN = [name for name in _ATTEMPT if name not in {"account_id", "delivery_id", "number"}]


def begin(transaction: Transaction, attempts: Sequence[Begun]) -> set[str]:
    """Count the attempts, before they are made; the ids of those deliveries that were still as they had been.

    The attempts of a delivery that was erased since it was read are not counted.
    """
    rows = bulk(
        transaction,
        f"""
        UPDATE deliveries SET attempts = deliveries.attempts + 1, recorded = deliveries.attempts,
            begun_at = given.begun_at, callback_url = given.callback_url, payload_format = given.payload_format
        FROM {{given}} WHERE {UNCHANGED} AND deliveries.event <> '{ERASED_EVENT}'
        RETURNING deliveries.id
        """,
        ID | {"begun_at": "bigint", "callback_url": "text", "payload_format": "text"},
        [
            (
                each.account_id,
                each.id,
                each.attempts - 1,
                each.resent_at,
                each.begun_at,
                each.callback_url,
                each.payload_format,
            )
            for each in sorted(attempts, key=in_key_order)
        ],
    )
    return {row.id for row in rows}


def hold_unchanged(transaction: Transaction, due: Sequence[Due]) -> set[str]:
    """The ids of the deliveries whose account is there and whose webhook is as it was, if they need one.

    Until the transaction ends, nobody can change or delete either. Its commit is asynchronous: a crash can only lose
    what `take_back` writes, so an attempt is counted that was never sent.
    """
    commit_asynchronously(transaction)
    # Accounts before webhooks, as the deletion of an account locks them: the two cannot deadlock.
    with_account = _with_account(transaction, [each for each in due if not each.webhook_id])
    # A webhook that is unchanged has an account: the foreign key deletes it with the account.
    # What goes to a per-message URL is signed with the webhook's secret, too, which must still be valid.
    unchanged = _unchanged_webhooks(transaction, {each.account_id for each in due if each.webhook})
    return {
        each.id
        for each in due
        if (each.webhook is not None if each.webhook_id else each.is_operational or each.id in with_account)
        and (each.webhook is None or (each.account_id, each.webhook.id, each.webhook.revision) in unchanged)
    }


def _unchanged_webhooks(transaction: Transaction, account_ids: set[str]) -> set[tuple[str, str, int]]:
    if not account_ids:
        return set()
    rows = transaction.execute(
        select(webhooks.c.account_id, webhooks.c.id, webhooks.c.revision)
        .where(among(transaction, webhooks.c.account_id, account_ids))
        .order_by(webhooks.c.account_id)
        .with_for_update(read=True)
    )
    return {(row.account_id, row.id, row.revision) for row in rows}


def _with_account(transaction: Transaction, due: Sequence[Due]) -> set[str]:
    """Those of the deliveries to per-message URLs whose account is still the one that they were accepted for."""
    # Materialized: else PostgreSQL may begin with the account, and read every delivery that it has.
    rows = bulk(
        transaction,
        f"""
        WITH given_deliveries AS MATERIALIZED (
            SELECT deliveries.id, deliveries.account_id, deliveries.account_created_at FROM {{given}}
                JOIN deliveries ON deliveries.account_id = given.account_id AND deliveries.id = given.id
        )
        SELECT given_deliveries.id FROM given_deliveries
            JOIN accounts ON accounts.id = given_deliveries.account_id
                AND accounts.created_at = given_deliveries.account_created_at
        ORDER BY accounts.id {row_lock(transaction, "FOR KEY SHARE OF accounts")}
        """,
        {"account_id": "text", "id": "text"},
        sorted((each.account_id, each.id) for each in due),
    )
    return {row.id for row in rows}


def take_back(transaction: Transaction, attempts: Sequence[Begun]) -> None:
    """Uncount attempts that were begun and not made; what only the first one settles is open again."""
    bulk(
        transaction,
        f"""
        UPDATE deliveries SET attempts = recorded,
            payload_format = CASE WHEN recorded > attempts_before THEN payload_format END,
            callback_url = CASE WHEN recorded > attempts_before OR webhook_id IS NULL THEN callback_url END
        FROM {{given}} WHERE {UNCHANGED} AND deliveries.begun_at = given.begun_at
        """,
        ID | {"begun_at": "bigint"},
        [
            (each.account_id, each.id, each.attempts, each.resent_at, each.begun_at)
            for each in sorted(attempts, key=in_key_order)
        ],
    )


def without_answer(attempt: Attempt) -> Attempt:
    """The attempt without what the receiver has answered, and without the sentence that may quote it."""
    return structs.replace(attempt, response=None, detail=None)


def record(transaction: Transaction, attempts: Sequence[Attempt]) -> None:
    """Put the attempts on record. A known outcome replaces `unknown`, and never the other way round."""
    names = ", ".join(_ATTEMPT)
    bulk(
        transaction,
        f"""
        INSERT INTO attempts ({names}) SELECT {names} FROM {{given}} WHERE true
        ON CONFLICT (account_id, delivery_id, number) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in _KNOWN)}
        WHERE attempts.outcome = 'unknown'
        """,
        _ATTEMPT,
        list(map(attrgetter(*_ATTEMPT), attempts)),
    )
