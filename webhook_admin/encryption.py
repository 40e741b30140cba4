"""The cipher that keeps signing secrets unreadable in the store and in its backups."""

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import select

from webhook_admin.config import MAKE_KEY, PREFIX, Settings
from webhook_admin.db import Database
from webhook_admin.errors import Misconfigured
from webhook_admin.models import webhooks


def load_cipher(settings: Settings) -> MultiFernet:
    """The cipher of `SECRET_KEY`; the first key encrypts, all of them decrypt.

    On SQLite, without the setting, it is the key in the data folder's `secret.key`, which is made if it is not there.
    Raises `Misconfigured` for a file that is no key or cannot be read or made, and on PostgreSQL without the setting:
    each machine would make a key of its own.
    """
    keys = settings.secret_key
    if not keys and not settings.database_url.startswith("sqlite:"):
        raise Misconfigured(
            f"{PREFIX}SECRET_KEY: Must be set, alike on every machine, when the store is PostgreSQL. "
            f"`{MAKE_KEY}` makes one."
        )
    return MultiFernet([Fernet(key) for key in keys] or [_key_in(settings.data_dir / "secret.key")])


def require_fitting(cipher: MultiFernet, database: Database) -> None:
    """Raise `Misconfigured` if the cipher cannot decrypt the secrets in the store: better now than at a delivery."""
    with database.connect() as connection:
        secret = connection.scalar(select(webhooks.c.signing_secret).limit(1))
    try:
        if secret:
            cipher.decrypt(secret)
    except InvalidToken:
        raise Misconfigured(
            f"{PREFIX}SECRET_KEY (or secret.key in the data folder) is not the key that the signing secrets in the "
            "store were encrypted with: bring the old key back, behind a comma if there is a new one."
        ) from None


def _key_in(file: Path) -> Fernet:
    try:
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_once(file, Fernet.generate_key())
        return Fernet(file.read_bytes())
    except OSError as error:
        raise Misconfigured(f"Cannot read or make the key file {file}: {str(error.strerror).lower()}.") from None
    except ValueError:
        raise Misconfigured(
            f"{file} does not hold a key, which is 32 bytes in URL-safe base64. Bring it back from a backup: "
            "without it, the signing secrets in the store cannot be read."
        ) from None


def _write_once(file: Path, content: bytes) -> None:
    """Make the file, complete and with mode 0600, unless another process has just done so."""
    handle, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "wb") as new:
        new.write(content)
        new.flush()
        os.fsync(new.fileno())
    try:
        os.link(name, file)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
