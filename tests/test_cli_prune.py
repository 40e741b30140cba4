"""`prune`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from tests.engine import Queue, event
from tests.shells import on_terminal
from webhook_admin.cli import main
from webhook_admin.models import deliveries as table

Run = Callable[..., Result]
NOW = datetime.now(UTC)
NOTHING = {"deliveries": 0, "attempts": 0, "statistics": 0, "lanes": 0}


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Run:
    """Runs `webhook-admin prune` with these arguments on the store."""
    return lambda *arguments: CliRunner().invoke(main, ["prune", *arguments], catch_exceptions=False)


@pytest.fixture
def ended(queue: Queue) -> Queue:
    """`acme` has three deliveries that have ended, and one that is pending."""
    queue.customer()
    queue.accept(*(event(number) for number in range(4)))
    with queue.database.transaction() as transaction:
        transaction.execute(table.update().where(table.c.event_id != "evt_0").values(state="FAILED", due_at=None))
    return queue


def test_what_ended_before_a_time_is_deleted(run: Run, ended: Queue) -> None:
    """By default what `RETENTION_DAYS` lets go, which is nothing here."""
    assert json.loads(run("--json").stdout) == NOTHING
    assert json.loads(run("--before", (NOW - timedelta(hours=1)).isoformat(), "--json").stdout) == NOTHING
    now = datetime.now(UTC).isoformat()
    assert run("--before", now).stdout == "deliveries 3, attempts 0, statistics 0, lanes 0\n"
    assert ended.states() == {"PENDING": 1}


def test_progress_is_shown_on_a_terminal(ended: Queue) -> None:
    """The bar grows to 100 % on standard error; the counts go to standard output."""
    _, stdout, stderr = on_terminal("prune", "--before", datetime.now(UTC).isoformat())
    assert stdout.startswith("deliveries 3,")
    assert b"100%" in stderr


def test_nonsense_is_refused(run: Run, ended: Queue, environment: pytest.MonkeyPatch) -> None:
    """A time to come, no time at all, and a default where nothing is ever let go."""
    for arguments, sentence in (
        (["--before", (NOW + timedelta(days=1)).isoformat()], "Must be in the past: it is 20"),
        (["--before", "yesterday"], "Invalid value for '--before'"),
        (["--before", "2026-01-31"], "Invalid value for '--before'"),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert sentence in result.stderr
    environment.setenv("WEBHOOK_ADMIN_RETENTION_DAYS", "0")
    assert "say with --before what is to be deleted" in run().stderr
    assert len(ended.deliveries()) == 4
