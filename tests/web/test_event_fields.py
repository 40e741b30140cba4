"""The canonical event: which values each of its fields may have (contract, section 1)."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.api import URL_1, URL_2, WEBHOOK, Api
from tests.web.event_calls import ABSENT, EVENT, counts, event, faults, post, stored
from webhook_admin.db import Database
from webhook_admin.events import UNSUCCESSFUL, Status

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _webhook(customer: Api) -> None:
    """The account `acme` has a webhook."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})


# What is refused


def bad(field: str, value: Any, code: str, **others: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """An event with a value that is refused, for the code, under the field's own name."""
    return event(**{field: value}, **others), [(field, code)]


def each_wrong_type(field: str, *values: Any, **others: Any) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
    """Events with a value of a type that the field does not take."""
    yield from (bad(field, value, "invalid", **others) for value in values)


def each_wrong_detail(field: str, values: Sequence[Any]) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
    """Events with a detail that is refused."""
    yield from ((event(details={field: value}), [(f"details.{field}", "invalid")]) for value in values)


NOT_CODE: tuple[Any, ...] = (1.5, True, [], {})
NOT_TEXT: tuple[Any, ...] = (0, 1.5, True, [], ["x"], {}, {"x": "y"})
TEXTS = {"accountId": 64, "messageId": 128, "id": 128, "to": 16, "from": 1024, "customerMessageId": 1024}
REFUSED: list[tuple[Any, list[tuple[str, str]]]] = [
    *(({**event()} | {field: None}, [(field, "null")]) for field in (*EVENT, *TEXTS, "reason", "error", "tags")),
    *(({**event()} | {field: None}, [(field, "null")]) for field in ("callbackUrl", "details")),
    *((event(**{field: ABSENT}), [(field, "required")]) for field in EVENT),
    *(case for field in (*TEXTS, "channel", "status", "timestamp") for case in each_wrong_type(field, *NOT_TEXT)),
    *each_wrong_type("reason", *NOT_TEXT, status="FAILED"),
    *each_wrong_type("callbackUrl", *NOT_TEXT),
    *each_wrong_type("payloadFormat", *NOT_TEXT, callbackUrl=URL_1),
    *(bad(field, "x" * (most + 1), "too_long") for field, most in TEXTS.items()),
    *(bad(field, "", "empty") for field in ("accountId", "messageId", "id", "to")),
    *(bad("id", text, "malformed") for text in ("a b", "a.b", "ü", "a\n", "é")),
    *(bad("accountId", text, "malformed") for text in ("a b", "a/b", "ü")),
    *(bad("channel", text, "unknown_value") for text in ("sms", "MMS", "", "SMS ")),
    *(bad("status", text, "unknown_value") for text in ("delivered", "", "UNKNOWN")),
    bad("reason", "NONE", "unknown_value", status="FAILED"),
    *(bad("reason", "ROAMING", "misplaced", status=status.value) for status in Status if status not in UNSUCCESSFUL),
    *(bad("to", text, "malformed") for text in ("353861234567", "+0861234567", "+1", "+", "1")),
    *(bad("to", text, "malformed") for text in ("+353 86 123", "+٣٥٣٨٦", "tel:+35386", "+35386123456a")),
    bad("payloadFormat", "standard", "misplaced"),
    bad("payloadFormat", "xml", "unknown_value", callbackUrl=URL_1),
    bad("callbackUrl", "http://hooks.example.com", "not_https"),
    bad("callbackUrl", "https://127.0.0.1", "private_address"),
    bad("callbackUrl", "https://localhost", "private_host"),
    bad("callbackUrl", f"https://hooks.example.com/{'x' * 2048}", "too_long"),
    bad("callbackUrl", "", "not_https"),
    (event(error=[]), [("error", "wrong_type")]),
    (event(error="no"), [("error", "wrong_type")]),
    (event(error={}), [("error.code", "required"), ("error.message", "required")]),
    *((event(error={"code": code, "message": "x"}), [("error.code", "invalid")]) for code in NOT_CODE),
    *((event(error={"code": n, "message": "x"}), [("error.code", "invalid")]) for n in (2**63, -(2**63) - 1)),
    (event(error={"code": None, "message": None}), [("error.code", "null"), ("error.message", "null")]),
    (event(error={"code": "x" * 1025, "message": "x"}), [("error.code", "too_long")]),
    (event(error={"code": "x", "message": "x" * 1025}), [("error.message", "too_long")]),
    (event(error={"code": 1, "message": 1}), [("error.message", "invalid")]),
    (event(error={"code": 1, "message": "x", "text": "x"}), [("error.text", "unknown_field")]),
    *each_wrong_type("tags", "x", 1, [], [["a", "b"]]),
    (event(tags={"a": 1, "b": None, "c": "c"}), [("tags.a", "invalid"), ("tags.b", "null")]),
    (event(tags={"a": "x" * 513}), [("tags.a", "too_long")]),
    *((event(tags={name: "x"}), [("tags", "bad_name")]) for name in ("", "x" * 65)),
    (event(tags={str(number): "" for number in range(51)}), [("tags", "too_many")]),
    (event(details=[]), [("details", "wrong_type")]),
    (event(details={"parst": 1}), [("details.parst", "unknown_field")]),
    (event(details={"sms_id": "1"}), [("details.sms_id", "unknown_field")]),
    *each_wrong_detail("parts", (0, -1, 1.5, "1", True, 2**63)),
    *each_wrong_detail("price", ("1", True, [], 10**400)),
    *each_wrong_detail("groups", ("a", {}, 1)),
    (event(details={"groups": ["a", 1, None]}), [("details.groups.1", "invalid"), ("details.groups.2", "null")]),
    (event(details={"message": "x" * 4097, "country": "x" * 1025}), [("details.message", "too_long"),
                                                                    ("details.country", "too_long")]),
    (event(details={"smsId": 7, "part": None}), [("details.smsId", "invalid"), ("details.part", "null")]),
    (event(naem="x"), [("naem", "unknown_field")]),
    (event(message_id="x"), [("message_id", "unknown_field")]),
    *((value, [("", "wrong_type")]) for value in (1, "x", None, True, [], [event()])),
]  # fmt: skip


def test_events_that_are_refused(platform: Api, database: Database) -> None:
    """Whatever breaks a rule of the canonical event is 400, and the path of each bad field is named."""
    for refused, expected in REFUSED:
        named = [(f"events.1.{field}".rstrip("."), code) for field, code in expected]
        assert faults(post(platform, event(), refused)) == named, refused
    assert stored(database) == []


def test_every_fault_is_listed(platform: Api) -> None:
    """One answer names every bad field of every bad event."""
    first = event(status="LOST", channel=7, reason="ROAMING", payloadFormat="standard", timestamp=ABSENT)
    response = post(platform, first, event(), event(tags={"x": 1}))
    assert sorted(faults(response)) == [
        ("events.0.channel", "invalid"),
        ("events.0.payloadFormat", "misplaced"),
        ("events.0.status", "unknown_value"),
        ("events.0.timestamp", "required"),
        ("events.2.tags.x", "invalid"),
    ]


def test_many_faults_are_counted(platform: Api) -> None:
    """Of very many faults the first hundred are listed, and the last entry says that there are more."""
    response = post(platform, *[event(status="LOST", channel="MMS")] * 1_000)
    assert len(faults(response)) == 101
    assert faults(response)[99:] == [("events.49.status", "unknown_value"), ("body", "more")]
    assert response.json["errors"][-1]["message"] == "At least 100 more are not listed."
    assert len(response.data) < 100_000


BODIES: list[tuple[Any, list[tuple[str, str]]]] = [
    ({}, [("events", "required")]),
    ({"events": None}, [("events", "null")]),
    ({"events": []}, [("events", "empty")]),
    ({"events": {}}, [("events", "invalid")]),
    ({"events": {"0": EVENT}}, [("events", "invalid")]),
    ({"events": "x"}, [("events", "invalid")]),
    ({"events": [EVENT] * 1_001}, [("events", "too_many")]),
    ({"events": [EVENT], "event": EVENT}, [("event", "unknown_field")]),
    ([EVENT], [("body", "wrong_type")]),
    (EVENT, [("events", "required"), *((name, "unknown_field") for name in EVENT)]),
]


def test_bodies_that_are_refused(platform: Api, database: Database) -> None:
    """A body is an object of 1 to 1,000 events and nothing else."""
    for body, expected in BODIES:
        assert sorted(faults(platform("POST", "/events", json=body))) == sorted(expected)
    assert stored(database) == []


RAW: list[tuple[str, list[tuple[str, str]]]] = [
    ('"details": {"price": 1e400}', [("events.0.details.price", "invalid")]),
    ('"details": {"latency": -1e400}', [("events.0.details.latency", "invalid")]),
    ('"error": {"code": 1e400, "message": ""}', [("events.0.error.code", "invalid")]),
    ('"details": {"parts": 1e19}', [("events.0.details.parts", "invalid")]),
    ('"details": {"price": NaN}', [("body", "not_json")]),
    ('"from": "a", "from": "b"', [("from", "duplicate_key")]),
    ('"tags": {"x": "a", "x": "a"}', [("x", "duplicate_key")]),
    ('"from": "\\u0000"', [("events.0.from", "invalid_character")]),
    ('"tags": {"\\ud800": "a"}', [("events.0.tags.\ufffd", "invalid_character")]),
    ('"from": ' + "[" * 100_000, [("body", "too_deep")]),
]


def test_json_that_is_refused(platform: Api, database: Database) -> None:
    """What JSON can say and nobody can keep is 400: numbers beyond bounds, the same key twice, NUL, half an emoji."""
    start = json.dumps(EVENT).removesuffix("}")
    for more, expected in RAW:
        body = f'{{"events": [{start}, {more}}}]}}'
        assert faults(platform("POST", "/events", data=body, content_type="application/json")) == expected, more
    assert stored(database) == []


ACCEPTED: list[dict[str, Any]] = [
    {"id": "x" * 128, "messageId": "\U0001f984" * 128},
    {"from": "\U0001f984" * 1024, "customerMessageId": "x" * 1024},
    {"from": "", "customerMessageId": "", "tags": {}, "details": {}},
    {"tags": {f"{number:064}": "ü" * 512 for number in range(50)}},
    {"to": "+12"},
    {"to": "+123456789012345"},
    *({"status": status.value, "reason": "OPTED_OUT"} for status in sorted(UNSUCCESSFUL)),
    {"error": {"code": "", "message": ""}},
    {"error": {"code": 2**63 - 1, "message": "x" * 1024}},
    {"error": {"code": 27.0, "message": "x"}},
    {"error": {"code": -(2**63), "message": "\n\t\x01"}},
    {"callbackUrl": "https://hooks.example.com"},
    {"callbackUrl": URL_2, "payloadFormat": "routee"},
    {"details": {"part": 1, "parts": 2**63 - 1, "latency": 0, "price": -1.5e300, "groups": []}},
    {"details": {"groups": ["", "x" * 1024], "message": "x" * 4096, "senderName": ""}},
]


def test_events_at_the_limits(platform: Api, database: Database) -> None:
    """What just keeps to the rules is accepted, and kept as it is."""
    for changes in ACCEPTED:
        assert counts(post(platform, event(**changes))) == (1, 0, 0), changes
    kept = {(each.status, str(each.error), each.from_, each.to, str(each.details)) for each in stored(database)}
    assert len(stored(database)) == len(ACCEPTED)
    assert ("DELIVERED", "None", "\U0001f984" * 1024, None, "{}") in kept
