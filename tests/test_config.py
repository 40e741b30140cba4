"""Settings: where they come from, and what is said about bad ones."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from webhook_admin.config import Settings
from webhook_admin.errors import Misconfigured


def test_without_any_variable_the_service_runs_on_sqlite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing has to be set: the store is a file in a folder of the current one."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment()
    assert settings.database_url.drivername == "sqlite"
    assert settings.database_url.database == str(tmp_path / "webhook-admin-data" / "webhook-admin.db")
    assert (settings.host, settings.port, settings.log_format) == ("127.0.0.1", 8080, "text")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_one_variable_makes_it_postgresql(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """All usual spellings of PostgreSQL's scheme mean the driver that the service has."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATABASE_URL", f"{scheme}://user:secret@db.internal/webhooks")
    assert Settings.from_environment().database_url.drivername == "postgresql+psycopg"


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
        ("HOST", ""),
        ("RATE_LIMIT", "-1"),
        ("RATE_LIMIT", "some"),
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
        ("DELIVERY_MAX_AGE", "0"),
        ("CONNECT_TIMEOUT", "-1"),
        ("CONNECT_TIMEOUT", "inf"),
        ("REQUEST_TIMEOUT", "nan"),
        ("REQUEST_TIMEOUT", "never"),
        ("LANE_CONCURRENCY", "0"),
        ("MAX_IN_FLIGHT", "1"),
        ("LEASE_SECONDS", "0.5"),
        ("DATABASE_URL", "mysql://user:sesame@host/db"),
        ("DATABASE_URL", "no url"),
        ("DATABASE_URL", "postgresql://user:sesame@host:port/db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
    ],
)
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The sentence begins with the setting, and does not repeat what may be a password."""
    monkeypatch.setenv(f"WEBHOOK_ADMIN_{name}", value)
    with pytest.raises(Misconfigured, match=f"^WEBHOOK_ADMIN_{name}: [A-Z]") as caught:
        Settings.from_environment()
    assert "sesame" not in str(caught.value)


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start the service twice to learn of two mistakes."""
    monkeypatch.setenv("WEBHOOK_ADMIN_PORT", "eighty")
    monkeypatch.setenv("WEBHOOK_ADMIN_LOG_LEVEL", "loud")
    with pytest.raises(Misconfigured, match=r"WEBHOOK_ADMIN_PORT: .*WEBHOOK_ADMIN_LOG_LEVEL: "):
        Settings.from_environment()
