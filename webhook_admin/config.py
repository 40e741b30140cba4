"""Every setting, read from the environment once. Each is named `WEBHOOK_ADMIN_<NAME>`.

A setting is one line of `Settings`: its default as it would stand in the environment, and the function that reads it,
which raises `ValueError` with what a good value is.
"""

import base64
import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from webhook_admin import callback_urls
from webhook_admin.callback_urls import Network
from webhook_admin.errors import Misconfigured

T = TypeVar("T")

PREFIX = "WEBHOOK_ADMIN_"
MAKE_KEY = "openssl rand -base64 32 | tr +/ -_"
MAKE_SECRET = "echo whsec_$(openssl rand -base64 32)"  # noqa: S105  a command
# Seconds to wait after each failed attempt: nine attempts, about 21 hours.
RETRY_SCHEDULE = (5, 30, 2 * 60, 10 * 60, 30 * 60, 2 * 3600, 6 * 3600, 12 * 3600)
DAY = 24 * 3600
"""In seconds."""
_DATA_DIR = "webhook-admin-data"
_MAX_WAIT = 30 * DAY
# Standard Webhooks: from 24 bytes on.
_LEAST_SECRET = 24
_MAX_DAYS = 36_500


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise ValueError(f"Must be a whole number from {least} to {most}")
        return int(text)

    return read


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"Must be one of {', '.join(choices)}")
        return text

    return read


