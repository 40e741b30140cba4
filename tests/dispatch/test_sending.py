"""From a delivery that is due to a request, and from its result to what goes on record."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from engine import event
from standardwebhooks.webhooks import Webhook as Verifier
from test_decide import LIMITS, NOW, WEBHOOK, due

from webhook_admin.dispatch.sending import Sending, conclude, prepare, unknown
from webhook_admin.queue import clock
from webhook_admin.queue.deliveries import Next, State
from webhook_admin.sender.sender import Outcome, Result

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What is logged meanwhile. With a new logger, as one that has been used keeps the configuration of then."""
    monkeypatch.setattr("webhook_admin.dispatch.sending.log", structlog.get_logger())
    with structlog.testing.capture_logs() as lines:
        yield lines


def decrypt(encrypted: bytes) -> str:
    """The secret of the one webhook that there is."""
    assert encrypted == b"secret"
    return SECRET


def prepared(now: int = NOW, **fields: Any) -> Sending:
    """A request for the delivery."""
    sending = prepare(due(**fields), LIMITS, decrypt, now)
    assert isinstance(sending, Sending)
    return sending


def test_the_request_is_counted_before_it_is_made() -> None:
    """The attempt has the next number, and says where it goes and in which format."""
    sending = prepared(attempts=2, recorded=1)
    assert sending.begun == ("acme", "dlv_1", 3, NOW, WEBHOOK.callback_url, "standard")


def test_every_attempt_has_the_same_id_and_bytes_and_its_own_time() -> None:
    """So a receiver knows a repeated notification by its id, and an old one by its time."""
    first, second = prepared(NOW), prepared(NOW + 30_000, attempts=1, payload_format="standard")
    assert second.request.body == first.request.body
    assert second.request.headers["webhook-id"] == first.request.headers["webhook-id"] == "dlv_1"
    times = [int(sending.request.headers["webhook-timestamp"]) for sending in (first, second)]
    assert times == [NOW // 1_000, NOW // 1_000 + 30]
    assert first.request.headers["webhook-signature"] != second.request.headers["webhook-signature"]


def test_the_published_library_verifies_it() -> None:
    """Signed as Standard Webhooks says, at the present time."""
    request = prepared(clock.now(), created_at=clock.now()).request
    assert Verifier(SECRET).verify(request.body, dict(request.headers))["messageId"] == "msg_1"


def test_what_a_format_cannot_say_needs_no_request() -> None:
    """It is skipped without an attempt."""
    webhook = WEBHOOK._replace(payload_format="routee")
    next_ = prepare(due(webhook=webhook, event=event(status="READ").to_json()), LIMITS, decrypt, NOW)
    assert isinstance(next_, Next)
    assert (next_.state, next_.attempts) == (State.SKIPPED, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "not json"},
        {"event": "{}"},
        {"webhook": WEBHOOK._replace(signing_secret=b"of another key")},
        {"webhook": WEBHOOK._replace(payload_format="withdrawn")},
    ],
)
def test_a_delivery_that_cannot_be_written_stops_no_other(log: list[Any], fields: dict[str, Any]) -> None:
    """It is put off for ten minutes, uses up no attempt, and the log has the reason."""
    next_ = prepare(due(attempts=1, **fields), LIMITS, decrypt, NOW)
    assert next_ == Next("acme", "dlv_1", 1, State.PENDING, "It could not be written.", NOW + 600_000)
    assert [line["event"] for line in log] == ["not_sendable"]


def test_the_attempt_of_a_dead_dispatcher_is_unknown() -> None:
    """It has its number and the time that it was begun at; nothing else is known."""
    attempt = unknown(due(attempts=2, recorded=1, begun_at=NOW - 5))
    assert attempt == ("acme", "dlv_1", 2, NOW - 5, None, Outcome.UNKNOWN, None, None)


def test_what_came_of_it_goes_on_record() -> None:
    """The attempt as it was, and the delivery's next state."""
    sending = prepared(attempts=1, recorded=1)
    sending.started_at = NOW - 50
    ended = conclude(sending, Result(Outcome.HTTP_STATUS, 500, "oops", None, 48), LIMITS, NOW)
    assert ended.attempt == ("acme", "dlv_1", 2, NOW - 50, 48, "http_status", 500, "oops")
    assert (ended.next.state, ended.is_delivered) == (State.PENDING, False)
    assert not ended.gone


def test_the_log_says_what_came_of_it(log: list[Any]) -> None:
    """One line for each attempt, with the outcome in words, and no secret and no URL in it."""
    conclude(prepared(), Result(Outcome.TIMEOUT, duration_ms=15_000), LIMITS, NOW)
    (line,) = log
    assert {"event": "attempt", "outcome": "timeout", "number": 1, "state": "PENDING"}.items() <= line.items()
    assert SECRET not in str(line)
    assert WEBHOOK.callback_url not in str(line)


@pytest.mark.parametrize(("attempts", "level"), [(0, "info"), (len(LIMITS.schedule), "warning")])
def test_what_has_failed_for_good_is_a_warning(log: list[Any], attempts: int, level: str) -> None:
    """An attempt that is repeated is everyday business; the last one of a delivery is not."""
    conclude(prepared(attempts=attempts, recorded=attempts), Result(Outcome.HTTP_STATUS, 500), LIMITS, NOW)
    assert [line["log_level"] for line in log] == [level]
