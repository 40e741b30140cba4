"""What is done about a delivery before an attempt and after it (contract, section 2)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from standardwebhooks.webhooks import Webhook as Verifier

from tests.engine import URL, event
from webhook_admin.dispatch import decide
from webhook_admin.dispatch.retry import HOUR, MINUTE, SECOND, Policy
from webhook_admin.dispatch.sending import Ended, Sending
from webhook_admin.queue import clock
from webhook_admin.queue.attempts import Attempt, Begun
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due, WebhookNow
from webhook_admin.sender.request import Outcome, Result

NOW = 1_780_000_000_000
POLICY = Policy([5 * SECOND, 30 * SECOND], max_age=HOUR)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK = WebhookNow(
    id="wh_1",
    revision=3,
    status="ACTIVE",
    disabled_reason=None,
    callback_url=URL,
    payload_format="standard",
    ordering="none",
    superseded="send",
    signing_secrets=(b"secret",),
)
OWN_URL = "https://elsewhere.example.com/order-1"
RETRY_AT = NOW + 5 * SECOND


def due(**fields: Any) -> Due:
    """A new delivery of the webhook; `fields` say otherwise."""
    return Due(
        **{
            "account_id": "acme",
            "id": "dlv_1",
            "destination": "",
            "message_id": "msg_1",
            "channel": "SMS",
            "due_at": NOW,
            "event": event().to_json(),
            "webhook_id": "wh_1",
            "payload_format": None,
            "body": None,
            "state_detail": None,
            "attempts": 0,
            "recorded": 0,
            "begun_at": None,
            "created_at": NOW,
            "test": False,
            "has_account": True,
            "webhook": WEBHOOK,
            **fields,
        }
    )


def per_message(**fields: Any) -> Due:
    """A delivery to a callback URL of the message's own."""
    return due(webhook_id=None, destination="https://elsewhere.example.com", **fields)


def decrypt(encrypted: bytes) -> str:
    """The secret of the one webhook that there is."""
    assert encrypted == b"secret"
    return SECRET


def before(due_: Due | None = None, now: int = NOW) -> Sending | Transition:
    """The decision before the delivery's next attempt."""
    return decide.before_attempt(due_ or due(), (), POLICY, decrypt, now)


def sending(due_: Due | None = None, now: int = NOW) -> Sending:
    """The delivery's next attempt."""
    found = before(due_, now)
    assert isinstance(found, Sending)
    return found


def final(due_: Due, now: int = NOW) -> Transition:
    """The end of the delivery, without an attempt."""
    found = before(due_, now)
    assert isinstance(found, Transition)
    assert found.due_at is None
    return found


def middle() -> float:
    """Stands for chance."""
    return 0.5


def after(result: Result, due_: Due | None = None) -> Ended:
    """The decision after the delivery's next attempt."""
    return decide.after_attempt(sending(due_), result, NOW - 50, POLICY, NOW, middle)


def follow(result: Result, due_: Due | None = None) -> Transition:
    """The next state after the result."""
    return after(result, due_).transition


def status(code: int, retry_after: str | None = None) -> Result:
    """An answer that is no success."""
    return Result(Outcome.HTTP_STATUS, code, "", retry_after)


def test_it_goes_to_the_webhook_as_it_is_now() -> None:
    """URL, format and secret are those of this moment, and not those of the event's arrival."""
    changed = replace(WEBHOOK, callback_url="https://new.example.com/", payload_format="insider")
    begun = sending(due(webhook=changed)).begun
    assert (begun.callback_url, begun.payload_format) == ("https://new.example.com/", "insider")


def test_the_request_is_counted_before_it_is_made() -> None:
    """The attempt has the next number, its time, and says where it goes and in which format."""
    assert sending(due(attempts=2, recorded=1)).begun == Begun(
        account_id="acme", id="dlv_1", attempts=3, begun_at=NOW, callback_url=URL, payload_format="standard"
    )


