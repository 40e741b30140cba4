"""What is done about a delivery before an attempt and after it (contract, section 2)."""

from typing import Any

import pytest
from engine import URL, event
from hypothesis import given
from hypothesis import strategies as st

from webhook_admin.dispatch.decide import Limits, Target, after, before, is_gone, skip
from webhook_admin.dispatch.retry import HOUR, SECOND
from webhook_admin.queue.deliveries import Due, Next, State, Webhook
from webhook_admin.sender.sender import Outcome, Result

NOW = 1_780_000_000_000
LIMITS = Limits([5 * SECOND, 30 * SECOND], max_age=HOUR)
WEBHOOK = Webhook("wh_1", 3, "ACTIVE", URL, "standard", b"secret")
OWN_URL = "https://elsewhere.example.com/order-1"
RETRY_AT = NOW + 5 * SECOND


def due(**fields: Any) -> Due:
    """A new delivery of the webhook; `fields` say otherwise."""
    return Due(
        **{
            "account_id": "acme",
            "id": "dlv_1",
            "destination": "",
            "event": event().to_json(),
            "webhook_id": "wh_1",
            "payload_format": None,
            "attempts": 0,
            "recorded": 0,
            "begun_at": None,
            "created_at": NOW,
            "has_account": True,
            "webhook": WEBHOOK,
        }
        | fields
    )


def per_message(**fields: Any) -> Due:
    """A delivery to a callback URL of the message's own."""
    return due(webhook_id=None, destination="https://elsewhere.example.com", **fields)


def plan(due: Due, now: int = NOW, **fields: Any) -> Target | Next:
    """What to do about the delivery of an event with these fields."""
    return before(due, event(**fields), LIMITS, now)


def middle() -> float:
    """Stands for chance."""
    return 0.5


def follow(result: Result, due_: Due | None = None) -> Next:
    """What follows from the result."""
    return after(due_ or due(), result, LIMITS, NOW, middle)


def status(code: int, retry_after: str | None = None) -> Result:
    """An answer that is no success."""
    return Result(Outcome.HTTP_STATUS, code, "", retry_after)


def test_it_goes_to_the_webhook_as_it_is_now() -> None:
    """URL, format and secret are those of this moment, and not those of the event's arrival."""
    changed = WEBHOOK._replace(callback_url="https://new.example.com/", payload_format="routee", signing_secret=b"new")
    assert plan(due(webhook=changed)) == Target("https://new.example.com/", "routee", b"new")


def test_later_attempts_keep_the_format_of_the_first() -> None:
    """The bytes of the body are the same on every attempt, whatever PUT has changed since."""
    changed = WEBHOOK._replace(payload_format="routee")
    assert plan(due(webhook=changed, payload_format="insider", attempts=1, recorded=1)) == Target(
        URL, "insider", b"secret"
    )


@pytest.mark.parametrize(
    ("own", "webhook", "expected"),
    [
        (None, None, Target(OWN_URL, "standard", None)),
        ("insider", None, Target(OWN_URL, "insider", None)),
        (None, WEBHOOK._replace(payload_format="routee"), Target(OWN_URL, "routee", b"secret")),
        ("insider", WEBHOOK._replace(payload_format="routee"), Target(OWN_URL, "insider", b"secret")),
        (None, WEBHOOK._replace(status="DISABLED"), Target(OWN_URL, "standard", b"secret")),
    ],
)
def test_a_messages_own_url(own: str | None, webhook: Webhook | None, expected: Target) -> None:
    """It needs no webhook; where there is one, its secret signs, and its format is the default."""
    assert plan(per_message(webhook=webhook), callback_url=OWN_URL, payload_format=own) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook": None},
        {"webhook": WEBHOOK._replace(id="wh_2")},
        {"webhook": WEBHOOK._replace(status="DISABLED")},
        {"has_account": False},
        {"has_account": False, "webhook": None, "webhook_id": None},
    ],
)
def test_what_has_nowhere_to_go_is_cancelled(changes: dict[str, Any]) -> None:
    """Its webhook is gone, is another one, or is disabled; or its account is gone. It says which."""
    next_ = plan(due(**changes))
    assert isinstance(next_, Next)
    assert (next_.state, next_.due_at) == (State.CANCELLED, None)
    assert next_.state_detail


