"""What goes wrong on an operator's machine is a sentence with exit status 1, and never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

WEBHOOK_ADMIN = f"{sys.executable} -m webhook_admin"


def shell(script: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell, in which `webhook-admin` is the command."""
    line = script.replace("webhook-admin", WEBHOOK_ADMIN)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("WEBHOOK_ADMIN_DATA_DIR=/dev/null/data webhook-admin up", "/dev/null/data/webhook-admin.db: not a directory."),
        ("WEBHOOK_ADMIN_DATA_DIR=/proc/data webhook-admin db upgrade", "Cannot make the SQLite file /proc/data/"),
        ("WEBHOOK_ADMIN_DATA_DIR=/nowhere webhook-admin serve", "There is no SQLite file /nowhere/webhook-admin.db."),
        (
            "WEBHOOK_ADMIN_DATA_DIR=/nowhere webhook-admin dispatch",
            "There is no SQLite file /nowhere/webhook-admin.db.",
        ),
        ("WEBHOOK_ADMIN_PORT=abc webhook-admin serve", "WEBHOOK_ADMIN_PORT: Must be a whole number from 1 to 65535"),
        ("WEBHOOK_ADMIN_DATABASE_URL=nonsense webhook-admin keys list", "WEBHOOK_ADMIN_DATABASE_URL: Must be"),
        (
            "WEBHOOK_ADMIN_DATABASE_URL=postgresql://u:sesame@127.0.0.1:1/w webhook-admin up",
            "PostgreSQL at 127.0.0.1:1",
        ),
        ("webhook-admin accounts list > /dev/full", "No space left on device."),
        ("webhook-admin serve --host 198.51.100.1", "Cannot listen on 198.51.100.1, port 8080"),
    ],
)
def test_trouble_is_one_sentence(sqlite_url: URL, monkeypatch: pytest.MonkeyPatch, script: str, sentence: str) -> None:
    """It names what is wrong: the file and the reason, the setting and what is expected, the host and the port."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(Path(str(sqlite_url.database)).parent))
    done = shell(script)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    assert "sesame" not in done.stderr


def test_a_reader_may_leave(sqlite_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """`accounts list | true` ends without a word."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(Path(str(sqlite_url.database)).parent))
    assert shell("webhook-admin accounts list | true").stderr == ""


def test_a_terminal_without_a_character(sqlite_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be shown there is escaped."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(Path(str(sqlite_url.database)).parent))
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = shell("webhook-admin accounts create acme --name 'A 中'")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"A \u4e2d" in done.stdout


def test_an_argument_that_is_no_text(sqlite_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are not UTF-8 are bad usage, and reach no store."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(Path(str(sqlite_url.database)).parent))
    done = shell(r"webhook-admin deliveries list --message-id $'\xff'")
    assert done.returncode == 2
    assert "Must be encoded in UTF-8." in done.stderr