def test_later_attempts_send_the_bytes_of_the_first() -> None:
    """The body that was kept is sent, whatever PUT or a new release has changed since."""
    changed = replace(WEBHOOK, payload_format="routee")
    again = sending(due(webhook=changed, payload_format="insider", body='{"kept":1}', attempts=1, recorded=1))
    assert (again.request.body, again.begun.payload_format) == (b'{"kept":1}', "insider")
    assert again.request.success == sending(due(payload_format="insider")).request.success


def test_a_failure_keeps_the_body_once() -> None:
    """The first attempt that fails stores the bytes; later ones have them already."""
    assert follow(status(500)).body == sending().request.body.decode()
    assert follow(status(500), due(body="{}", payload_format="standard", attempts=1, recorded=1)).body is None
    assert follow(Result(Outcome.DELIVERED, 200)).body is None


def test_every_attempt_has_the_same_id_and_its_own_time() -> None:
    """So a receiver knows a repeated notification by its id, and an old one by its time."""
    first, second = sending(), sending(due(attempts=1), NOW + 30_000)
    assert first.request.headers["webhook-id"] == second.request.headers["webhook-id"] == "dlv_1"
    times = [int(each.request.headers["webhook-timestamp"]) for each in (first, second)]
    assert times == [NOW // 1_000, NOW // 1_000 + 30]
    assert first.request.headers["webhook-signature"] != second.request.headers["webhook-signature"]


def test_the_published_library_verifies_it() -> None:
    """Signed as Standard Webhooks says, at the present time."""
    request = sending(due(created_at=clock.now()), clock.now()).request
    assert Verifier(SECRET).verify(request.body, dict(request.headers))["messageId"] == "msg_1"


@pytest.mark.parametrize(
    ("own", "webhook", "payload_format", "is_signed"),
    [
        (None, None, "standard", False),
        ("insider", None, "insider", False),
        (None, replace(WEBHOOK, payload_format="routee"), "routee", True),
        ("insider", replace(WEBHOOK, payload_format="routee"), "insider", True),
        (None, replace(WEBHOOK, status="DISABLED"), "standard", True),
    ],
)
def test_a_messages_own_url(own: str | None, webhook: WebhookNow | None, payload_format: str, is_signed: bool) -> None:
    """It needs no webhook; where there is one, its secret signs, and its format is the default."""
    stored = event(callback_url=OWN_URL, payload_format=own).to_json()
    found = sending(per_message(webhook=webhook, event=stored))
    assert (found.begun.callback_url, found.begun.payload_format) == (OWN_URL, payload_format)
    assert ("webhook-signature" in found.request.headers) is is_signed


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook": None},
        {"webhook": replace(WEBHOOK, id="wh_2")},
        {"webhook": replace(WEBHOOK, status="DISABLED")},
        {"has_account": False},
        {"has_account": False, "webhook": None, "webhook_id": None},
    ],
)
def test_a_delivery_without_destination_is_cancelled(changes: dict[str, Any]) -> None:
    """Its webhook is gone, is another one, or is disabled; or its account is gone. It says which."""
    transition = final(due(**changes))
    assert transition.state is State.CANCELLED
    assert transition.state_detail


def test_an_attempt_without_outcome_counts() -> None:
    """A delivery whose last attempt was cut off by the death of its dispatcher gets no further one."""
    assert sending(due(attempts=2))
    transition = final(due(attempts=3))
    assert (transition.state, transition.state_detail) == (State.FAILED, "All 3 attempts have failed.")


def test_a_resent_delivery_has_the_whole_schedule_and_age_before_it() -> None:
    """Attempts are counted on, and those before the resend use up nothing; nor does its age until then."""
    resent = due(attempts=3, recorded=3, attempts_before=3, created_at=NOW - 2 * HOUR, resent_at=NOW)
    assert sending(resent).begun.attempts == 4
    assert follow(status(500), resent).due_at == NOW + 5 * SECOND
    assert follow(status(500), replace(resent, attempts=4, recorded=4)).due_at == NOW + 30 * SECOND
    assert follow(status(500), replace(resent, attempts=5, recorded=5)).state is State.FAILED
    assert final(replace(resent, attempts=6, recorded=6)).state_detail == "All 6 attempts have failed."
    assert sending(resent, NOW + HOUR - 1)
    assert final(resent, NOW + HOUR).state is State.FAILED


