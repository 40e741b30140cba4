"""`deliveries resend`."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from tests.engine import Queue, event
from tests.shells import on_terminal
from webhook_admin.cli import main
from webhook_admin.models import deliveries as table
from webhook_admin.queue import resend

Run = Callable[..., Result]


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Run:
    """Runs `webhook-admin deliveries resend` with these arguments on the store."""
    return lambda *arguments: CliRunner().invoke(main, ["deliveries", "resend", *arguments], catch_exceptions=False)


@pytest.fixture
def failed(queue: Queue) -> Queue:
    """`acme` has five deliveries, all of which have failed."""
    queue.customer()
    queue.accept(*(event(number, status="READ" if number == 3 else "SENT") for number in range(5)))
    with queue.database.transaction() as transaction:
        transaction.execute(table.update().values(state="FAILED", due_at=None, attempts=2, recorded=2))
    return queue


def test_one(run: Run, failed: Queue) -> None:
    """By its id alone; it is printed as it is then."""
    done = run(failed.delivery(1).id, "--json")
    assert json.loads(done.stdout)["state"] == "PENDING"
    assert failed.states() == {"FAILED": 4, "PENDING": 1}
    assert "nextAttemptAt" in run(failed.delivery(1).id).stdout


def test_all_that_fit(run: Run, failed: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls it takes; a dry run only counts."""
    monkeypatch.setattr(resend, "MAX_RESENT", 2)
    assert run("--account", "acme", "--dry-run").stdout == "matched 5, resent 0\n"
    assert run("--account", "acme", "--status", "read", "--json").stdout == (
        '{\n  "matched": 1,\n  "resent": 1,\n  "more": false\n}\n'
    )
    assert run("--account", "acme", "--state", "failed", "--channel", "SMS").stdout == "matched 4, resent 4\n"
    assert failed.states() == {"PENDING": 5}
    assert run("--account", "acme").stdout == "matched 0, resent 0\n"


def test_progress_is_shown_on_a_terminal(failed: Queue) -> None:
    """The bar grows to 100 % on standard error; the counts go to standard output."""
    _, stdout, stderr = on_terminal("deliveries", "resend", "--account", "acme")
    assert stdout == "matched 5, resent 5\n"
    assert b"100%" in stderr


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 2, "Give either the ID of a delivery or --account"),
        (["dlv_1", "--account", "acme"], 2, "Give either the ID of a delivery or --account"),
        (["dlv_1", "--status", "READ"], 2, "Give either the ID of a delivery or --account"),
        (["dlv_1", "--dry-run"], 2, "Give either the ID of a delivery or --account"),
        (["dlv_1"], 1, "There is no delivery dlv_1."),
        (["--account", "nobody"], 1, "There is no account nobody."),
    ],
)
def test_what_is_wrong_is_said(run: Run, queue: Queue, arguments: list[str], status: int, sentence: str) -> None:
    """On standard error, in words, with the exit status of its kind."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert sentence in result.stderr


def test_nothing_to_send_to_is_said(run: Run, failed: Queue) -> None:
    """Without a webhook, with an attempt in flight, and of an account that was deleted."""
    id_ = failed.delivery(1).id
    with failed.database.transaction() as transaction:
        transaction.execute(table.update().where(table.c.id == id_).values(attempts=3))
    assert f"`webhook-admin deliveries show {id_}`" in run(id_).stderr
    failed.delete_webhook()
    assert "the account has no webhook" in run(id_).stderr
    assert "the account has no webhook" in run("--account", "acme").stderr
    failed.delete_account()
    assert "the account acme of this delivery has been deleted" in run(id_).stderr
