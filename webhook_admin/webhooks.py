"""The one webhook of an account."""

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from webhook_admin import formats, signing_secrets
from webhook_admin.db import Page, Transaction, insert, page
from webhook_admin.errors import AccountNotFound, PreconditionFailed, WebhookExists, WebhookNotFound
from webhook_admin.ids import new_id
from webhook_admin.models import lanes as lane_rows
from webhook_admin.models import webhooks
from webhook_admin.queue import lanes
from webhook_admin.queue.clock import milliseconds, moment
from webhook_admin.webhook_enums import DisabledReason, WebhookStatus

if TYPE_CHECKING:
    # The command line needs the names in this file, and no cipher.
    from cryptography.fernet import MultiFernet


@dataclass(frozen=True, slots=True)
class Webhook:
    """An account's registration. `revision` counts its changes.

    `previous_secret_expires_at` stays when it has passed. `failing_since` is when the first of the failures since the
    latest success was, None while it succeeds.
    """

    account_id: str
    id: str
    callback_url: str
    payload_format: str
    description: str | None
    ordering: str
    superseded: str
    status: str
    disabled_reason: str | None
    previous_secret_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    revision: int
    failing_since: datetime | None = None

    @property
    def etag(self) -> str:
        """What changes whenever the webhook does; without quotes."""
        return f"{self.id}.{self.revision}"


@dataclass(frozen=True, slots=True)
class NewWebhook(Webhook):
    """A webhook that has just been made, with its signing secret, which is not shown again."""

    signing_secret: str = field(repr=False, kw_only=True)


_COLUMNS = [webhooks.c[column.name] for column in fields(Webhook) if column.name != "failing_since"]
_ETAG: ColumnElement[str] = webhooks.c.id + "." + cast(webhooks.c.revision, String)
_LANE = and_(lane_rows.c.account_id == webhooks.c.account_id, lane_rows.c.destination == lanes.WEBHOOK)
_WEBHOOKS = select(*_COLUMNS, lane_rows.c.failing_since).outerjoin_from(webhooks, lane_rows, _LANE)
_WEBHOOK = _WEBHOOKS.where(webhooks.c.account_id == bindparam("account_id"))


def register(
    connection: Connection,
    cipher: "MultiFernet",
    account_id: str,
    now: datetime,
    callback_url: str,
    payload_format: str = formats.DEFAULT,
    **options: str | None,
) -> NewWebhook:
    """Make the account's webhook. Raises `WebhookExists`, or `AccountNotFound` if the account has just been deleted.

    `options` are its `description`, `ordering` and `superseded`; one that is left out has the column's default.
    Whether there is one already is for the primary key to say: of any number of calls at once, one succeeds.
    """
    secret = signing_secrets.new()
    statement = (
        insert(connection, webhooks)
        .values(
            account_id=account_id,
            id=new_id("wh"),
            callback_url=callback_url,
            payload_format=payload_format,
            status=WebhookStatus.ACTIVE,
            signing_secret=cipher.encrypt(secret.encode()),
            revision=1,
            created_at=now,
            updated_at=now,
            **options,
        )
        .on_conflict_do_nothing()
        .returning(*_COLUMNS)
    )
    try:
        row = connection.execute(statement).one_or_none()
    except IntegrityError:
        raise AccountNotFound from None
    if row is None:
        raise WebhookExists
    return NewWebhook(**row._mapping, signing_secret=secret)


def get(connection: Connection, account_id: str) -> Webhook:
    """The account's webhook. Raises `WebhookNotFound`."""
    row = connection.execute(_WEBHOOK, {"account_id": account_id}).one_or_none()
    if row is None:
        raise WebhookNotFound
    return _webhook(*row)


def replace(
    transaction: Transaction,
    account_id: str,
    now: datetime,
    if_match: Collection[str] | None = None,
    **changes: str | None,
) -> Webhook:
    """Change the account's webhook, make it active, and mark its lane as changed. The rest keeps its values.

    With `if_match`, only if the webhook's ETag is among those. Raises `WebhookNotFound`, `PreconditionFailed`.
    """
    row = transaction.execute(
        update(webhooks)
        .where(*_chosen(account_id, if_match))
        .values(
            status=WebhookStatus.ACTIVE,
            disabled_reason=None,
            revision=webhooks.c.revision + 1,
            updated_at=now,
            **changes,
        )
        .returning(*_COLUMNS)
    ).one_or_none()
    if row is None:
        raise _why_none(transaction, account_id, if_match)
    lanes.mark_changed(transaction, account_id, milliseconds(now), is_replaced=True)
    return Webhook(*row)


def remove(transaction: Transaction, account_id: str, now: datetime, if_match: Collection[str] | None = None) -> None:
    """Delete the account's webhook and mark its lane as changed; `if_match` and errors as for `replace`."""
    chosen = delete(webhooks).where(*_chosen(account_id, if_match)).returning(webhooks.c.id)
    if transaction.scalar(chosen) is None:
        raise _why_none(transaction, account_id, if_match)
    lanes.mark_changed(transaction, account_id, milliseconds(now))


def disable(
    transaction: Transaction, account_id: str, webhook_id: str, revision: int, reason: DisabledReason, now: datetime
) -> bool:
    """Disable the account's webhook, unless it has been changed since that revision; whether it was disabled."""
    disabled = transaction.execute(
        update(webhooks)
        .where(webhooks.c.account_id == account_id, webhooks.c.id == webhook_id, webhooks.c.revision == revision)
        .values(
            status=WebhookStatus.DISABLED,
            disabled_reason=reason,
            revision=revision + 1,
            updated_at=now,
        )
        .returning(webhooks.c.id)
    )
    if disabled.one_or_none() is None:
        return False
    lanes.mark_changed(transaction, account_id, milliseconds(now), is_disabled=True)
    return True


def list_webhooks(
    connection: Connection, status: str | None, failing: bool | None, after: str | None, limit: int
) -> Page[Webhook]:
    """A page of the accounts' webhooks, by account id: all, or those of a status, or that fail, or that do not."""
    rows = _WEBHOOKS
    if status is not None:
        rows = rows.where(webhooks.c.status == status)
    if failing is not None:
        rows = rows.where(lane_rows.c.failing_since.is_not(None) if failing else lane_rows.c.failing_since.is_(None))
    return page(connection, rows, webhooks.c.account_id, after, limit, _webhook)


def _webhook(*columns: Any) -> Webhook:
    *values, failing_since = columns
    values.append(None if failing_since is None else moment(failing_since))
    return Webhook(*values)


def _chosen(account_id: str, if_match: Collection[str] | None) -> list[ColumnElement[bool]]:
    own = webhooks.c.account_id == account_id
    return [own] if if_match is None else [own, _ETAG.in_(if_match)]


def _why_none(
    connection: Connection, account_id: str, if_match: Collection[str] | None
) -> WebhookNotFound | PreconditionFailed:
    if if_match is not None and connection.scalar(select(exists(_WEBHOOK)), {"account_id": account_id}):
        return PreconditionFailed()
    return WebhookNotFound()