def test_what_is_decided_names_the_resend_that_it_knows_of() -> None:
    """So a delivery that is resent meanwhile keeps what the resend has made of it."""
    resent = due(attempts=3, recorded=3, attempts_before=3, resent_at=NOW - 1)
    decided: list[Begun | Transition] = [
        sending(resent).begun,
        final(replace(resent, webhook=None)),
        follow(status(500), resent),
        follow(Result(Outcome.DELIVERED, 200), resent),
        decide.put_off(resent, POLICY, NOW),
        decide.after_mistake(sending(resent), status(500), NOW, POLICY, NOW).transition,
    ]
    assert {each.resent_at for each in decided} == {NOW - 1}


def test_too_old_is_failed() -> None:
    """At the greatest age, and not before, no further attempt is made."""
    assert sending(due(), NOW + HOUR - 1)
    transition = final(due(), NOW + HOUR)
    assert (transition.state, transition.state_detail) == (
        State.FAILED,
        "It was not delivered within 3600 seconds.",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "not json"},
        {"event": "{}"},
        {"webhook": replace(WEBHOOK, signing_secrets=(b"of another key",))},
        {"webhook": replace(WEBHOOK, payload_format="withdrawn")},
    ],
)
def test_a_damaged_delivery_ends_by_its_age(fields: dict[str, Any]) -> None:
    """The age is judged before anything that could go wrong with the rest of the row."""
    with pytest.raises((ValueError, KeyError, AssertionError)):
        before(due(**fields))
    assert final(due(**fields), NOW + HOUR).state is State.FAILED


def test_a_delivery_is_put_off_until_its_age_ends_it() -> None:
    """After a mistake of ours it waits ten minutes, says so, uses up no attempt, and never waits beyond its age."""
    transition = decide.put_off(due(attempts=1), POLICY, NOW)
    assert (transition.state, transition.attempts, transition.due_at) == (State.PENDING, 1, NOW + 10 * MINUTE)
    assert transition.state_detail == decide.PUT_OFF
    assert decide.put_off(due(), POLICY, NOW + 55 * MINUTE).due_at == NOW + HOUR


def test_an_attempt_that_cannot_be_judged_is_on_record() -> None:
    """What is known of it is kept: a success stays one, anything else is tried again later."""
    failed = decide.after_mistake(sending(), status(500), NOW, POLICY, NOW)
    assert (failed.attempt.number, failed.attempt.status_code) == (1, 500)
    assert (failed.transition.state, failed.transition.due_at) == (State.PENDING, NOW + 10 * MINUTE)
    delivered = decide.after_mistake(sending(), Result(Outcome.DELIVERED, 200), NOW, POLICY, NOW)
    assert delivered.transition.state is State.DELIVERED


def test_delivered_is_the_end() -> None:
    """Nothing follows a success."""
    assert follow(Result(Outcome.DELIVERED, 200)) == Transition(
        account_id="acme", id="dlv_1", attempts=1, state=State.DELIVERED
    )


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.DELIVERED])
def test_any_failure_is_followed_by_the_next_attempt(outcome: Outcome) -> None:
    """By the schedule, whatever the failure was."""
    transition = follow(Result(outcome))
    assert (transition.state, transition.attempts, transition.due_at) == (State.PENDING, 1, RETRY_AT)
    assert follow(Result(outcome), due(attempts=1)).due_at == NOW + 30 * SECOND


def test_the_last_failure_is_the_end() -> None:
    """A schedule of two waits has three attempts."""
    transition = follow(status(500), due(attempts=2))
    assert (transition.state, transition.attempts, transition.due_at) == (State.FAILED, 3, None)
    assert transition.state_detail == "All 3 attempts have failed."


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
    ended = after(status(410))
    assert ended.is_gone
    assert (ended.transition.state, ended.transition.due_at) == (State.PENDING, NOW)
    assert not after(status(404)).is_gone


