"""The store goes away under load and comes back: every event is delivered, without a restart (contract, section 1).

The long versions, with the figures: `python -m tests.soak.restarts`, `python -m tests.soak.store_trouble`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak import namespace, restarts, store_trouble, stores
from tests.soak.report import broken

CHECKOUT = Path(__file__).parents[2]


def test_sqlite_locked_by_another_process(tmp_path: Path) -> None:
    """While somebody else has the file, nothing is acknowledged and nothing sent; afterwards everything is."""
    assert broken(store_trouble.run_locked(tmp_path, [1.2])) == []


def test_sqlite_without_room() -> None:
    """On a full disk no event gets a 202 and no request leaves; with room again, all goes on."""
    if not namespace.is_possible():
        pytest.skip("a small disk needs the right to make a mount namespace")
    command = [sys.executable, "-m", "tests.soak.store_trouble", "--seconds", "0", "--full", "1.2"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_postgresql_crashed_and_started_again(tmp_path: Path) -> None:
    """The API says 503 meanwhile, and the dispatchers carry on within 5 s of the server being back."""
    with stores.own_postgresql() as server:
        assert broken(restarts.run(server, tmp_path, [1])) == []
