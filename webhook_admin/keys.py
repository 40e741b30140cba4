"""API keys: made once, shown once, and known afterwards only by their SHA-256.

A key reads `whak_<id>_<secret><checksum>` (an account key) or `whpk_...` (a platform key): a prefix that scanners
for leaked secrets can find, the id, 256 random bits in base32, and a CRC-32 in hexadecimal. A slow hash would add
nothing to 256 random bits, and would make every request pay.
"""

import base64
import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from webhook_admin.db import Page, page
from webhook_admin.errors import AccountNotFound, InvalidInput, KeyNotFound, TooManyKeys, Unauthenticated
from webhook_admin.field_errors import FieldError
from webhook_admin.ids import new_id
from webhook_admin.models import accounts, api_keys

ACTIVE_KEYS_PER_ACCOUNT = 2
# `last_used_at` is written at most once in this time.
USE_INTERVAL = timedelta(minutes=1)
_KEY_ID = re.compile(r"key_[0-9a-f]{32}")
_KEY = re.compile(r"(wh[ap]k_([0-9a-f]{32})_[a-z2-7]{52})([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as it is on record; `account_id` is None for a platform key."""

    id: str
    account_id: str | None
    name: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey(Key):
    """A key that has just been made; `key` is the secret itself, which nobody can read again."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key a request carries, and whether the account that the request names exists."""

    key_id: str
    account_id: str | None
    last_used_at: datetime | None
    named_account_id: str | None


_COLUMNS = [api_keys.c[column.name] for column in fields(Key)]
_CALLER = select(
    api_keys.c.digest,
    api_keys.c.expires_at,
    api_keys.c.id,
    api_keys.c.account_id,
    api_keys.c.last_used_at,
    select(accounts.c.id).where(accounts.c.id == bindparam("named_account_id")).scalar_subquery(),
).where(api_keys.c.id == bindparam("key_id"))


def authenticate(connection: Connection, key: str, now: datetime, named_account_id: str | None = None) -> Caller:
    """Who calls with `key`. Raises `Unauthenticated` if it is malformed, unknown, expired or revoked.

    In the same round trip, `Caller.named_account_id` is `named_account_id` if there is such an account, else None.
    """
    parameters = {"key_id": id_of(key), "named_account_id": named_account_id}
    row = connection.execute(_CALLER, parameters).one_or_none()
    if row is None:
        raise Unauthenticated
    stored, expires_at, *caller = row
    if not hmac.compare_digest(stored, digest(key)) or (expires_at and expires_at <= now):
        raise Unauthenticated
    return Caller(*caller)


def id_of(key: str) -> str:
    """The id that a key contains, by its form and checksum alone. Raises `Unauthenticated` if it is malformed."""
    parts = _KEY.fullmatch(key)
    if parts is None or parts[3] != _checksum(parts[1]):
        raise Unauthenticated
    return f"key_{parts[2]}"


def create(
    connection: Connection,
    account_id: str | None,
    now: datetime,
    name: str | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key for the account, or with None a platform key. Needs a transaction.

    Raises `AccountNotFound`, `TooManyKeys`, and `InvalidInput` for a time of expiry that is past.
    """
    if expires_at and expires_at <= now:
        raise InvalidInput([FieldError("expiresAt", "in_the_past", "The time of expiry must be in the future.")])
    if account_id is not None:
        _require_room(connection, account_id, now)
    key_id = new_id("key")
    key = mint(key_id, "whpk" if account_id is None else "whak")
    new = NewKey(key_id, account_id, name, now, expires_at, None, key)
    values = {column.name: getattr(new, column.name) for column in _COLUMNS}
    connection.execute(insert(api_keys).values(digest=digest(key), **values))
    return new


def list_keys(connection: Connection, account_id: str | None, after: str | None, limit: int) -> Page[Key]:
    """A page of the account's keys, or with None of all keys, platform keys included, by id (the order of making)."""
    rows = select(*_COLUMNS)
    if account_id is not None:
        rows = rows.where(api_keys.c.account_id == account_id)
    return page(connection, rows, api_keys.c.id, after, limit, Key)


def revoke(connection: Connection, key_id: str, account_id: str | None = None) -> None:
    """Delete the key (if `account_id` is given: only if it is that account's). Raises `KeyNotFound`."""
    # PostgreSQL would fail at a NUL instead of finding nothing.
    if not _KEY_ID.fullmatch(key_id):
        raise KeyNotFound
    chosen = delete(api_keys).where(api_keys.c.id == key_id).returning(api_keys.c.id)
    if account_id is not None:
        chosen = chosen.where(api_keys.c.account_id == account_id)
    if connection.scalar(chosen) is None:
        raise KeyNotFound


def has_platform_key(connection: Connection) -> bool:
    """Whether there is any platform key."""
    return connection.scalar(select(api_keys.c.id).where(api_keys.c.account_id.is_(None)).limit(1)) is not None


def record_use(connection: Connection, key_ids: Collection[str], now: datetime) -> None:
    """Write down that the keys have been used, except where that has been done within `USE_INTERVAL`."""
    last_used_at = api_keys.c.last_used_at
    stale = or_(last_used_at.is_(None), last_used_at <= now - USE_INTERVAL)
    connection.execute(update(api_keys).where(api_keys.c.id.in_(key_ids), stale).values(last_used_at=now))


def _require_room(connection: Connection, account_id: str, now: datetime) -> None:
    # The lock comes first, in a statement of its own: the count must see what the previous holder has committed.
    account = select(accounts.c.id).where(accounts.c.id == account_id).with_for_update()
    if connection.scalar(account) is None:
        raise AccountNotFound
    active = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    count = select(func.count()).where(api_keys.c.account_id == account_id, active)
    if connection.execute(count).scalar_one() >= ACTIVE_KEYS_PER_ACCOUNT:
        raise TooManyKeys


def mint(key_id: str, prefix: str) -> str:
    """A new key of this id; the prefix is `whak` for an account key, `whpk` for a platform key."""
    secret = base64.b32encode(secrets.token_bytes(32)).decode().rstrip("=").lower()
    body = f"{prefix}_{key_id.removeprefix('key_')}_{secret}"
    return body + _checksum(body)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()
