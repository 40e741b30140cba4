"""The receivers of the documents, as real servers, take what is sent to them."""

from collections.abc import Callable, Iterator

import pytest
import requests

from tests.formats.document_receivers import KEY, RECEIVERS, Log, listening
from tests.formats.golden_files import Case, canonical, cases
from webhook_admin import formats

Post = Callable[[bytes], int]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The payload format that the test is about."""
    return str(request.param)


@pytest.fixture
def log() -> Log:
    """What the receiver has noted."""
    return []


@pytest.fixture
def post(name: str, log: Log) -> Iterator[Post]:
    """Send a body, with the format's headers, to the receiver of the format's document; its answer's status."""
    with listening(RECEIVERS[name], log) as url, requests.Session() as session:
        session.trust_env = False

        def call(body: bytes) -> int:
            headers = {"Content-Type": "application/json"} | formats.headers(name, body, KEY)
            return session.post(url, data=body, headers=headers, timeout=5).status_code

        yield call


def to(name: str) -> pytest.MarkDecorator:
    """A test of one format's receiver."""
    return pytest.mark.parametrize("name", [name], indirect=True)


def body(name: str, case: Case) -> bytes:
    """What is sent of a case."""
    sent = formats.render(name, case.event)
    assert sent is not None
    return sent


def event_body(name: str, status: str, **more: object) -> bytes:
    """What is sent of an event with this status."""
    fields = {"id": "evt_1", "accountId": "acme", "messageId": "m-1", "channel": "SMS", "status": status}
    sent = formats.render(name, canonical(fields | {"timestamp": "2026-04-09T14:39:40.69257Z"} | more))
    assert sent is not None
    return sent


@pytest.mark.parametrize("name", RECEIVERS, indirect=True)
def test_takes_everything_that_is_sent(name: str, post: Post, log: Log) -> None:
    """Each body of the golden files is understood, and the answer counts as success."""
    sent = [body(name, case) for case in cases(name) if case.body]
    answers = [post(each) for each in sent]
    assert sent
    assert [each for each, status in zip(sent, answers, strict=True) if status not in formats.success(name)] == []
    assert len(log) >= len(sent)
    assert "This is not a delivery receipt\n" not in log


@pytest.mark.parametrize("name", sorted(RECEIVERS.keys() - {"routee"}), indirect=True)
def test_takes_nothing_else(name: str, post: Post) -> None:
    """A receiver that took anything would prove nothing: this one refuses an empty object, and another's body."""
    other = "insider" if name != "insider" else "standard"
    assert {post(b"{}"), post(event_body(other, "SENT"))} & set(range(200, 300)) == set()


@to("routee")
def test_document_001_knows_a_delivery_receipt(post: Post, log: Log) -> None:
    """Its PHP takes what has a message id for a delivery receipt, and nothing else."""
    post(event_body("insider", "SENT"))
    assert log == ["This is not a delivery receipt\n"]


@to("routee")
def test_document_001_logs_what_its_code_says(post: Post, log: Log) -> None:
    """The PHP of document 001 writes recipient, message id, status and cost into its file."""
    more = {"to": "+306900000000", "details": {"price": 0.0331}}
    for status in ("DELIVERED", "FAILED", "UNDELIVERED", "QUEUED"):
        assert post(event_body("routee", status, **more)) == 200
    assert log == [
        "Your message to +306900000000 (message id m-1) was DELIVERED.\n",
        "The cost was 0.0331\n",
        "Your message to +306900000000 (message id m-1) was FAILED.\n",
        "The cost was 0.0331\n",
        "Your message to +306900000000 has a status of: Undelivered\n",
        "Your message to +306900000000 has a status of: Queued\n",
    ]


@to("insider")
def test_document_002_tells_its_six_events_apart(post: Post, log: Log) -> None:
    """Sent, delivered, carrier violation, hard bounce, soft bounce and unknown delivery."""
    reasons = ["CARRIER_VIOLATION", "UNKNOWN_NUMBER", "UNREACHABLE", "UNCONFIRMED"]
    assert post(event_body("insider", "SENT", tags={"a": "1"}, details={"parts": 2})) == 200
    assert post(event_body("insider", "DELIVERED")) == 200
    assert {post(event_body("insider", "UNDELIVERED", reason=reason)) for reason in reasons} == {200}
    assert log == [
        "m-1 {'a': '1'}: Sent in 2",
        "m-1 {}: Delivered",
        "m-1 {}: Carrier Violation",
        "m-1 {}: Hard Bounce",
        "m-1 {}: Soft Bounce",
        "m-1 {}: Unknown Delivery",
    ]


@to("phonovation-v2")
def test_document_000_correlates_by_notify_id(post: Post, log: Log) -> None:
    """Results of a message name it by the customer's id; an error of the campaign names none."""
    assert post(event_body("phonovation-v2", "QUEUED", customerMessageId="order-001")) == 200
    assert post(event_body("phonovation-v2", "REJECTED", customerMessageId="order-001", reason="NO_CREDIT")) == 200
    assert post(event_body("phonovation-v2", "REJECTED", customerMessageId="order-001", reason="INVALID_SENDER")) == 200
    assert log == [
        "MESSAGE_SUCCESS of order-001: Your message has been queued.",
        "MESSAGE_ERROR of order-001: Error trying to add a new message. No credits available",
        "CAMPAIGN_ERROR: Sender is not valid",
    ]


@to("standard")
def test_document_003_acknowledges_with_any_2xx(post: Post, log: Log) -> None:
    """It reads message id, channel, status, timestamp and any error details; its 204 is success."""
    error = {"code": 27, "message": "Absent subscriber"}
    assert post(event_body("standard", "READ")) in formats.success("standard")
    assert post(event_body("standard", "FAILED", error=error)) in formats.success("standard")
    assert log == ["SMS m-1 READ in 2026", "SMS m-1 FAILED in 2026 (27: Absent subscriber)"]


@to("mta-v1")
def test_document_004_knows_the_status_by_its_code(post: Post, log: Log) -> None:
    """The code stands for a status of its list, and the message's tags come back."""
    assert post(event_body("mta-v1", "FAILED", messageId="7", reason="LANDLINE", tags={"key": "value"})) == 200
    assert log == ["7 LANDLINE value"]


def test_a_body_that_was_changed_on_the_way_is_refused() -> None:
    """Who checks X-Signature notices a change of a single byte."""
    log: Log = []
    sent = event_body("mta-v1", "DELIVERED")
    headers = {"Content-Type": "application/json"} | formats.headers("mta-v1", sent, KEY)
    with listening(RECEIVERS["mta-v1"], log) as url:
        changed = sent.replace(b'"status":4', b'"status":5')
        answers = [requests.post(url, data=data, headers=headers, timeout=5).status_code for data in (changed, sent)]
    assert answers == [401, 200]
    assert log == ["forged", "m-1 DELIVERED -"]
