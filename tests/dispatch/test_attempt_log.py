"""The log line of an attempt: what a support person needs, and nothing confidential."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.dispatch.test_decide import NOW, SECRET, WEBHOOK, after, due, per_message, status
from tests.engine import event
from webhook_admin.dispatch.attempt_log import log_attempt
from webhook_admin.sender.request import Outcome, Result


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The lines that are logged. With a new logger, as one that has been used keeps the configuration of then."""
    monkeypatch.setattr("webhook_admin.dispatch.attempt_log.log", structlog.get_logger())
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_it_names_the_message_the_host_and_the_cause(log: list[Any]) -> None:
    """One line for each attempt, without the path and query of the URL, and without the secret."""
    log_attempt(after(Result(Outcome.TIMEOUT, duration_ms=15_000, detail="No answer within 15 s.")), 0)
    (line,) = log
    expected = {
        "event": "attempt",
        "log_level": "info",
        "account_id": "acme",
        "delivery_id": "dlv_1",
        "message_id": "msg_1",
        "host": "hooks.example.com",
        "number": 1,
        "outcome": "timeout",
        "detail": "No answer within 15 s.",
        "state": "PENDING",
        "next_attempt_at": "2026-05-28T20:26:45.000Z",
    }
    assert expected.items() <= line.items()
    assert SECRET not in str(line)
    assert WEBHOOK.callback_url not in str(line)


def test_the_next_attempt_waits_for_the_pause(log: list[Any]) -> None:
    """The time of the next attempt is the one at which it can really be made."""
    log_attempt(after(status(500)), NOW + 60_000)
    assert log[0]["next_attempt_at"] == "2026-05-28T20:27:40.000Z"


def test_a_delivery_that_failed_for_good_is_a_warning(log: list[Any]) -> None:
    """Nothing follows by itself, so that somebody has to look at it."""
    log_attempt(after(status(500), due(attempts=2)), 0)
    log_attempt(after(status(410), per_message(event=event(callback_url="https://a.example.com/").to_json())), 0)
    assert [(line["log_level"], line["state"], line["next_attempt_at"]) for line in log] == [
        ("warning", "FAILED", None),
        ("warning", "FAILED", None),
    ]
