"""`deliveries list` and `deliveries show`."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.engine import OWN_URL, URL, Dispatch, Queue, event
from tests.receiver import Receiver, answer
from webhook_admin.cli import main

Run = Callable[..., Result]
ROW = [
    "id",
    "accountId",
    "messageId",
    "eventId",
    "channel",
    "status",
    "timestamp",
    "state",
    "stateDetail",
    "callbackUrl",
    "payloadFormat",
    "test",
    "attemptCount",
    "createdAt",
    "nextAttemptAt",
    "lastOutcome",
    "lastStatusCode",
]
ATTEMPT = ["number", "startedAt", "durationMs", "outcome", "statusCode", "detail", "hint", "response"]
HOSTILE = "\x1b]0;pwned\x07\x9b31m\u202e\u2028\u2066\x7f\x00\r"
"""What a terminal would obey: a new title, a colour, text from right to left, and lines of their own."""


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Run:
    """Runs `webhook-admin deliveries` with these arguments on the store."""
    return lambda *arguments: CliRunner().invoke(main, ["deliveries", *arguments], catch_exceptions=False)


def printed(result: Result) -> Any:
    """The JSON on standard output."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_list_of_nothing(run: Run) -> None:
    """An empty page, and a table of a header."""
    assert printed(run("list", "--json")) == {"items": [], "next": None}
    assert run("list").stdout.split()[:4] == ["createdAt", "id", "state", "status"]


def test_a_row_of_the_list(run: Run, queue: Queue) -> None:
    """The fields of the contract, as the API writes such fields."""
    queue.customer()
    queue.accept(event())
    (row,) = printed(run("list", "--json"))["items"]
    assert list(row) == ROW
    created = row["createdAt"]
    assert created.endswith("Z")
    assert row == {
        "id": queue.delivery().id,
        "accountId": "acme",
        "messageId": "msg_1",
        "eventId": "evt_1",
        "channel": "SMS",
        "status": "SENT",
        "timestamp": "2026-04-09T14:39:40.69257Z",
        "state": "PENDING",
        "stateDetail": None,
        "callbackUrl": URL,
        "payloadFormat": "standard",
        "test": False,
        "attemptCount": 0,
        "createdAt": created,
        "nextAttemptAt": created,
        "lastOutcome": None,
        "lastStatusCode": None,
    }


