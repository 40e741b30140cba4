"""Accounts: the customers of the messaging platform. Their ids are the platform's own."""

import re
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from webhook_admin.db import Page, Transaction, insert, page
from webhook_admin.errors import AccountExists, AccountNotFound, InvalidInput
from webhook_admin.field_errors import FieldError
from webhook_admin.models import accounts
from webhook_admin.queue import lanes
from webhook_admin.queue.clock import milliseconds

ACCOUNT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Account:
    """A customer of the platform; times are UTC."""

    id: str
    name: str | None
    created_at: datetime
    updated_at: datetime


_COLUMNS = [accounts.c[field.name] for field in fields(Account)]


def require_account_id(text: str, field: str) -> None:
    """Raise `InvalidInput`, naming `field`, unless `text` can be an account's id.

    `.` and `..` cannot: clients remove them from paths (RFC 3986, section 5.2.4), so no call could name the account.
    """
    if not ACCOUNT_ID.fullmatch(text) or text in (".", ".."):
        message = "An account id is 1 to 64 of the characters A-Z, a-z, 0-9, '.', '_' and '-', but not '.' or '..'."
        raise InvalidInput([FieldError(field, "invalid_account_id", message)])


def create(connection: Connection, account_id: str, now: datetime, name: str | None = None) -> Account:
    """Add an account. Raises `AccountExists`, `InvalidInput`."""
    require_account_id(account_id, "id")
    row = connection.execute(
        insert(connection, accounts)
        .values(id=account_id, name=name, created_at=now, updated_at=now)
        .on_conflict_do_nothing()
        .returning(*_COLUMNS)
    ).one_or_none()
    if row is None:
        raise AccountExists
    return Account(*row)


def put(connection: Connection, account_id: str, now: datetime, **changes: str | None) -> tuple[Account, bool]:
    """Add an account, or change the one that is there; a `name` left out keeps its value. Raises `InvalidInput`.

    Returns the account, and whether it is new: of any number of calls at once, one makes it.
    """
    while True:
        try:
            return create(connection, account_id, now, **changes), True
        except AccountExists:
            changed = update(accounts).where(accounts.c.id == account_id).values(updated_at=now, **changes)
            row = connection.execute(changed.returning(*_COLUMNS)).one_or_none()
            # None: deleted since, so that it can be made after all.
            if row is not None:
                return Account(*row), False


def get(connection: Connection, account_id: str) -> Account:
    """The account of this id. Raises `AccountNotFound`."""
    _require_possible(account_id)
    row = connection.execute(select(*_COLUMNS).where(accounts.c.id == account_id)).one_or_none()
    if row is None:
        raise AccountNotFound
    return Account(*row)


def list_accounts(connection: Connection, after: str | None, limit: int, beginning: str = "") -> Page[Account]:
    """A page of all accounts, by id, or of those whose ids begin so."""
    rows = select(*_COLUMNS)
    if beginning:
        # `~` is behind every character of an id: a range, for which there is the index.
        rows = rows.where(accounts.c.id >= beginning, accounts.c.id < f"{beginning}~")
    return page(connection, rows, accounts.c.id, after, limit, Account)


def remove(transaction: Transaction, account_id: str, now: datetime) -> None:
    """Delete the account with its keys and its webhook, and mark its lanes as changed. Raises `AccountNotFound`."""
    _require_possible(account_id)
    deleted = transaction.scalar(delete(accounts).where(accounts.c.id == account_id).returning(accounts.c.id))
    if deleted is None:
        raise AccountNotFound
    lanes.mark_changed(transaction, account_id, milliseconds(now), every_destination=True)


def _require_possible(account_id: str) -> None:
    # PostgreSQL would fail at a NUL instead of finding nothing.
    if not ACCOUNT_ID.fullmatch(account_id):
        raise AccountNotFound