def _list(read_item: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    return lambda text: tuple(read_item(item.strip()) for item in text.split(",")) if text.strip() else ()


def _wait(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    # NaN is neither less nor more than anything.
    if not 0 <= seconds <= _MAX_WAIT:
        raise ValueError(f"Must be a number of seconds, from 0 to {_MAX_WAIT} (30 days)")
    return seconds


def _time(text: str) -> float:
    try:
        seconds = _wait(text)
    except ValueError:
        seconds = 0
    if not seconds:
        raise ValueError(f"Must be a number of seconds, more than 0 and at most {_MAX_WAIT} (30 days)")
    return seconds


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days <= _MAX_DAYS:
        raise ValueError(f"Must be a number of days, from 0 (for ever) to {_MAX_DAYS}")
    return days


def _host(text: str) -> str:
    if not text:
        raise ValueError("Must be an address or a host name, such as 127.0.0.1")
    return text


def _public_url(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise ValueError("Must be an http or https URL without query, such as https://webhooks.example.com")
    return text.rstrip("/")


def _operations_url(text: str) -> str:
    if text:
        try:
            callback_urls.parse(text, callback_urls.EVERYWHERE)
        except callback_urls.InvalidCallbackUrl as error:
            raise ValueError(f"Must be an https URL. {error.message.rstrip('.')}") from None
    return text


def _signing_secret(text: str) -> str:
    try:
        is_long = len(base64.b64decode(text.removeprefix("whsec_"), validate=True)) >= _LEAST_SECRET
    except ValueError:
        is_long = False
    if text and not (text.startswith("whsec_") and is_long):
        raise ValueError(f"Must be whsec_ and {_LEAST_SECRET} bytes or more in base64, as made by `{MAKE_SECRET}`")
    return text


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"Must be networks in CIDR notation, such as 10.0.0.0/8 ({error})") from None


def _fernet_key(text: str) -> str:
    try:
        fits = len(base64.urlsafe_b64decode(text)) == 32
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"Each key must be 32 bytes in URL-safe base64, as made by `{MAKE_KEY}`")
    return text


def _certificates(text: str) -> Path | None:
    if not text:
        return None
    try:
        ssl.create_default_context(cafile=text)
    except OSError as error:
        raise ValueError(f"Must be a file of PEM certificates ({error.strerror or 'there are none in it'})") from None
    return Path(text).absolute()


def _folder(text: str) -> Path:
    return Path(text).absolute()


def _setting(default: str, read: Callable[[str], Any]) -> dict[str, Any]:
    return {"default": default, "read": read}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says; one field for each setting, named as it in lower case.

    Times are in seconds, where the name does not say otherwise.

    Secrets are not in its `repr`, and not in what is said about a bad value. `database_url` is checked by `Database`:
    commands that use no store do not load the library that can.
    """

    data_dir: Path = field(metadata=_setting(_DATA_DIR, _folder))
    database_url: str = field(metadata=_setting("", str), repr=False)
    secret_key: tuple[str, ...] = field(metadata=_setting("", _list(_fernet_key)), repr=False)
    allowed_networks: tuple[Network, ...] = field(metadata=_setting("", _list(_network)))
    ca_bundle: Path | None = field(metadata=_setting("", _certificates))
    retry_schedule: tuple[float, ...] = field(metadata=_setting(",".join(map(str, RETRY_SCHEDULE)), _list(_wait)))
    delivery_max_age: float = field(metadata=_setting("259200", _time))
    connect_timeout: float = field(metadata=_setting("5", _time))
    request_timeout: float = field(metadata=_setting("15", _time))
    lane_concurrency: int = field(metadata=_setting("50", _whole(1, 1_000)))
    max_in_flight: int = field(metadata=_setting("2000", _whole(2, 10_000)))
    lease_seconds: int = field(metadata=_setting("30", _whole(1, 3_600)))
    host: str = field(metadata=_setting("127.0.0.1", _host))
    port: int = field(metadata=_setting("8080", _whole(1, 65_535)))
    metrics_host: str = field(metadata=_setting("127.0.0.1", _host))
    metrics_port: int = field(metadata=_setting("0", _whole(0, 65_535)))
    public_url: str = field(metadata=_setting("", _public_url))
    disable_after: float = field(metadata=_setting("432000", _wait))
    retention_days: float = field(metadata=_setting("30", _days))
    operations_url: str = field(metadata=_setting("", _operations_url))
    operations_secret: str = field(metadata=_setting("", _signing_secret), repr=False)
    rate_limit: int = field(metadata=_setting("50", _whole(0, 1_000_000)))
    log_level: str = field(metadata=_setting("info", _one_of("debug", "info", "warning", "error")))
    log_format: str = field(metadata=_setting("text", _one_of("text", "json")))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read and check all settings. Raises `Misconfigured`, naming every setting with a bad value."""
        values: dict[str, Any] = {}
        faults = []
        for setting in fields(cls):
            name = PREFIX + setting.name.upper()
            text = environment.get(name, setting.metadata["default"])
            try:
                values[setting.name] = setting.metadata["read"](text)
            except ValueError as error:
                shown = f", and is {text!r}" if setting.repr else ""
                faults.append(f"{name}: {error}{shown}.")
        faults = faults or list(_faults_together(values))
        if faults:
            raise Misconfigured(" ".join(faults))
        values["database_url"] = (
            values["database_url"] or f"sqlite:///{quote(str(values['data_dir']))}/webhook-admin.db"
        )
        return cls(**values)


def _faults_together(values: Mapping[str, Any]) -> Iterator[str]:
    """Values that are good alone, and not with each other."""
    # A newer status of a message supersedes one that still waits, as long as the newer one is on record.
    if 0 < values["retention_days"] * DAY < values["delivery_max_age"]:
        yield (
            f"{PREFIX}RETENTION_DAYS: Must be 0, or at least {PREFIX}DELIVERY_MAX_AGE, "
            f"which is {values['delivery_max_age'] / DAY:g} days, and is {values['retention_days']:g}."
        )
    if values["operations_url"] and not values["operations_secret"]:
        yield f"{PREFIX}OPERATIONS_SECRET: Must be set if {PREFIX}OPERATIONS_URL is: `{MAKE_SECRET}` makes one."


def where_data_dir_is(folder: Path) -> str:
    """A sentence, if the folder is that of `DATA_DIR` and depends on the current folder; else nothing."""
    given = Path(os.environ.get(f"{PREFIX}DATA_DIR", _DATA_DIR))
    if given.is_absolute() or given.absolute() != folder:
        return ""
    return f" {PREFIX}DATA_DIR is {given}, relative to the current folder, {Path.cwd()}."