def test_what_was_tried_is_shown(run: Run, queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """`show` has the event and every attempt, with the receiver's own words."""
    queue.customer(callback_url=receiver.url("/", answer(500, "außer Betrieb".encode())))
    dispatch(retry_schedule="0.05")
    queue.accept(event(tags={"a": "b"}))
    queue.wait_for(FAILED=1)
    delivery = printed(run("show", queue.delivery().id, "--json"))
    assert list(delivery) == [*ROW, "event", "attempts"]
    assert delivery["event"] == {
        "id": "evt_1",
        "accountId": "acme",
        "messageId": "msg_1",
        "channel": "SMS",
        "status": "SENT",
        "timestamp": "2026-04-09T14:39:40.69257Z",
        "tags": {"a": "b"},
    }
    assert (delivery["state"], delivery["stateDetail"]) == ("FAILED", "All 2 attempts have failed.")
    assert (delivery["attemptCount"], delivery["lastOutcome"], delivery["lastStatusCode"]) == (2, "http_status", 500)
    assert delivery["nextAttemptAt"] is None
    first, second = delivery["attempts"]
    assert list(first) == ATTEMPT
    assert (first["number"], first["outcome"], first["statusCode"], first["response"]) == (
        1,
        "http_status",
        500,
        "außer Betrieb",
    )
    assert first["detail"] == "The server answered 500 Internal Server Error."
    assert first["hint"]
    assert second["number"] == 2
    text = run("show", queue.delivery().id).stdout
    assert "All 2 attempts have failed." in text
    assert text.count("\n  outcome     http_status\n") == 2
    assert text.count("\n  detail      The server answered 500 Internal Server Error.\n") == 2
    assert re.search(r"\ncreatedAt +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", text)


def test_an_answer_cannot_pose_as_anything_else(
    run: Run, queue: Queue, dispatch: Dispatch, receiver: Receiver, environment: pytest.MonkeyPatch
) -> None:
    """Its lines are marked, also where a long one is wrapped; what a terminal obeys is replaced, and exact in JSON."""
    body = f"<html>\n\n  <h1>{HOSTILE}No</h1>\noutcome     delivered\n{'x' * 57}outcome     delivered\n" + "line\n" * 50
    queue.customer(callback_url=receiver.url("/", answer(500, body.encode())))
    dispatch(retry_schedule="")
    queue.accept(event())
    queue.wait_for(FAILED=1)
    environment.setenv("COLUMNS", "72")
    lines = run("show", queue.delivery().id).stdout.splitlines()
    assert all(line.isprintable() and len(line) <= 72 for line in lines if "callbackUrl" not in line)
    assert [line for line in lines if line.startswith("  outcome ")] == ["  outcome     http_status"]
    assert "            | outcome     delivered" in lines
    start = lines.index("  response    <html>")
    assert all(line.startswith("            | ") for line in lines[start + 1 :])
    assert "more lines, which --json shows" in lines[-1]
    shown = run("show", queue.delivery().id, "--json").stdout
    assert shown.isascii()
    assert json.loads(shown)["attempts"][0]["response"] == body.replace("\0", "")


def test_a_customers_text_cannot_drive_the_terminal(run: Run, queue: Queue) -> None:
    """Every list and every object is printed without control characters; --json has them, as escapes."""
    name = f"a{HOSTILE}b".replace("\0", "")
    queue.customer()
    queue.accept(event(message_id=name, callback_url=OWN_URL))
    for arguments in (["list"], ["show", queue.delivery().id]):
        assert all(line.isprintable() for line in run(*arguments).stdout.splitlines())
    shown = run("list", "--json").stdout
    assert shown.isascii()
    assert json.loads(shown)["items"][0]["messageId"] == name


@pytest.mark.parametrize(("columns", "names"), [(80, 4), (100, 5), (140, 8), (400, 11)])
def test_a_list_fits_the_terminal(
    run: Run, queue: Queue, environment: pytest.MonkeyPatch, columns: int, names: int
) -> None:
    """Whole ids and times, cut texts, and as many columns as there is room for."""
    queue.customer()
    queue.accept(event(1), event(2, message_id="m" * 128, status="UNDELIVERED"))
    environment.setenv("COLUMNS", str(columns))
    header, newer, older = run("list").stdout.splitlines()
    assert max(map(len, (header, newer, older))) <= columns
    assert len(header.split()) == names
    assert queue.delivery(2).id in newer
    assert queue.delivery(1).id in older
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  dlv_", newer)
    assert ("…" in newer) == (80 < columns < 400)


def test_a_list_that_goes_elsewhere_is_whole(run: Run, queue: Queue, environment: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is cut: `grep` finds it."""
    queue.customer()
    environment.delenv("COLUMNS", raising=False)
    queue.accept(event(message_id="m" * 128))
    assert "m" * 128 in run("list").stdout


@pytest.mark.parametrize(
    ("arguments", "events"),
    [
        ([], ["evt_1", "evt_2", "evt_3"]),
        (["--account", "acme"], ["evt_1", "evt_2"]),
        (["--state", "DELIVERED"], ["evt_2"]),
        (["--state", "delivered"], ["evt_2"]),
        (["--message-id", "msg_3"], ["evt_3"]),
        (["--account", "acme", "--state", "PENDING"], ["evt_1"]),
        (["--account", "nobody"], []),
        (["--message-id", "%"], []),
        (["--to", "+353861234567"], []),
        (["--state", "PENDING", "--state", "delivered"], ["evt_1", "evt_2", "evt_3"]),
        (["--status", "sent"], ["evt_1", "evt_2", "evt_3"]),
        (["--status", "READ"], []),
        (["--channel", "sms"], ["evt_1", "evt_2", "evt_3"]),
        (["--channel", "RCS", "--account", "acme"], []),
        (["--since", "2026-01-01T00:00:00Z"], ["evt_1", "evt_2", "evt_3"]),
        (["--until", "2026-01-01T00:00:00+02:00"], []),
    ],
)
def test_filters(run: Run, queue: Queue, arguments: list[str], events: list[str]) -> None:
    """By account, state and message, and all of them at once."""
    queue.customer("acme")
    queue.customer("globex", None)
    queue.accept(event(1), event(2), event(3, "globex", callback_url=OWN_URL))
    queue.finish(queue.deliveries(event_id="evt_2"))
    assert sorted(row["eventId"] for row in printed(run("list", "--json", *arguments))["items"]) == events


def test_the_newest_come_first(run: Run, queue: Queue) -> None:
    """50 of them, and with --all every one, whatever the size of a page."""
    queue.customer()
    for batch in range(3):
        queue.accept(*(event(1000 + 400 * batch + number) for number in range(400)))
    newest = sorted((row.id for row in queue.deliveries()), reverse=True)
    page = printed(run("list", "--json"))
    assert ([row["id"] for row in page["items"]], page["next"]) == (newest[:50], newest[49])
    everything = printed(run("list", "--all", "--json"))
    assert ([row["id"] for row in everything["items"]], everything["next"]) == (newest, None)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["show", "dlv_" + "0" * 32], 1, "Error: "),
        (["show", "dlv_\0"], 1, "Error: "),
        (["show"], 2, "Usage: "),
        (["list", "--state", "LOST"], 2, "Usage: "),
        (["list", "--account", ""], 2, "Usage: "),
    ],
)
def test_what_is_wrong_is_said(run: Run, arguments: list[str], status: int, sentence: str) -> None:
    """On standard error, in words, with the exit status of its kind."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
