"""Database URLs, as the setting `DATABASE_URL` has them."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from webhook_admin.config import PREFIX
from webhook_admin.errors import Misconfigured

_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def parse(text: str) -> URL:
    """The URL of an SQLite file or of a PostgreSQL database. Raises `Misconfigured`, without the text: passwords."""
    try:
        url = make_url(text)
        url = url.set(drivername=_DRIVERS[url.drivername])
        # As Python will do before it looks the name up, raising what is no error of a database.
        (url.host or "").encode("idna")
    except (ArgumentError, KeyError, ValueError):
        raise Misconfigured(
            f"{PREFIX}DATABASE_URL: Must be a database URL of the form sqlite:////path/to/file "
            "or postgresql://user:password@host/database."
        ) from None
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise Misconfigured(f"{PREFIX}DATABASE_URL: Must name SQLite's file, as in sqlite:////path/to/file.")
    return url
