"""POST /webhooks/delivery-status/verify: each mistake that receivers make, made for real, and explained."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from tests.api import URL_1, URL_2, WEBHOOK, Answer, Api
from tests.engine import Queue
from tests.engine import event as queued_event
from tests.web.event_calls import faults
from webhook_admin import formats
from webhook_admin.db import Database
from webhook_admin.dispatch import decide
from webhook_admin.dispatch.retry import HOUR, Policy
from webhook_admin.dispatch.sending import Sending
from webhook_admin.queue import attempts, clock, due_deliveries
from webhook_admin.queue.due_deliveries import Wanted
from webhook_admin.queue.lanes import Key
from webhook_admin.verification.findings import FindingCode

VERIFY = f"{WEBHOOK}/verify"
LIMIT = 64 * 1024
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
POLICY = Policy([], HOUR)


@dataclass
class Notification:
    """A notification as it was sent: the headers that count, and the body."""

    headers: dict[str, Any]
    body: str
    url: str = ""

    def with_headers(self, **changes: Any) -> dict[str, Any]:
        """The call's body, with other values of headers (`signature=...`); None leaves one out."""
        changed = self.headers | {f"webhook-{name}": value for name, value in changes.items()}
        return {"headers": {name: value for name, value in changed.items() if value is not None}, "body": self.body}


@pytest.fixture
def secret(customer: Api) -> str:
    """The signing secret of the webhook of `acme`."""
    return str(customer("POST", WEBHOOK, json={"callbackUrl": URL_1}).json["signingSecret"])


def send(queue: Queue, number: int = 1, account_id: str = "acme", seconds_ago: int = 0, **fields: Any) -> Notification:
    """Accept an event and begin its attempt, by the dispatcher's own code, `seconds_ago`; what it would send."""
    queue.accept(queued_event(number, account_id, **fields))
    now = clock.now()
    with queue.database.transaction() as transaction:
        found = due_deliveries.due(transaction, [Wanted(Key(account_id, ""), 100, [])], now)
        (due,) = (each for each in found if f'"evt_{number}"' in each.event)
        decided = decide.before_attempt(
            due,
            (),
            POLICY,
            lambda encrypted: queue.cipher.decrypt(encrypted).decode(),
            now - seconds_ago * clock.SECOND,
        )
        assert isinstance(decided, Sending)
        attempts.begin(transaction, [decided.begun])
    request = decided.request
    return Notification(dict(request.headers), request.body.decode())


@pytest.fixture
def sent(queue: Queue, secret: str) -> Notification:
    """A notification to `acme`, just sent, with letters that JSON may be written with in two ways."""
    return send(queue, customer_message_id="Größe", tags={"shop": "dublin"})


def ask(api: Api, given: Notification | dict[str, Any]) -> Answer:
    """Ask what is wrong."""
    return api("POST", VERIFY, json=given if isinstance(given, dict) else given.with_headers())


def found(api: Api, given: Notification | dict[str, Any]) -> tuple[bool, list[str]]:
    """Whether it is valid, and the codes of what was found."""
    answer = ask(api, given)
    assert answer.status_code == 200, answer.text
    assert all(finding["message"] for finding in answer.json["findings"])
    return answer.json["valid"], [finding["code"] for finding in answer.json["findings"]]


def is_refused(secret: str, given: dict[str, Any]) -> bool:
    """Whether the published library refuses what the receiver has."""
    try:
        Verifier(secret).verify(given["body"], given["headers"])
    except WebhookVerificationError:
        return True
    return False


# What is right


def test_nothing_is_wrong(customer: Api, secret: str, sent: Notification) -> None:
    """As the library says, too; the signed content is the id, the timestamp and the body."""
    assert found(customer, sent) == (True, [])
    assert not is_refused(secret, sent.with_headers())
    headers = sent.headers
    expected = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{sent.body}"
    assert ask(customer, sent).json["signedContent"] == expected


@ON_SQLITE
def test_the_case_of_names_does_not_count(customer: Api, sent: Notification) -> None:
    """Nor do other headers, nor a list of one value, as Go and PHP have it."""
    headers = {name.title(): [value] for name, value in sent.headers.items()}
    assert "Webhook-Id" in headers
    assert found(customer, {"headers": headers | {"Host": "hooks"}, "body": sent.body}) == (True, [])


