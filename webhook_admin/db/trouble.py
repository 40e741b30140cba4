"""What a driver's exception means: whether the store is unavailable, and in one sentence why. Never with a password."""

import re
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import InterfaceError, OperationalError

from webhook_admin.config import PREFIX, where_data_dir_is

# What libpq puts before the reason, as in `connection to server at "::1", port 5432 failed: FATAL:  `.
_LIBPQ_PREAMBLE = re.compile(r"^(?:.* failed: (?:FATAL: +)?|connection is bad: )|\[Errno -?[0-9]+\] ")
# A standby, as after a failover, refuses to write; a table can be missing while a backup is being restored.
_READ_ONLY, _UNDEFINED_TABLE = "25006", "42P01"
_NO_SUCH_TABLE = "no such table"
_NEW_STORE = "If the store is new, run `webhook-admin db upgrade`."
_SQLITE = {
    sqlite3.SQLITE_READONLY: "This user may not write the SQLite file {file}, or its folder.",
    sqlite3.SQLITE_BUSY: "The SQLite file {file} is locked by another process.",
    sqlite3.SQLITE_FULL: "Cannot write to the SQLite file {file}: the disk is full.",
    sqlite3.SQLITE_NOTADB: "{file} is not an SQLite database, or its header is damaged. Restore it from a backup.",
    sqlite3.SQLITE_CORRUPT: "The SQLite file {file} is damaged. Restore it from a backup.",
}
# Connections that have seen these keep pages or plans of what was there, and would fail after it is mended.
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


def name(url: URL, file: Path | None) -> str:
    """The store, as people look for it: SQLite's file, or PostgreSQL's address."""
    if file:
        return f"the SQLite file {file}"
    hosts: Any = url.query.get("host", url.host)
    host = ",".join(hosts) if isinstance(hosts, tuple) else hosts
    if not host or host.startswith("/"):
        return f"PostgreSQL at {host or 'the default address'}"
    return f"PostgreSQL at {f'[{host}]' if ':' in host else host}:{url.query.get('port', url.port or 5432)}"


def is_unavailability(context: ExceptionContext) -> bool:
    """Whether the exception says that the store cannot do its work, and not that a statement is wrong.

    Marks the exception as a disconnection where no connection that is open can be used any more.
    """
    original = context.original_exception
    # A Ctrl-C counts as a disconnection, too, and is none.
    if not isinstance(original, Exception):
        return False
    if _sqlite_code(original) in _DAMAGED or _is_missing_table(original):
        context.is_disconnect = True
    if context.is_disconnect or context.connection is None:
        return True
    if isinstance(original, sqlite3.OperationalError):
        # SQLITE_ERROR is a mistake in the statement or the schema; all others are the file's or the machine's trouble.
        return _sqlite_code(original) != sqlite3.SQLITE_ERROR
    is_drivers = isinstance(context.sqlalchemy_exception, OperationalError | InterfaceError)
    return is_drivers or getattr(original, "sqlstate", None) == _READ_ONLY


def cause(context: ExceptionContext, url: URL, file: Path | None) -> str:
    """Why the store is unavailable, for its operators: which store, what is wrong, what to do."""
    original = context.original_exception
    if _is_missing_table(original):
        return f"A table is missing from {name(url, file)} ({reason(original)}). {_NEW_STORE}"
    if file:
        return _sqlite_cause(original, file)
    if context.connection is None:
        check = f"Check {PREFIX}DATABASE_URL, and that the server runs."
        return f"Cannot reach {name(url, file)}: {reason(original)}. {check}"
    return f"{name(url, file)} has failed: {reason(original)}."


def _sqlite_cause(error: BaseException, file: Path) -> str:
    code = _sqlite_code(error)
    if code in _SQLITE:
        return _SQLITE[code].format(file=file)
    if code != sqlite3.SQLITE_CANTOPEN:
        return f"The SQLite file {file} has failed: {reason(error)}."
    try:
        is_folder = file.is_dir()
        file.stat()
    except FileNotFoundError:
        make = "`webhook-admin up` or `webhook-admin db upgrade` makes one."
        return f"There is no SQLite file {file}.{where_data_dir_is(file.parent)} {make}"
    except OSError as refusal:
        return f"Cannot open the SQLite file {file}: {str(refusal.strerror).lower()}."
    why = "it is a folder" if is_folder else "this user may not read and write the file and its folder"
    return f"Cannot open the SQLite file {file}: {why}."


def _sqlite_code(error: BaseException) -> int | None:
    """SQLite's primary result code; None for other errors."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _is_missing_table(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith(_NO_SUCH_TABLE)
    return getattr(error, "sqlstate", None) == _UNDEFINED_TABLE


def reason(error: BaseException) -> str:
    """The driver's own reason, without what libpq says before it and after the first line."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    words = _LIBPQ_PREAMBLE.sub("", first)
    return words[:1].lower() + words[1:]
