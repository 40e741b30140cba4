"""`webhooks test` and `webhooks rotate-secret`."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook as Verifier

from tests.engine import URL, Dispatch, Queue
from tests.receiver import Receiver, answer
from webhook_admin import signing_secrets
from webhook_admin.cli import main
from webhook_admin.models import webhooks

Run = Callable[..., Result]
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Run:
    """Runs `webhook-admin webhooks` with these arguments on the store."""
    return lambda *arguments: CliRunner().invoke(main, ["webhooks", *arguments], catch_exceptions=False)


def printed(result: Result, status: int = 0) -> Any:
    """The JSON on standard output, behind the log of a dispatcher that runs in this process."""
    assert result.exit_code == status, result.output
    return json.loads(result.stdout[result.stdout.index("{\n") :])


def secrets(queue: Queue) -> list[str]:
    """The valid secrets of `acme`."""
    with queue.database.connect() as connection:
        return signing_secrets.get(connection, queue.cipher, "acme").valid(datetime.now(UTC))


# rotate-secret


def test_a_secret_is_rotated(run: Run, queue: Queue) -> None:
    """The new one is printed once; both sign for a day."""
    old = queue.customer()
    rotated = printed(run("rotate-secret", "--account", "acme", "--json"))
    assert secrets(queue) == [rotated["signingSecret"], old]
    left = datetime.fromisoformat(rotated["previousSecretExpiresAt"]) - datetime.now(UTC)
    assert 86_390 < left.total_seconds() <= 86_400
    shown = printed(run("show", "--account", "acme", "--json"))
    assert shown["previousSecretExpiresAt"] == rotated["previousSecretExpiresAt"]
    assert "whsec_" not in run("show", "--account", "acme").stdout


def test_a_rotation_is_printed_for_people(run: Run, queue: Queue) -> None:
    """The secret and the end of the overlap; without overlap a dash."""
    queue.customer()
    lines = run("rotate-secret", "--account", "acme", "--overlap", "0").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["signingSecret", secrets(queue)[0]],
        ["previousSecretExpiresAt", "-"],
    ]


def test_another_rotation_must_be_forced(run: Run, queue: Queue) -> None:
    """While an overlap runs, the sentence names --force."""
    queue.customer()
    second = printed(run("rotate-secret", "--account", "acme", "--json"))["signingSecret"]
    refused = run("rotate-secret", "--account", "acme")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--force" in refused.stderr
    third = printed(run("rotate-secret", "--account", "acme", "--overlap", "60", "--force", "--json"))["signingSecret"]
    assert secrets(queue) == [third, second]


def test_another_encryption_key_rotates_nothing(run: Run, queue: Queue, environment: pytest.MonkeyPatch) -> None:
    """A secret that the service could not read would stop all notifications."""
    old = queue.customer()
    environment.setenv("WEBHOOK_ADMIN_SECRET_KEY", "A" * 43 + "=")
    refused = run("rotate-secret", "--account", "acme", "--overlap", "0")
    assert refused.exit_code == 1
    assert "WEBHOOK_ADMIN_SECRET_KEY" in refused.stderr
    assert secrets(queue) == [old]


# test


def test_a_test_that_arrives(run: Run, queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """It is printed with its attempt, as `deliveries show` prints it; the exit status is 0."""
    secret = queue.customer(callback_url=receiver.url("/hook"))
    dispatch()
    delivery = printed(run("test", "--account", "acme", "--json"))
    assert (delivery["state"], delivery["status"], delivery["test"]) == ("DELIVERED", "DELIVERED", True)
    assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["delivered"]
    (request,) = receiver.requests
    assert Verifier(secret).verify(request.body, dict(request.headers))["messageId"] == delivery["messageId"]
    shown = CliRunner().invoke(main, ["deliveries", "show", delivery["id"], "--json"])
    assert json.loads(shown.stdout) == delivery


def test_a_test_that_fails(run: Run, queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """What went wrong and what to do is printed; the exit status is 1."""
    queue.customer(callback_url=receiver.url("/", answer(500, b"out of order")))
    dispatch()
    done = run("test", "--account", "acme")
    assert done.exit_code == 1
    assert re.search(r"\nstate +FAILED\n", done.stdout)
    assert "\n  detail      The server answered 500 Internal Server Error.\n" in done.stdout
    assert re.search(r"\n  hint +\S", done.stdout)
    assert "\n  response    out of order" in done.stdout


def test_another_url_is_tried(run: Run, queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Without a webhook, too; with the status and the format that are asked for."""
    queue.customer(callback_url=None)
    dispatch()
    asked = ["--url", receiver.url("/new"), "--status", "sent", "--payload-format", "insider"]
    delivery = printed(run("test", "--account", "acme", *asked, "--json"))
    assert (delivery["state"], delivery["status"], delivery["payloadFormat"]) == ("DELIVERED", "SENT", "insider")
    (request,) = receiver.requests
    assert (request.path, json.loads(request.body)["event"]) == ("/new", "sent")


def test_a_status_that_cannot_be_expressed(run: Run, queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """SKIPPED is exit status 1: nothing has arrived."""
    queue.customer(callback_url=receiver.url())
    dispatch()
    asked = ["--status", "READ", "--payload-format", "routee", "--json"]
    assert printed(run("test", "--account", "acme", *asked), status=1)["state"] == "SKIPPED"


def test_no_dispatcher(run: Run, queue: Queue, environment: pytest.MonkeyPatch) -> None:
    """After the request time-out it says so, and which commands would help."""
    queue.customer()
    environment.setenv("WEBHOOK_ADMIN_REQUEST_TIMEOUT", "0.3")
    done = run("test", "--account", "acme")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: No dispatcher has taken the test within 0.3 s.")
    assert f"`webhook-admin deliveries show {queue.deliveries()[0].id}`" in done.stderr
    assert done.stderr.count("\n") == 1


# Both


@ON_SQLITE
@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["test"], 2, "--account"),
        (["test", "--account", "acme", "--url", "http://hooks.example.com/"], 2, "https://"),
        (["test", "--account", "acme", "--url", "https://10.0.0.1/"], 2, "--url"),
        (["test", "--account", "acme", "--url", "https://\udcff/"], 2, "UTF-8"),
        (["test", "--account", "acme", "--status", "LOST"], 2, "--status"),
        (["test", "--account", "acme"], 1, "The account acme has no webhook."),
        (["test", "--account", "nobody", "--url", URL], 1, "There is no account nobody."),
        (["rotate-secret"], 2, "--account"),
        (["rotate-secret", "--account", "acme", "--overlap", "604801"], 2, "--overlap"),
        (["rotate-secret", "--account", "acme"], 1, "The account acme has no webhook."),
    ],
)
def test_what_is_wrong_is_said(run: Run, queue: Queue, arguments: list[str], status: int, sentence: str) -> None:
    """On standard error, with the exit status of its kind; nothing is stored."""
    queue.customer(callback_url=None)
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert queue.deliveries() == []


@ON_SQLITE
def test_a_disabled_webhook(run: Run, queue: Queue) -> None:
    """No test is sent, and the sentence names --url."""
    queue.customer()
    with queue.database.connect() as connection:
        connection.execute(update(webhooks).values(status="DISABLED", disabled_reason="GONE"))
    done = run("test", "--account", "acme")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "--url" in done.stderr


@ON_SQLITE
def test_help_names_both(run: Run) -> None:
    """Beside the commands that load less."""
    shown = run("--help").stdout
    assert [name for name in ("list", "rotate-secret", "show", "test") if f"\n  {name} " not in shown] == []
