"""The due deliveries of leased lanes, as a dispatcher reads them: many at a time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from sqlalchemy import Row

from webhook_admin.db import Transaction
from webhook_admin.db.bulk import bulk, first_rows
from webhook_admin.queue.clock import moment
from webhook_admin.queue.lanes import KEY, OPERATIONS, Key


class Wanted(NamedTuple):
    """How many more deliveries of a lane may be started, and the ids of those in flight, which are left out."""

    key: Key
    limit: int
    in_flight: Sequence[str]


class Position(NamedTuple):
    """A place in the order of a lane's pending deliveries."""

    due_at: int
    id: str


class WebhookNow(Struct, frozen=True, kw_only=True):
    """An account's webhook as it is at this moment, as far as an attempt needs it.

    `signing_secrets` are those that are valid, encrypted, the newest first.
    """

    id: str
    revision: int
    status: str
    disabled_reason: str | None
    callback_url: str
    payload_format: str
    ordering: str
    superseded: str
    signing_secrets: tuple[bytes, ...]


class Due(Struct, frozen=True, kw_only=True):
    """A delivery whose time has come, with its account's webhook, if there is one. Times are in milliseconds.

    `attempts` counts the attempts that were begun, `recorded` those that are on record, `attempts_before` those from
    before the delivery was resent. A `test` has one attempt.
    """

    account_id: str
    id: str
    destination: str
    message_id: str
    channel: str
    event: str
    webhook_id: str | None
    payload_format: str | None
    body: str | None
    state_detail: str | None
    due_at: int
    attempts: int
    recorded: int
    begun_at: int | None
    created_at: int
    test: bool
    has_account: bool
    webhook: WebhookNow | None
    attempts_before: int = 0
    resent_at: int | None = None

    @property
    def starts_at(self) -> int:
        """When the retry schedule and the greatest age began."""
        return self.created_at if self.resent_at is None else self.resent_at

    @property
    def lane(self) -> Key:
        """The lane that it is in."""
        return Key(self.account_id, self.destination)

    @property
    def is_operational(self) -> bool:
        """Whether it is an operational event, which has no account."""
        return self.destination == OPERATIONS.destination

    @property
    def is_counted(self) -> bool:
        """Whether it counts in the account's statistics."""
        return not self.test and not self.is_operational


_OWN = (
    "account_id",
    "id",
    "destination",
    "message_id",
    "channel",
    "event",
    "webhook_id",
    "payload_format",
    "body",
    "state_detail",
    "due_at",
    "attempts",
    "recorded",
    "begun_at",
    "created_at",
    "attempts_before",
    "resent_at",
)
_DUE_COLUMNS = f"""
    deliveries.test, accounts.id IS NOT NULL, {", ".join(f"deliveries.{name}" for name in _OWN)},
    webhooks.id, webhooks.revision, webhooks.status, webhooks.disabled_reason, webhooks.callback_url,
    webhooks.payload_format, webhooks.ordering, webhooks.superseded, webhooks.signing_secret,
    CASE WHEN webhooks.previous_secret_expires_at > :moment THEN webhooks.previous_secret END
"""


def due(transaction: Transaction, wanted: Sequence[Wanted], now: int) -> list[Due]:
    """The first due deliveries of each lane that are not in flight, each lane's in order."""
    by_limit: dict[int, list[Wanted]] = {}
    for each in wanted:
        by_limit.setdefault(each.limit, []).append(each)
    return [found for limit, lanes in by_limit.items() for found in _due(transaction, lanes, limit, now)]


def _due(transaction: Transaction, wanted: Sequence[Wanted], limit: int, now: int) -> list[Due]:
    return _first(
        transaction,
        # The ids in flight are given as one string: LIKE finds one in it on both stores.
        "candidates.due_at <= :now AND given.in_flight NOT LIKE '%' || candidates.id || '%'",
        {"in_flight": "text"},
        [(*each.key, ",".join(each.in_flight)) for each in wanted],
        limit,
        now,
    )


def pending(transaction: Transaction, key: Key, after: Position, limit: int, now: int) -> list[Due]:
    """The first pending deliveries of the lane behind `after` that are not in flight, whenever they are due."""
    return _first(
        transaction,
        "(candidates.due_at, candidates.id) > (given.after_due_at, given.after_id) "
        "AND candidates.attempts = candidates.recorded",
        {"after_due_at": "bigint", "after_id": "text"},
        [(*key, *after)],
        limit,
        now,
    )


def _first(
    transaction: Transaction,
    chosen: str,
    columns: dict[str, str],
    rows: Sequence[Sequence[Any]],
    limit: int,
    now: int,
) -> list[Due]:
    """The first pending deliveries, `limit` of each lane, that are `chosen`. Each row begins with a lane's key."""
    first = first_rows(
        transaction,
        "deliveries",
        f"""
        WHERE candidates.account_id = given.account_id AND candidates.destination = given.destination
            AND candidates.due_at IS NOT NULL AND {chosen}
        ORDER BY candidates.due_at, candidates.id LIMIT :limit
        """,
    )
    found = bulk(
        transaction,
        f"""
        SELECT {_DUE_COLUMNS}
        FROM {{given}} {first}
            LEFT JOIN accounts
                ON accounts.id = deliveries.account_id AND accounts.created_at = deliveries.account_created_at
            LEFT JOIN webhooks ON webhooks.account_id = deliveries.account_id
        ORDER BY deliveries.due_at, deliveries.id
        """,
        KEY | columns,
        rows,
        now=now,
        moment=moment(now),
        limit=limit,
    )
    return list(map(_read, found))


def _read(row: Row[Any]) -> Due:
    # At once: asking an SQLAlchemy row for each column by name takes several times as long.
    test, has_account, *values = tuple(row)
    own = dict(zip(_OWN, values, strict=False))
    return Due(**own, test=bool(test), has_account=bool(has_account), webhook=_read_webhook(*values[len(_OWN) :]))


def _read_webhook(id_: str | None, *columns: Any) -> WebhookNow | None:
    if id_ is None:
        return None
    revision, status, disabled_reason, callback_url, payload_format, ordering, superseded, *signing_secrets = columns
    return WebhookNow(
        id=id_,
        revision=revision,
        status=status,
        disabled_reason=disabled_reason,
        callback_url=callback_url,
        payload_format=payload_format,
        ordering=ordering,
        superseded=superseded,
        signing_secrets=tuple(filter(None, signing_secrets)),
    )