def test_gone_for_one_message_is_its_failure() -> None:
    """410 for a message's own URL ends that delivery, and disables nothing."""
    ended = after(status(410), per_message(event=event(callback_url=OWN_URL).to_json()))
    assert ended.transition.state is State.FAILED
    assert not ended.is_gone


def test_a_status_that_a_format_cannot_express_is_skipped() -> None:
    """It is the end of the delivery, counts no attempt, and names the status."""
    routee = replace(WEBHOOK, payload_format="routee")
    transition = final(due(webhook=routee, event=event(status="READ").to_json()))
    assert (transition.state, transition.attempts) == (State.SKIPPED, 0)
    assert "READ" in str(transition.state_detail)


def test_an_attempt_goes_on_record() -> None:
    """With its number, its times, the answer, and why it failed."""
    result = Result(Outcome.HTTP_STATUS, 500, "oops", None, 48, "The server answered 500.", "Look at its log.")
    assert after(result, due(attempts=1, recorded=1)).attempt == Attempt(
        account_id="acme",
        delivery_id="dlv_1",
        number=2,
        started_at=NOW - 50,
        duration_ms=48,
        outcome="http_status",
        status_code=500,
        response="oops",
        detail="The server answered 500.",
        hint="Look at its log.",
    )


def test_the_attempt_of_a_dead_dispatcher_is_unknown() -> None:
    """It has its number and the time that it was begun at; nothing else is known, and it says so."""
    attempt = decide.unknown_attempt(due(attempts=2, recorded=1, begun_at=NOW - 5))
    assert (attempt.number, attempt.started_at, attempt.duration_ms) == (2, NOW - 5, None)
    assert attempt.outcome == Outcome.UNKNOWN
    assert attempt.detail


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
    policy = Policy(schedule, 72 * HOUR)
    outcome = Outcome.DELIVERED if code == 200 else Outcome.HTTP_STATUS if code else Outcome.TIMEOUT
    old = due(attempts=attempts, created_at=NOW - age)
    begun = decide.before_attempt(due(attempts=attempts), (), Policy([0] * 9, HOUR), decrypt, NOW)
    assert isinstance(begun, Sending)
    of_old = replace(begun, due=old)
    transition = decide.after_attempt(
        of_old, Result(outcome, code, None, retry_after), NOW, policy, NOW, lambda: chance
    ).transition
    assert (transition.due_at is not None) == (transition.state is State.PENDING)
    assert transition.attempts == attempts + 1
    assert transition.due_at is None or transition.due_at <= max(NOW, old.created_at + policy.max_age)


def test_an_attempt_is_signed_with_all_valid_secrets() -> None:
    """In their order: the newest first."""
    changed = replace(WEBHOOK, signing_secrets=(b"newest", b"previous"))
    secrets = {b"newest": SECRET, b"previous": "whsec_" + "A" * 43 + "="}
    decided = decide.before_attempt(due(webhook=changed), (), POLICY, secrets.__getitem__, NOW)
    assert isinstance(decided, Sending)
    one = sending().request.headers["webhook-signature"]
    assert decided.request.headers["webhook-signature"].split(" ")[0] == one
    assert len(decided.request.headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize("fields", [{}, {"webhook_id": None, "destination": "https://elsewhere.example.com"}])
def test_a_test_has_one_attempt(fields: dict[str, Any]) -> None:
    """Whatever the answer, and also if nobody has seen it."""
    for result in (status(500), status(503, "1"), status(410)):
        ended = after(result, due(test=True, **fields))
        assert (ended.transition.state, ended.transition.due_at) == (State.FAILED, None)
    assert final(due(test=True, attempts=1, **fields)).state is State.FAILED


def test_a_test_that_finds_the_receiver_gone_disables_the_webhook() -> None:
    """As any other attempt does."""
    assert after(status(410), due(test=True)).is_gone
    assert not after(status(410), per_message(test=True)).is_gone
