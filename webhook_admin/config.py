"""Every setting, read from the environment once. Each is named `WEBHOOK_ADMIN_<NAME>`."""

from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from environs import Env, EnvValidationError, validate
from marshmallow import ValidationError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from webhook_admin.callback_urls import Network
from webhook_admin.errors import Misconfigured

PREFIX = "WEBHOOK_ADMIN_"
MAKE_KEY = "openssl rand -base64 32 | tr +/ -_"
_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says; one field for each setting, named as it in lower case."""

    data_dir: Path
    database_url: URL
    secret_key: tuple[str, ...]
    allowed_networks: tuple[Network, ...]
    host: str
    port: int
    log_level: str
    log_format: str

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read and check all settings. Raises `Misconfigured`, naming every setting with a bad value."""
        env = Env(prefix=PREFIX, eager=False)
        data_dir = env.path("DATA_DIR", Path("webhook-admin-data"))
        database_url = env.str("DATABASE_URL", "")
        secret_key: list[str] = env.list("SECRET_KEY", [], validate=_fernet_keys)
        allowed_networks: list[str] = env.list("ALLOWED_NETWORKS", [], validate=_networks)
        host = env.str("HOST", "127.0.0.1", validate=validate.Length(min=1))
        port = env.int("PORT", 8080, validate=validate.Range(1, 65535))
        log_level = env.str("LOG_LEVEL", "info", validate=validate.OneOf(["debug", "info", "warning", "error"]))
        log_format = env.str("LOG_FORMAT", "text", validate=validate.OneOf(["text", "json"]))
        try:
            env.seal()
        except EnvValidationError as error:
            raise Misconfigured(_sentences(error)) from None
        return cls(
            data_dir=data_dir.absolute(),
            database_url=_database_url(database_url, data_dir.absolute()),
            secret_key=tuple(secret_key),
            allowed_networks=tuple(map(ip_network, allowed_networks)),
            host=host,
            port=port,
            log_level=log_level,
            log_format=log_format,
        )


def _sentences(error: EnvValidationError) -> str:
    bad: Any = error.error_messages
    return " ".join(f"{name}: {' '.join(messages)}" for name, messages in bad.items())


def _fernet_keys(values: list[str]) -> None:
    try:
        for value in values:
            Fernet(value)
    except ValueError:
        raise ValidationError(f"Each key must be 32 bytes in URL-safe base64, as made by `{MAKE_KEY}`.") from None


def _networks(values: list[str]) -> None:
    for value in values:
        try:
            ip_network(value)
        except ValueError as error:
            raise ValidationError(f"Not a network in CIDR notation: {error}.") from None


def _database_url(text: str, data_dir: Path) -> URL:
    if not text:
        return URL.create("sqlite", database=str(data_dir / "webhook-admin.db"))
    try:
        url = make_url(text)
        url = url.set(drivername=_DRIVERS[url.drivername])
    except (ArgumentError, KeyError, ValueError):
        # The value is not repeated: it may hold a password.
        raise Misconfigured(
            f"{PREFIX}DATABASE_URL: Not a database URL of the form sqlite:////path/to/file "
            "or postgresql://user:password@host/database."
        ) from None
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise Misconfigured(f"{PREFIX}DATABASE_URL: SQLite needs a file, as in sqlite:////path/to/file.")
    return url
