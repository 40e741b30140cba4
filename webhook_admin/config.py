"""Every setting, read from the environment once. Each is named `WEBHOOK_ADMIN_<NAME>`."""

import ssl
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
# Seconds to wait after each failed attempt: nine attempts, about 21 hours.
RETRY_SCHEDULE = (5, 30, 2 * 60, 10 * 60, 30 * 60, 2 * 3600, 6 * 3600, 12 * 3600)
MAKE_KEY = "openssl rand -base64 32 | tr +/ -_"
_LONGEST_WAIT = 30 * 24 * 3600
_POSITIVE = validate.Range(0, _LONGEST_WAIT, min_inclusive=False)
_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says; one field for each setting, named as it in lower case. Times are in seconds."""

    data_dir: Path
    database_url: URL
    secret_key: tuple[str, ...]
    allowed_networks: tuple[Network, ...]
    ca_bundle: Path | None
    retry_schedule: tuple[float, ...]
    delivery_max_age: float
    connect_timeout: float
    request_timeout: float
    lane_concurrency: int
    max_in_flight: int
    lease_seconds: int
    host: str
    port: int
    rate_limit: int
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
        ca_bundle: str = env.str("CA_BUNDLE", "", validate=_certificates)
        retry_schedule: list[str] = env.list("RETRY_SCHEDULE", list(map(str, RETRY_SCHEDULE)), validate=_waits)
        delivery_max_age = env.float("DELIVERY_MAX_AGE", 72 * 3600, validate=_POSITIVE)
        connect_timeout = env.float("CONNECT_TIMEOUT", 5, validate=_POSITIVE)
        request_timeout = env.float("REQUEST_TIMEOUT", 15, validate=_POSITIVE)
        lane_concurrency = env.int("LANE_CONCURRENCY", 10, validate=validate.Range(1, 1_000))
        max_in_flight = env.int("MAX_IN_FLIGHT", 500, validate=validate.Range(2, 10_000))
        lease_seconds = env.int("LEASE_SECONDS", 30, validate=validate.Range(1, 3600))
        host = env.str("HOST", "127.0.0.1", validate=validate.Length(min=1))
        port = env.int("PORT", 8080, validate=validate.Range(1, 65535))
        rate_limit = env.int("RATE_LIMIT", 50, validate=validate.Range(0, 1_000_000))
        log_level = env.str("LOG_LEVEL", "info", validate=validate.OneOf(["debug", "info", "warning", "error"]))
        log_format = env.str("LOG_FORMAT", "text", validate=validate.OneOf(["text", "json"]))
        _require_valid(env)
        return cls(
            data_dir=data_dir.absolute(),
            database_url=_database_url(database_url, data_dir.absolute()),
            secret_key=tuple(secret_key),
            allowed_networks=tuple(map(ip_network, allowed_networks)),
            ca_bundle=Path(ca_bundle).absolute() if ca_bundle else None,
            retry_schedule=tuple(map(float, retry_schedule)),
            delivery_max_age=delivery_max_age,
            connect_timeout=connect_timeout,
            request_timeout=request_timeout,
            lane_concurrency=lane_concurrency,
            max_in_flight=max_in_flight,
            lease_seconds=lease_seconds,
            host=host,
            port=port,
            rate_limit=rate_limit,
            log_level=log_level,
            log_format=log_format,
        )


def _require_valid(env: Env) -> None:
    try:
        env.seal()
    except EnvValidationError as error:
        bad: Any = error.error_messages
        sentences = [f"{name}: {' '.join(messages)}" for name, messages in bad.items()]
        raise Misconfigured(" ".join(sentences)) from None


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


def _certificates(path: str) -> None:
    if path:
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:
            raise ValidationError(
                f"Not a file of PEM certificates: {error.strerror or 'there are none in it'}."
            ) from None


def _waits(values: list[str]) -> None:
    try:
        # So NaN, which is neither less nor more, is none of them.
        fit = all(0 <= float(value) <= _LONGEST_WAIT for value in values)
    except ValueError:
        fit = False
    if not fit:
        raise ValidationError("Each wait must be a number of seconds, from 0 to 2592000 (30 days).")


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
