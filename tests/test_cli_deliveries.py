"""`deliveries list` and `deliveries show`."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from engine import OWN_URL, URL, Dispatch, Queue, event
from receiver import Receiver, answer

from webhook_admin.cli import main

pytest_plugins = ["engine_fixtures"]

Run = Callable[..., Result]
ROW = [
    "id",
    "accountId",
    "messageId",
    "eventId",
    "status",
    "state",
    "stateDetail",
    "callbackUrl",
    "payloadFormat",
    "attempts",
    "createdAt",
    "nextAttemptAt",
]
ATTEMPT = ["number", "startedAt", "durationMs", "outcome", "statusCode", "response"]


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Run:
    """Runs `webhook-admin deliveries` with these arguments on the store."""
    return lambda *arguments: CliRunner().invoke(main, ["deliveries", *arguments], catch_exceptions=False)


def printed(result: Result) -> Any:
    """The JSON on standard output."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_list_of_nothing(run: Run) -> None:
    """An empty array, and a table of a header."""
    assert printed(run("list", "--json")) == []
    assert run("list").stdout.split() == ROW


def test_a_row_of_the_list(run: Run, queue: Queue) -> None:
    """The fields of the contract, as the API writes such fields."""
    queue.customer()
    queue.accept(event())
    (row,) = printed(run("list", "--json"))
    assert list(row) == ROW
    created = row["createdAt"]
    assert created.endswith("Z")
    assert row == {
        "id": queue.delivery().id,
        "accountId": "acme",
        "messageId": "msg_1",
        "eventId": "evt_1",
        "status": "SENT",
        "state": "PENDING",
        "stateDetail": None,
        "callbackUrl": URL,
        "payloadFormat": "standard",
        "attempts": 0,
        "createdAt": created,
        "nextAttemptAt": created,
    }


def test_what_was_tried_is_shown(run: Run, queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """`show` has every attempt, with the receiver's own words."""
    queue.customer(callback_url=receiver.url("/", answer(500, "außer Betrieb".encode())))
    dispatch(retry_schedule="0.05")
    queue.accept(event())
    queue.wait_for(FAILED=1)
    delivery = printed(run("show", queue.delivery().id, "--json"))
    assert list(delivery) == ROW
    assert (delivery["state"], delivery["stateDetail"]) == ("FAILED", "All 2 attempts have failed.")
    assert delivery["nextAttemptAt"] is None
    first, second = delivery["attempts"]
    assert list(first) == ATTEMPT
    assert (first["number"], first["outcome"], first["statusCode"], first["response"]) == (
        1,
        "http_status",
        500,
        "außer Betrieb",
    )
    assert second["number"] == 2
    text = run("show", queue.delivery().id).stdout
    assert "All 2 attempts have failed." in text
    assert text.count("http_status") == 2


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
    ],
)
def test_filters(run: Run, queue: Queue, arguments: list[str], events: list[str]) -> None:
    """By account, state and message, and all of them at once."""
    queue.customer("acme")
    queue.customer("globex", None)
    queue.accept(event(1), event(2), event(3, "globex", callback_url=OWN_URL))
    queue.finish(queue.deliveries(event_id="evt_2"))
    assert sorted(row["eventId"] for row in printed(run("list", "--json", *arguments))) == events


def test_a_list_of_many_pages_is_one_array(run: Run, queue: Queue) -> None:
    """Everything there is, in the order in which it came in, whatever the size of a page."""
    queue.customer()
    for batch in range(3):
        queue.accept(*(event(1000 + 400 * batch + number) for number in range(400)))
    rows = printed(run("list", "--json"))
    assert len(rows) == len({row["id"] for row in rows}) == 1200
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


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
