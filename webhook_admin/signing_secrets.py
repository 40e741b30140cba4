"""The signing secrets of webhooks: at most two sign at a time, the newest first, while a rotation's overlap runs."""

import base64
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update

from webhook_admin.db import Transaction
from webhook_admin.errors import RotationInProgress, WebhookNotFound
from webhook_admin.models import webhooks

if TYPE_CHECKING:
    # The command line lists webhooks without a cipher.
    from cryptography.fernet import MultiFernet

DEFAULT_OVERLAP = 24 * 3600
MAX_OVERLAP = 7 * 24 * 3600
"""Seconds."""


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """A webhook's secrets, each `whsec_<base64>`. The previous one is known also after it has expired."""

    current: str = field(repr=False)
    previous: str | None = field(repr=False)
    previous_expires_at: datetime | None

    def is_previous_valid(self, now: datetime) -> bool:
        """Whether notifications are signed with the previous secret, too."""
        return self.previous_expires_at is not None and self.previous_expires_at > now

    def valid(self, now: datetime) -> list[str]:
        """What notifications are signed with, the newest first."""
        return [self.current, self.previous] if self.previous and self.is_previous_valid(now) else [self.current]


@dataclass(frozen=True, slots=True)
class Rotated:
    """A secret that has just been made and is not shown again, and until when the one before signs, too."""

    signing_secret: str = field(repr=False)
    previous_secret_expires_at: datetime | None


def new() -> str:
    """A secret of 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def get(connection: Connection, cipher: "MultiFernet", account_id: str) -> SigningSecrets:
    """The secrets of the account's webhook. Raises `WebhookNotFound`."""
    chosen = select(webhooks.c.signing_secret, webhooks.c.previous_secret, webhooks.c.previous_secret_expires_at)
    row = connection.execute(chosen.where(webhooks.c.account_id == account_id)).one_or_none()
    if row is None:
        raise WebhookNotFound
    previous = cipher.decrypt(row.previous_secret).decode() if row.previous_secret else None
    return SigningSecrets(cipher.decrypt(row.signing_secret).decode(), previous, row.previous_secret_expires_at)


def rotate(
    transaction: Transaction,
    cipher: "MultiFernet",
    account_id: str,
    now: datetime,
    overlap_seconds: int = DEFAULT_OVERLAP,
    *,
    force: bool = False,
) -> Rotated:
    """Replace the signing secret. The one before signs, too, for `overlap_seconds`; 0: it stops at once.

    With `force` also while the overlap of another rotation runs, whose previous secret then stops at once. The
    webhook's revision changes, so that no attempt that was begun before is started with the old signatures; what was
    learned about the receiver stays. Raises `WebhookNotFound`, `RotationInProgress`.
    """
    chosen = select(webhooks.c.signing_secret, webhooks.c.previous_secret_expires_at)
    row = transaction.execute(chosen.where(webhooks.c.account_id == account_id).with_for_update()).one_or_none()
    if row is None:
        raise WebhookNotFound
    expires_at: datetime | None = row.previous_secret_expires_at
    if expires_at and expires_at > now and not force:
        raise RotationInProgress
    secret = new()
    previous_expires_at = now + timedelta(seconds=overlap_seconds) if overlap_seconds else None
    transaction.execute(
        update(webhooks)
        .where(webhooks.c.account_id == account_id)
        .values(
            signing_secret=cipher.encrypt(secret.encode()),
            # Encrypted anew: by the first of several keys, as all that is written.
            previous_secret=cipher.rotate(row.signing_secret) if previous_expires_at else None,
            previous_secret_expires_at=previous_expires_at,
            revision=webhooks.c.revision + 1,
            updated_at=now,
        )
    )
    return Rotated(secret, previous_expires_at)


def drop_previous(connection: Connection, account_id: str, now: datetime) -> None:
    """Stop signing with the previous secret; without one, change nothing. Raises `WebhookNotFound`."""
    own = webhooks.c.account_id == account_id
    dropped = connection.execute(
        update(webhooks)
        .where(own, webhooks.c.previous_secret.is_not(None))
        .values(
            previous_secret=None,
            previous_secret_expires_at=None,
            revision=webhooks.c.revision + 1,
            updated_at=now,
        )
    )
    if not dropped.rowcount and connection.scalar(select(webhooks.c.id).where(own)) is None:
        raise WebhookNotFound
