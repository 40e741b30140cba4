"""Sessions of the page, opened with an API key or by a portal link. Each ends with the key that it comes from.

A session is one row, known by the SHA-256 of a random token. A link is such a row, too: opening it makes it a session
with a token of its own, in one statement. Of any number of requests that open one link, one succeeds.
"""

import hashlib
import secrets
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from webhook_admin.errors import AccountNotFound
from webhook_admin.keys import Caller
from webhook_admin.models import api_keys, portal_sessions

LIFETIME = timedelta(hours=8)
DEFAULT_LINK_SECONDS = 3_600
MIN_LINK_SECONDS, MAX_LINK_SECONDS = 60, 24 * 3_600
# What scanners for leaked secrets can find.
_LINK_PREFIX = "whpl_"


class Access(StrEnum):
    """How much a session may do."""

    FULL = "full"
    """Look, and change."""
    READ = "read"
    """Look."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who looks at the page. `account_id` is the account that is looked at, None where none has been chosen yet.

    A session with `is_platform` may go from one account to another.
    """

    key_id: str
    account_id: str | None
    is_platform: bool
    access: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link that has just been made; nobody can read `token` again."""

    token: str = field(repr=False)
    expires_at: datetime


_COLUMNS = [portal_sessions.c[field.name] for field in fields(Session)]


def open_with_key(connection: Connection, caller: Caller, now: datetime) -> str:
    """Open a session for the one whose API key this is; its token."""
    _remove_expired(connection, now)
    session = Session(caller.key_id, caller.account_id, caller.account_id is None, Access.FULL, now + LIFETIME)
    return _add(connection, session, _token(), is_link=False)


def make_link(
    connection: Connection,
    key_id: str,
    account_id: str,
    now: datetime,
    expires_in_seconds: int = DEFAULT_LINK_SECONDS,
    access: str = Access.FULL,
) -> NewLink:
    """Make a link that opens the page once, for the account. Raises `AccountNotFound` if it has just been deleted."""
    _remove_expired(connection, now)
    expires_at = now + timedelta(seconds=expires_in_seconds)
    session = Session(key_id, account_id, is_platform=False, access=access, expires_at=expires_at)
    return NewLink(_add(connection, session, _LINK_PREFIX + _token(), is_link=True), expires_at)


def is_link(connection: Connection, token: str, now: datetime) -> bool:
    """Whether the link can still be opened."""
    return connection.execute(_found(token, now, is_link=True)).one_or_none() is not None


def open_link(connection: Connection, token: str, now: datetime) -> str | None:
    """Make the link a session; the session's token, or None if the link is unknown, expired, or has been opened."""
    new = _token()
    opened = connection.execute(
        update(portal_sessions)
        .where(*_current(token, now, is_link=True), exists().where(_is_valid_key(now)))
        .values(digest=_digest(new), is_link=False, expires_at=now + LIFETIME)
    )
    return new if opened.rowcount else None


def get(connection: Connection, token: str, now: datetime) -> Session | None:
    """The session of this token; None if there is none, it has expired, or its key has been revoked or has expired."""
    row = connection.execute(_found(token, now, is_link=False)).one_or_none()
    return Session(*row) if row else None


def choose_account(connection: Connection, token: str, account_id: str) -> None:
    """Let a session of the platform look at the account. Raises `AccountNotFound`."""
    own = and_(portal_sessions.c.digest == _digest(token), portal_sessions.c.is_platform)
    try:
        connection.execute(update(portal_sessions).where(own).values(account_id=account_id))
    except IntegrityError:
        raise AccountNotFound from None


def end(connection: Connection, token: str) -> None:
    """End the session, if there is one."""
    connection.execute(delete(portal_sessions).where(portal_sessions.c.digest == _digest(token)))


def _add(connection: Connection, session: Session, token: str, *, is_link: bool) -> str:
    values = {column.name: getattr(session, column.name) for column in _COLUMNS}
    try:
        connection.execute(insert(portal_sessions).values(digest=_digest(token), is_link=is_link, **values))
    except IntegrityError:
        raise AccountNotFound from None
    return token


def _remove_expired(connection: Connection, now: datetime) -> None:
    # Rows that another transaction has locked are left to it: two of these cannot deadlock.
    expired = select(portal_sessions.c.digest).where(portal_sessions.c.expires_at <= now)
    chosen = portal_sessions.c.digest.in_(expired.with_for_update(skip_locked=True))
    connection.execute(delete(portal_sessions).where(chosen))


def _found(token: str, now: datetime, *, is_link: bool) -> Select[Any]:
    return select(*_COLUMNS).join(api_keys, _is_valid_key(now)).where(*_current(token, now, is_link=is_link))


def _current(token: str, now: datetime, *, is_link: bool) -> list[ColumnElement[bool]]:
    own = portal_sessions.c.digest == _digest(token)
    return [own, portal_sessions.c.is_link == is_link, portal_sessions.c.expires_at > now]


def _is_valid_key(now: datetime) -> ColumnElement[bool]:
    expires_at = api_keys.c.expires_at
    return and_(api_keys.c.id == portal_sessions.c.key_id, or_(expires_at.is_(None), expires_at > now))


def _token() -> str:
    return secrets.token_urlsafe(32)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