@pytest.mark.parametrize("name", formats.FORMATS)
@ON_SQLITE
def test_every_format(customer: Api, queue: Queue, secret: str, name: str) -> None:
    """The body on record is the one that was sent."""
    customer("PUT", WEBHOOK, json={"callbackUrl": URL_1, "payloadFormat": name})
    sent = send(queue, status="QUEUED" if name == "phonovation-v2" else "SENT")
    assert found(customer, sent) == (True, [])
    assert found(customer, {"headers": sent.headers, "body": sent.body + "\n"}) == (False, ["body_line_end_added"])


def test_a_preview_is_signed_and_no_delivery(customer: Api, secret: str) -> None:
    """It is valid, and says that no delivery has its id."""
    asked = {"messageId": "1", "channel": "SMS", "status": "SENT", "timestamp": "2026-04-09T14:39:40Z"}
    shown = customer("POST", f"{WEBHOOK}/preview", json={"event": asked}).json
    assert found(customer, {"headers": shown["headers"], "body": shown["body"]}) == (True, ["unknown_delivery"])


# The body


def other_json(body: str) -> Iterator[str]:
    """The body, parsed and written again, as frameworks do."""
    value = json.loads(body)
    yield json.dumps(value)
    yield json.dumps(value, separators=(",", ":"))
    yield json.dumps(value, indent=2, ensure_ascii=False)
    yield json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def test_a_body_that_was_written_again(customer: Api, secret: str, sent: Notification) -> None:
    """Spaces, escapes, lines or another order of keys: the library refuses it, and the answer says why."""
    for body in other_json(sent.body):
        given = {"headers": sent.headers, "body": body}
        assert is_refused(secret, given)
        assert found(customer, given) == (False, ["body_reserialised"])
        assert ask(customer, given).json["signedContent"].endswith(f".{sent.body}")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_a_line_end_was_added(customer: Api, secret: str, sent: Notification, end: str) -> None:
    """By a shell or an editor."""
    given = {"headers": sent.headers, "body": sent.body + end}
    assert is_refused(secret, given)
    assert found(customer, given) == (False, ["body_line_end_added"])


@ON_SQLITE
def test_a_body_that_says_something_else(customer: Api, secret: str, sent: Notification) -> None:
    """One that was cut off, changed, wrongly decoded, or is empty."""
    for body in (sent.body[:-1], sent.body.replace("SENT", "READ"), sent.body.encode().decode("latin-1"), ""):
        assert is_refused(secret, {"headers": sent.headers, "body": body})
        assert found(customer, {"headers": sent.headers, "body": body}) == (False, ["body_changed"])


@ON_SQLITE
def test_a_body_that_was_kept_after_a_failure(customer: Api, queue: Queue, secret: str, database: Database) -> None:
    """Later attempts send the bytes that were kept: those are what is compared with."""
    sent = send(queue)
    with database.connect() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET body = '{\"kept\": 1}'")
    assert found(customer, sent) == (True, [])
    assert found(customer, {"headers": sent.headers, "body": '{"kept":1}'}) == (
        False,
        ["body_reserialised", "wrong_secret"],
    )


@ON_SQLITE
def test_a_body_that_is_not_on_record(customer: Api, queue: Queue, secret: str, database: Database) -> None:
    """Of a damaged event, a line end is found by the signature alone; another change cannot be told from a secret's."""
    sent = send(queue)
    with database.connect() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET event = 'damaged'")
    assert found(customer, sent) == (True, [])
    assert found(customer, {"headers": sent.headers, "body": sent.body + "\n"}) == (False, ["body_line_end_added"])
    changed = ask(customer, {"headers": sent.headers, "body": json.dumps(json.loads(sent.body))}).json
    assert [finding["code"] for finding in changed["findings"]] == ["wrong_secret"]
    assert "the body is not the one that was sent" in changed["findings"][0]["message"]


# The time


def test_a_recording_that_is_played_back(customer: Api, queue: Queue, secret: str) -> None:
    """After more than 5 minutes it is too old; the signature is right all the same."""
    old = send(queue, seconds_ago=310)
    assert is_refused(secret, old.with_headers())
    assert found(customer, old) == (False, ["timestamp_too_old"])
    assert found(customer, send(queue, 2, seconds_ago=290)) == (True, [])


