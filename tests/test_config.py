"""Settings: where they come from, and what is said about bad ones."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.errors import Misconfigured


def test_without_any_variable_the_service_runs_on_sqlite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing has to be set: the store is a file in a folder of the current one."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment()
    assert Database(settings.database_url).file == tmp_path / "webhook-admin-data" / "webhook-admin.db"
    assert (settings.host, settings.port, settings.log_format) == ("127.0.0.1", 8080, "text")


def test_a_folder_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters that mean something in a URL are part of the name."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", "/srv/a%41 b?c#d/ü")
    assert Database(Settings.from_environment().database_url).file == Path("/srv/a%41 b?c#d/ü/webhook-admin.db")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_one_variable_makes_it_postgresql(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """All usual spellings of PostgreSQL's scheme mean the driver that the service has."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATABASE_URL", f"{scheme}://user:secret@db.internal/webhooks")
    database = Database(Settings.from_environment().database_url)
    assert (database.url.drivername, str(database)) == ("postgresql+psycopg", "PostgreSQL at db.internal:5432")


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks and secret keys can be several."""
    monkeypatch.setenv("WEBHOOK_ADMIN_ALLOWED_NETWORKS", "10.0.0.0/8,fd00::/8")
    assert Settings.from_environment().allowed_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_the_retry_schedule_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its waits are seconds, and may be parts of them; without any, there is one attempt."""
    monkeypatch.setenv("WEBHOOK_ADMIN_RETRY_SCHEDULE", "0.5, 10")
    assert Settings.from_environment().retry_schedule == (0.5, 10)
    monkeypatch.setenv("WEBHOOK_ADMIN_RETRY_SCHEDULE", "")
    assert Settings.from_environment().retry_schedule == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("METRICS_PORT", "65536"),
        ("METRICS_HOST", ""),
        ("HOST", ""),
        ("RATE_LIMIT", "-1"),
        ("RATE_LIMIT", "some"),
        ("PUBLIC_URL", "webhooks.example.com"),
        ("PUBLIC_URL", "https://webhooks.example.com/?page=1"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("ALLOWED_NETWORKS", "10.0.0.1/8"),
        ("ALLOWED_NETWORKS", "10.0.0.0/8,office"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=,short"),
        ("CA_BUNDLE", "/nowhere.pem"),
        ("CA_BUNDLE", __file__),
        ("RETRY_SCHEDULE", "5,soon"),
        ("RETRY_SCHEDULE", "5,-1"),
        ("RETRY_SCHEDULE", "5,nan"),
        ("RETRY_SCHEDULE", "5,,30"),
        ("PORT", "8_080"),
        ("PORT", ""),
        ("DELIVERY_MAX_AGE", "0"),
        ("CONNECT_TIMEOUT", "-1"),
        ("CONNECT_TIMEOUT", "inf"),
        ("REQUEST_TIMEOUT", "nan"),
        ("REQUEST_TIMEOUT", "never"),
        ("LANE_CONCURRENCY", "0"),
        ("MAX_IN_FLIGHT", "1"),
        ("LEASE_SECONDS", "0.5"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_DAYS", "nan"),
        ("RETENTION_DAYS", "month"),
        ("DATABASE_URL", "mysql://user:sesame@host/db"),
        ("DATABASE_URL", "no url"),
        ("DATABASE_URL", "postgresql://user:sesame@host:port/db"),
        ("DATABASE_URL", "postgresql://user:sesame@a..b/db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
    ],
)
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """One sentence says which setting it is, what is expected and what is there; but no secret."""
    monkeypatch.setenv(f"WEBHOOK_ADMIN_{name}", value)
    with pytest.raises(Misconfigured) as caught:
        Database(Settings.from_environment().database_url)
    said = str(caught.value)
    assert re.fullmatch(rf"WEBHOOK_ADMIN_{name}: (Must|Each key must) .*\.", said)
    assert said.count("WEBHOOK_ADMIN_") == 1
    is_secret = name in ("SECRET_KEY", "DATABASE_URL")
    assert said.endswith(f", and is {value!r}.") != is_secret
    assert "sesame" not in said


def test_a_retention_is_not_shorter_than_a_delivery_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both settings are named; days may be parts of one, and 0 is for ever."""
    monkeypatch.setenv("WEBHOOK_ADMIN_RETENTION_DAYS", "2.5")
    with pytest.raises(Misconfigured) as caught:
        Settings.from_environment()
    assert str(caught.value) == (
        "WEBHOOK_ADMIN_RETENTION_DAYS: Must be 0, or at least WEBHOOK_ADMIN_DELIVERY_MAX_AGE, which is 3 days, "
        "and is 2.5."
    )
    for good in ("3", "0"):
        monkeypatch.setenv("WEBHOOK_ADMIN_RETENTION_DAYS", good)
        assert Settings.from_environment().retention_days == float(good)


def test_what_is_expected_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number's limits are named with it."""
    monkeypatch.setenv("WEBHOOK_ADMIN_PORT", "abc")
    with pytest.raises(Misconfigured) as caught:
        Settings.from_environment()
    assert str(caught.value) == "WEBHOOK_ADMIN_PORT: Must be a whole number from 1 to 65535, and is 'abc'."


def test_secrets_are_not_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that are printed by mistake show no password and no key."""
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    monkeypatch.setenv("WEBHOOK_ADMIN_DATABASE_URL", "postgresql://user:sesame@db.internal/webhooks")
    monkeypatch.setenv("WEBHOOK_ADMIN_SECRET_KEY", key)
    shown = repr(Settings.from_environment())
    assert "sesame" not in shown
    assert key not in shown


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start the service twice to learn of two mistakes."""
    monkeypatch.setenv("WEBHOOK_ADMIN_PORT", "eighty")
    monkeypatch.setenv("WEBHOOK_ADMIN_LOG_LEVEL", "loud")
    with pytest.raises(Misconfigured, match=r"WEBHOOK_ADMIN_PORT: .*WEBHOOK_ADMIN_LOG_LEVEL: "):
        Settings.from_environment()
