"""The cipher of the signing secrets, and its key."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import select

from tests.api import URL_1
from webhook_admin import accounts, encryption, webhooks
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.errors import Misconfigured
from webhook_admin.models import webhooks as table

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a service on SQLite, in an empty folder."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(tmp_path / "data"))
    return Settings.from_environment()


def test_on_sqlite_the_key_is_made_once(settings: Settings) -> None:
    """Every process of the machine reads the key that the first one has made."""
    secret = encryption.load_cipher(settings).encrypt(b"whsec_1")
    assert encryption.load_cipher(settings).decrypt(secret) == b"whsec_1"


def test_the_key_is_for_its_owner_only(settings: Settings) -> None:
    """Nobody else on the machine can read the key, and no half-written copy is left."""
    encryption.load_cipher(settings)
    assert [file.name for file in settings.data_dir.iterdir()] == ["secret.key"]
    assert (settings.data_dir / "secret.key").stat().st_mode & 0o077 == 0


def test_on_postgresql_the_key_must_be_given(settings: Settings) -> None:
    """Machines that each made a key of their own could not read each other's secrets."""
    with pytest.raises(Misconfigured, match=r"^WEBHOOK_ADMIN_SECRET_KEY: .*openssl rand"):
        encryption.load_cipher(replace(settings, database_url="postgresql://db.internal/webhooks"))
    assert not settings.data_dir.exists()


def test_a_new_key_writes_and_an_old_one_still_reads(settings: Settings) -> None:
    """The key can be changed without losing what was written before."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    secret = encryption.load_cipher(replace(settings, secret_key=(old,))).encrypt(b"whsec_1")
    both = encryption.load_cipher(replace(settings, secret_key=(new, old)))
    assert both.decrypt(secret) == b"whsec_1"
    assert Fernet(new).decrypt(both.encrypt(b"whsec_2")) == b"whsec_2"


def test_the_store_holds_no_readable_secret(database: Database, settings: Settings) -> None:
    """What is stored is not the signing secret, and only the key makes it one again."""
    cipher = encryption.load_cipher(settings)
    with database.connect() as connection:
        accounts.create(connection, "acme", NOW)
        webhook = webhooks.register(connection, cipher, "acme", NOW, URL_1)
        stored = connection.execute(select(table.c.signing_secret)).scalar_one()
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", webhook.signing_secret)
    assert webhook.signing_secret.encode() not in stored
    assert cipher.decrypt(stored).decode() == webhook.signing_secret


def test_a_key_that_does_not_fit_stops_the_start(database: Database, settings: Settings) -> None:
    """A lost key is found out at the start and not by the first failed notification."""
    cipher, other = encryption.load_cipher(settings), MultiFernet([Fernet(Fernet.generate_key())])
    encryption.require_fitting(other, database)
    with database.connect() as connection:
        accounts.create(connection, "acme", NOW)
        webhooks.register(connection, cipher, "acme", NOW, URL_1)
    encryption.require_fitting(cipher, database)
    with pytest.raises(Misconfigured, match="SECRET_KEY"):
        encryption.require_fitting(other, database)


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    """Whoever comes second takes the key of the first."""
    file = tmp_path / "secret.key"
    encryption._write_once(file, b"first")  # noqa: SLF001 (the moment between two processes' checks)
    encryption._write_once(file, b"second")  # noqa: SLF001
    assert file.read_bytes() == b"first"


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 44])
def test_a_file_that_holds_no_key_is_named(settings: Settings, content: bytes) -> None:
    """One sentence, with the path and what to do."""
    file = settings.data_dir / "secret.key"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    with pytest.raises(Misconfigured, match=f"^{re.escape(str(file))} does not hold a key"):
        encryption.load_cipher(settings)


def test_a_folder_that_cannot_be_made_is_named(settings: Settings) -> None:
    """Where the key cannot be kept, the start ends with the path and the reason."""
    with pytest.raises(Misconfigured, match=r"key file /dev/null/data/secret\.key: not"):
        encryption.load_cipher(replace(settings, data_dir=Path("/dev/null/data")))