def test_an_attempt_that_nobody_knows_about_counts() -> None:
    """A delivery whose last attempt its dispatcher died over gets no further one."""
    assert isinstance(plan(due(attempts=2)), Target)
    next_ = plan(due(attempts=3))
    assert isinstance(next_, Next)
    assert (next_.state, next_.state_detail) == (State.FAILED, "All 3 attempts have failed.")


def test_too_old_is_failed() -> None:
    """At the greatest age, and not before, no further attempt is made."""
    assert isinstance(plan(due(), NOW + HOUR - 1), Target)
    next_ = plan(due(), NOW + HOUR)
    assert isinstance(next_, Next)
    assert (next_.state, next_.state_detail) == (State.FAILED, "It was not delivered within 3600 seconds.")


def test_delivered_is_the_end() -> None:
    """Nothing follows a success."""
    assert follow(Result(Outcome.DELIVERED, 200)) == Next("acme", "dlv_1", 1, State.DELIVERED, None, None)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.DELIVERED])
def test_any_failure_is_followed_by_the_next_attempt(outcome: Outcome) -> None:
    """By the schedule, whatever the failure was."""
    assert follow(Result(outcome)) == Next("acme", "dlv_1", 1, State.PENDING, None, RETRY_AT)
    assert follow(Result(outcome), due(attempts=1)).due_at == NOW + 30 * SECOND


def test_the_last_failure_is_the_end() -> None:
    """A schedule of two waits has three attempts."""
    assert follow(status(500), due(attempts=2)) == Next(
        "acme", "dlv_1", 3, State.FAILED, "All 3 attempts have failed.", None
    )


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_delays_further(code: int) -> None:
    """The receiver may ask for a longer wait, not for a shorter one."""
    assert follow(status(code, "120")).due_at == NOW + 120 * SECOND
    assert follow(status(code, "1")).due_at == RETRY_AT
    assert follow(status(code, "soon")).due_at == RETRY_AT


@pytest.mark.parametrize("code", [301, 404, 500])
def test_retry_after_counts_only_where_it_has_a_meaning(code: int) -> None:
    """Beside other statuses than 429 and 503 it changes nothing."""
    assert follow(status(code, "120")).due_at == RETRY_AT


def test_retry_after_is_no_way_around_the_greatest_age() -> None:
    """The delivery is looked at again when it gets too old, and ends then."""
    assert follow(status(503, "7200")).due_at == NOW + HOUR


def test_gone_disables_the_webhook() -> None:
    """410 for a webhook's delivery: it is looked at again at once, to be cancelled with all that waits."""
    assert follow(status(410)) == Next("acme", "dlv_1", 1, State.PENDING, None, NOW)
    assert is_gone(due(), status(410))
    assert not is_gone(due(), status(404))


def test_gone_for_one_message_is_its_failure() -> None:
    """410 for a message's own URL ends that delivery, and disables nothing."""
    assert follow(status(410), per_message()).state is State.FAILED
    assert not is_gone(per_message(), status(410))


def test_what_a_format_cannot_say_is_skipped() -> None:
    """It is the end of the delivery, counts no attempt, and names status and format."""
    next_ = skip(due(), event(status="READ"), "routee")
    assert (next_.state, next_.attempts, next_.due_at) == (State.SKIPPED, 0, None)
    assert "READ" in str(next_.state_detail)


@given(
    schedule=st.lists(st.integers(0, 12 * HOUR), max_size=9),
    attempts=st.integers(0, 9),
    age=st.integers(0, 80 * HOUR),
    code=st.sampled_from([None, 200, 301, 404, 410, 429, 500, 503]),
    retry_after=st.one_of(st.none(), st.integers(0, 10**9).map(str), st.text(max_size=20)),
    chance=st.floats(0, 1),
)
def test_a_delivery_always_ends_or_has_a_time(
    schedule: list[int], attempts: int, age: int, code: int | None, retry_after: str | None, chance: float
) -> None:
    """After any result it is final, without a time, or pending, with one: never beyond its greatest age."""
    limits = Limits(schedule, 72 * HOUR)
    outcome = Outcome.DELIVERED if code == 200 else Outcome.HTTP_STATUS if code else Outcome.TIMEOUT
    old = due(attempts=attempts, created_at=NOW - age)
    next_ = after(old, Result(outcome, code, None, retry_after), limits, NOW, lambda: chance)
    assert (next_.due_at is not None) == (next_.state is State.PENDING)
    assert next_.attempts == attempts + 1
    assert next_.due_at is None or next_.due_at <= max(NOW, old.created_at + limits.max_age)