@ON_SQLITE
def test_a_time_in_the_future(customer: Api, queue: Queue, secret: str) -> None:
    """More than 5 minutes before the service's clock."""
    early = send(queue, seconds_ago=-310)
    assert is_refused(secret, early.with_headers())
    assert found(customer, early) == (False, ["timestamp_in_future"])
    assert found(customer, send(queue, 2, seconds_ago=-290)) == (True, [])


@ON_SQLITE
@pytest.mark.parametrize("wrong", ["2026-04-09T14:39:40Z", "-1", "1e9", "٣", "1" * 13])
def test_a_timestamp_in_other_units(customer: Api, sent: Notification, wrong: str) -> None:
    """Such as a date, or milliseconds."""
    valid, codes = found(customer, sent.with_headers(timestamp=wrong))
    assert not valid
    assert codes == ["timestamp_malformed", "wrong_secret"]


# The secret


def test_another_webhooks_secret(customer: Api, queue: Queue, sent: Notification) -> None:
    """The webhook was deleted and created again: what was sent before is signed with a secret that is gone."""
    customer("DELETE", WEBHOOK)
    new = customer("POST", WEBHOOK, json={"callbackUrl": URL_1}).json["signingSecret"]
    assert is_refused(new, sent.with_headers())
    assert found(customer, sent) == (False, ["wrong_secret"])


def test_signed_before_a_rotation(customer: Api, secret: str, sent: Notification, database: Database) -> None:
    """During the overlap it is valid, and a receiver with the new secret alone refuses it; later it is not valid."""
    new = customer("POST", f"{WEBHOOK}/signing-secret", json={}).json["signingSecret"]
    assert is_refused(new, sent.with_headers())
    assert not is_refused(secret, sent.with_headers())
    assert found(customer, sent) == (True, ["previous_secret"])
    with database.connect() as connection:
        connection.exec_driver_sql("UPDATE webhooks SET previous_secret_expires_at = updated_at")
    assert found(customer, sent) == (False, ["previous_secret_expired"])
    customer("DELETE", f"{WEBHOOK}/previous-secret")
    assert found(customer, sent) == (False, ["wrong_secret"])


def test_signed_during_a_rotation(customer: Api, queue: Queue, secret: str) -> None:
    """With two signatures, nothing is wrong; neither with the one that the receiver has kept."""
    customer("POST", f"{WEBHOOK}/signing-secret", json={})
    sent = send(queue)
    newest, previous = sent.headers["webhook-signature"].split(" ")
    assert found(customer, sent) == (True, [])
    assert found(customer, sent.with_headers(signature=newest)) == (True, [])
    assert found(customer, sent.with_headers(signature=previous)) == (True, ["previous_secret"])


# The headers


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
@ON_SQLITE
def test_a_header_is_missing(customer: Api, secret: str, sent: Notification, name: str) -> None:
    """Dropped by a proxy, or empty, or a list of nothing."""
    losses: list[Any] = [None, "", " ", []]
    for lost in losses:
        valid, codes = found(customer, sent.with_headers(**{name: lost}))
        assert not valid
        assert codes == ["header_missing"]
    assert is_refused(secret, sent.with_headers(**{name: None}))
    assert (ask(customer, sent.with_headers(**{name: None})).json["signedContent"] is None) == (name != "signature")


@ON_SQLITE
def test_a_signature_that_was_taken_apart(customer: Api, secret: str, sent: Notification) -> None:
    """At its comma, as a framework does with header lists, or at the space between two signatures."""
    given = sent.with_headers(signature=sent.headers["webhook-signature"].split(","))
    assert found(customer, given) == (False, ["header_split"])
    two = sent.headers["webhook-signature"]
    assert found(customer, sent.with_headers(signature=[two, two])) == (False, ["header_split"])


@ON_SQLITE
def test_a_header_that_is_there_twice(customer: Api, sent: Notification) -> None:
    """Under names in different case, or as a list."""
    twice = sent.with_headers()
    twice["headers"]["Webhook-Id"] = twice["headers"]["webhook-id"]
    assert found(customer, twice) == (False, ["header_repeated"])
    time_ = sent.headers["webhook-timestamp"]
    assert found(customer, sent.with_headers(timestamp=[time_, time_])) == (False, ["header_repeated"])


@ON_SQLITE
@pytest.mark.parametrize(
    ("mistake", "code"),
    [
        (lambda signature: signature.removeprefix("v1,"), "signature_malformed"),
        (lambda signature: signature.replace("v1,", "v1="), "signature_malformed"),
        (lambda signature: signature[:-4], "signature_malformed"),
        (lambda signature: signature.replace("v1,", "v1a,"), "signature_version"),
        (lambda signature: signature.replace("v1,", "v2,"), "signature_version"),
    ],
)
def test_a_signature_of_another_form(
    customer: Api, sent: Notification, mistake: Callable[[str], str], code: str
) -> None:
    """Without its version, with another, or cut off."""
    assert found(customer, sent.with_headers(signature=mistake(sent.headers["webhook-signature"]))) == (False, [code])


@ON_SQLITE
def test_the_id_of_another_delivery(customer: Api, queue: Queue, secret: str, sent: Notification) -> None:
    """One that does not exist, and one whose body is another."""
    for unknown in ("dlv_" + "0" * 32, "msg_1", "' OR 1=1"):
        given = sent.with_headers(id=unknown)
        assert is_refused(secret, given)
        assert found(customer, given) == (False, ["unknown_delivery", "wrong_secret"])
    other = send(queue, 2)
    given = sent.with_headers(id=other.headers["webhook-id"])
    assert found(customer, given) == (False, ["body_changed", "wrong_secret"])


# Who may ask, and what is refused


def test_another_account_is_out_of_reach(
    make_customer: Callable[[str], Api], platform: Api, anyone: Api, customer: Api, sent: Notification
) -> None:
    """A key of `other` learns nothing of what was sent to `acme`, and its secret verifies nothing of it."""
    other = make_customer("other")
    assert ask(other, sent).status_code == 404
    other("POST", WEBHOOK, json={"callbackUrl": URL_2})
    assert found(other, sent) == (False, ["unknown_delivery", "wrong_secret"])
    guess = {"headers": sent.headers, "body": "{}"}
    assert sent.body not in ask(other, guess).text
    assert ask(replace(other, account="acme"), sent).status_code == 403
    assert ask(platform, sent).status_code == 400
    assert ask(anyone, sent).status_code == 401
    assert found(replace(platform, account="acme"), sent) == (True, [])


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"body": ""}, ("headers", "required")),
        ({"headers": {}}, ("body", "required")),
        ({"headers": [], "body": ""}, ("headers", "invalid")),
        ({"headers": {"webhook-id": 1}, "body": ""}, ("headers.webhook-id", "invalid")),
        ({"headers": {"webhook-id": None}, "body": ""}, ("headers.webhook-id", "null")),
        ({"headers": {"webhook-id": ["a", 1]}, "body": ""}, ("headers.webhook-id", "invalid")),
        ({"headers": {}, "body": {}}, ("body", "invalid")),
        ({"headers": {}, "body": "x" * 60_001}, ("body", "too_long")),
        ({"headers": {}, "body": "\0"}, ("body", "invalid_character")),
        ({"headers": {}, "body": "\ud800"}, ("body", "invalid_character")),
        ({"headers": {"\0": ""}, "body": ""}, ("headers.\ufffd", "invalid_character")),
        ({"headers": {}, "body": "", "secret": "whsec_"}, ("secret", "unknown_field")),
    ],
)
def test_what_is_refused(customer: Api, secret: str, body: Any, fault: tuple[str, str]) -> None:
    """400 with the field."""
    data = json.dumps(body)
    assert faults(customer("POST", VERIFY, data=data, content_type="application/json")) == [fault]


@ON_SQLITE
def test_a_body_too_large_or_too_deep(customer: Api, secret: str, sent: Notification) -> None:
    """413 above 64 KiB; nesting in the text that is judged costs nothing, nesting of the call itself is 400."""
    assert ask(customer, {"headers": {}, "body": "x" * LIMIT}).status_code == 413
    for text in ("[" * 60_000, "[" * 29_000 + "]" * 29_000, "1" * 60_000, '{"a":' * 5_000):
        assert found(customer, {"headers": sent.headers, "body": text}) == (False, ["body_changed"])
    deep = '{"headers": ' + '{"a":' * 3000 + "1" + "}" * 3000 + "}"
    assert customer("POST", VERIFY, data=deep, content_type="application/json").status_code == 400


def test_every_finding_is_provoked_here() -> None:
    """Each code of the enumeration stands in a test above."""
    with open(__file__) as file:  # noqa: PTH123
        text = file.read()
    assert [code for code in FindingCode if f'"{code}"' not in text] == []
