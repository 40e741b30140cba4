"""What a request's body may be: strict JSON, of the right type in every field (contract, sections 1 and 4)."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.api import URL_1, URL_2, WEBHOOK, Answer, Api
from webhook_admin.db import Database
from webhook_admin.models import accounts, api_keys, webhooks

LIMIT = 64 * 1024
CASES = json.loads((Path(__file__).parents[1] / "cases" / "urls.json").read_text())["register"]


def send(api: Api, body: bytes, method: str = "POST", path: str = WEBHOOK) -> Answer:
    """A call with the bytes as its JSON body."""
    return api(method, path, data=body, content_type="application/json")


def faults(response: Answer) -> list[tuple[str, str]]:
    """What a 400 says is wrong: fields and codes."""
    assert response.status_code == 400
    assert all(error["message"] for error in response.json["errors"])
    return [(error["field"], error["code"]) for error in response.json["errors"]]


def nested(depth: int, innermost: str = "") -> bytes:
    """A body with a description of so many lists in each other."""
    return f'{{"callbackUrl": "{URL_1}", "description": {"[" * depth}{innermost}{"]" * depth}}}'.encode()


# The shared cases of callback URLs


def test_urls_of_the_shared_cases(customer: Api) -> None:
    """Of the shared cases POST takes each URL that they accept, unchanged, and refuses the others for `callbackUrl`."""
    outcomes = {}
    for case in CASES:
        if "url" in case:
            response = customer("POST", WEBHOOK, json={"callbackUrl": case["url"]})
            if response.status_code == 201:
                assert response.json["callbackUrl"] == case["url"]
                customer("DELETE", WEBHOOK)
            else:
                assert [field for field, _ in faults(response)] == ["callbackUrl"]
            outcomes[case["id"]] = "accept" if response.status_code == 201 else "reject"
    assert outcomes == {case["id"]: case["expect"] for case in CASES if "url" in case}


def test_bodies_of_the_shared_cases(customer: Api) -> None:
    """Of the shared cases POST refuses each body with 400, and stores nothing."""
    for case in CASES:
        if "body" in case:
            assert case["expect"] == "reject"
            assert faults(send(customer, case["body"].encode())), case["id"]
    assert customer("GET", WEBHOOK).status_code == 404


# JSON


# What it is: the body, the field that the error names, and the error's code.
REFUSED: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "body", "not_json"),
    "blank": (b"   ", "body", "not_json"),
    "cut off": (b"{", "body", "not_json"),
    "two values": (b"{}{}", "body", "not_json"),
    "trailing comma": (b'{"callbackUrl": "%b",}' % URL_1.encode(), "body", "not_json"),
    "single quotes": (b"{'callbackUrl': '%b'}" % URL_1.encode(), "body", "not_json"),
    "comment": (b'{"callbackUrl": "%b"} // x' % URL_1.encode(), "body", "not_json"),
    "form": (b"callbackUrl=%b" % URL_1.encode(), "body", "not_json"),
    "NUL, raw": (b'{"callbackUrl": "a\x00b"}', "body", "not_json"),
    "line feed, raw": (b'{"callbackUrl": "a\nb"}', "body", "not_json"),
    "NaN": (b'{"callbackUrl": NaN}', "body", "not_json"),
    "Infinity": (b'{"callbackUrl": Infinity}', "body", "not_json"),
    "-Infinity": (b'{"callbackUrl": -Infinity}', "body", "not_json"),
    "NaN, nested": (b'{"description": [NaN]}', "body", "not_json"),
    "BOM": (json.dumps({"callbackUrl": URL_1}).encode("utf-8-sig"), "body", "not_json"),
    "UTF-16": (json.dumps({"callbackUrl": URL_1}).encode("utf-16"), "body", "not_utf8"),
    "UTF-16-BE": (json.dumps({"callbackUrl": URL_1}).encode("utf-16-be"), "body", "not_json"),
    "latin-1": ('{"description": "ü"}'.encode("latin-1"), "body", "not_utf8"),
    "surrogate in UTF-8": (b'{"description": "\xed\xa0\x80"}', "body", "not_utf8"),
    "overlong UTF-8": (b'{"description": "\xc0\x80"}', "body", "not_utf8"),
    "lists in lists": (nested(10_000), "body", "too_many_values"),
    "very many numbers": (b"[%b0]" % (b"0," * 4_000), "body", "too_many_values"),
    "very many objects": (b"[%b0]" % (b'{"a":0},' * 2_000), "body", "too_many_values"),
    "very many numbers, cut off in a string": (b'[%b"' % (b'"\\"",' * 4_000), "body", "too_many_values"),
    "array": (b"[]", "body", "wrong_type"),
    "string": (b'"x"', "body", "wrong_type"),
    "number": (b"1", "body", "wrong_type"),
    "null": (b"null", "body", "wrong_type"),
    "true": (b"true", "body", "wrong_type"),
    "duplicate key": (b'{"a": 1, "b": 2, "a": 1}', "a", "duplicate_key"),
    "duplicate key, nested": (b'{"b": [{"a": 1, "\\u0061": 2}]}', "a", "duplicate_key"),
    "duplicate key of NUL": (b'{"\\u0000": 1, "\\u0000": 2}', "\ufffd", "duplicate_key"),
    "NUL": (b'{"callbackUrl": "\\u0000"}', "callbackUrl", "invalid_character"),
    "high surrogate": (b'{"description": "\\ud800"}', "description", "invalid_character"),
    "swapped surrogates": (b'{"description": "\\udfff\\ud800"}', "description", "invalid_character"),
    "NUL, nested": (b'{"a": [{"b": "\\u0000"}]}', "a.0.b", "invalid_character"),
    "NUL in a key": (b'{"a\\u0000": 1}', "a\ufffd", "invalid_character"),
    "surrogate in a key": (b'{"\\udc00": 1}', "\ufffd", "invalid_character"),
    "NUL in an array": (b'["\\u0000"]', "0", "invalid_character"),
    "NUL at the top": (b'"\\u0000"', "body", "invalid_character"),
    "NUL behind 3,000 values": (b'{"a": [%b"\\u0000"]}' % (b"0," * 3_000), "a.3000", "invalid_character"),
    "NUL behind a backslash": (b'{"a": ["\\\\\\\\u0000", "\\\\\\u0000"]}', "a.1", "invalid_character"),
    "half a pair behind a pair": (b'{"a": ["\\ud83e\\udd84", "\\ud83e\\udd84\\udd84"]}', "a.1", "invalid_character"),
    "NUL 900 deep": (nested(900, '"\\u0000"'), ".".join(["description"] + ["0"] * 900), "invalid_character"),
}


# From 3.13 on, Python reads these: they are refused for what they have at the top.
DEEP: dict[str, tuple[bytes, str, str]] = {
    "nested 2,000 deep": (nested(2_000), "body", "too_deep"),
    "nested and cut off": (b"[" * 3_000, "body", "too_deep"),
    "nested objects": (b'{"a":' * 3_000, "body", "too_deep"),
}


def test_bodies_that_are_refused(customer: Api) -> None:
    """A body that is not unambiguously a storable JSON object is 400; the error names the place and the fault."""
    refused = REFUSED if sys.version_info >= (3, 13) else REFUSED | DEEP
    for what, (body, field, code) in refused.items():
        assert faults(send(customer, body)) == [(field, code)], what
    assert customer("GET", WEBHOOK).status_code == 404


def test_every_depth_is_survived(customer: Api) -> None:
    """However deep a body is nested, and also where the interpreter's own limit just lets it be read, it is 400."""
    depths = [*range(1, 700, 50), *range(700, 1_010, 2), 2_000, 30_000]
    assert {send(customer, nested(depth, '"\\u0041"')).status_code for depth in depths} == {400}
    assert customer("GET", WEBHOOK).status_code == 404


def test_numbers_of_any_size(customer: Api) -> None:
    """A number too large for anything is 400 where a text is expected, in words that are the API's own."""
    for number in ("9" * 5_000, f"-{'9' * 5_000}", "1e999", f"1.{'0' * 5_000}1", "1E-5000"):
        response = send(customer, b'{"callbackUrl": %b}' % number.encode())
        assert len(faults(response)) == 1
        assert "sys." not in response.text


def test_text_that_is_kept(customer: Api) -> None:
    """All other text is kept as it is, escaped or not."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    for description, kept in {
        '"\\ud83e\\udd84"': "\U0001f984",
        '"\U0001f984 \u202e \ufeff"': "\U0001f984 \u202e \ufeff",
        '"\\u0001\\n\\u007f"': "\x01\n\x7f",
        '"\\\\u0000"': "\\u0000",
        '"\\\\ud800"': "\\ud800",
        json.dumps("[{," * 300): "[{," * 300,
        json.dumps("x" * 1024): "x" * 1024,
        json.dumps("\U0001f984" * 1024): "\U0001f984" * 1024,
    }.items():
        body = f'{{"callbackUrl": "{URL_1}", "description": {description}}}'
        assert send(customer, body.encode(), "PUT").json["description"] == kept
        assert customer("GET", WEBHOOK).json["description"] == kept


# Fields


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", WEBHOOK, {}, "callbackUrl"),
        ("POST", WEBHOOK, {"callbackUrl": URL_1}, "payloadFormat"),
        ("POST", WEBHOOK, {"callbackUrl": URL_1}, "description"),
        ("PUT", "/accounts/acme", {}, "name"),
        ("POST", "/accounts/acme/keys", {}, "name"),
        ("POST", "/accounts/acme/keys", {}, "expiresAt"),
    ],
)
def test_wrong_types(platform: Api, customer: Api, method: str, path: str, body: dict[str, Any], field: str) -> None:
    """In every field a value of the wrong type is 400, naming the field: nothing is converted."""
    caller = customer if path == WEBHOOK else platform
    for value in (0, 1, 1.5, True, False, [], [URL_1], {}, {"url": URL_1}):
        assert faults(caller(method, path, json=body | {field: value})) == [(field, "invalid")]


REFUSED_FIELDS: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({}, ("callbackUrl", "required")),
    ({"callbackUrl": None}, ("callbackUrl", "null")),
    ({"callbackUrl": URL_1, "payloadFormat": None}, ("payloadFormat", "null")),
    ({"callbackUrl": URL_1, "payloadFormat": ""}, ("payloadFormat", "unknown_value")),
    ({"callbackUrl": URL_1, "payloadFormat": "Standard"}, ("payloadFormat", "unknown_value")),
    ({"callbackUrl": URL_1, "description": ""}, ("description", "empty")),
    ({"callbackUrl": URL_1, "description": "x" * 1025}, ("description", "too_long")),
    ({"callbackUrl": URL_1, "signingSecret": "whsec_x"}, ("signingSecret", "unknown_field")),
    ({"callbackUrl": URL_1, "status": "ACTIVE"}, ("status", "unknown_field")),
    ({"callbackUrl": URL_1, "callback_url": URL_1}, ("callback_url", "unknown_field")),
    ({"callbackUrl": URL_1, "": 1}, ("body", "unknown_field")),
    ({"callbackUrl": URL_1, "x" * 10_000: 1}, ("x" * 100, "unknown_field")),
]


def test_fields_that_are_refused(customer: Api) -> None:
    """A field that is missing, empty, too long, of no known value or none of ours is 400, and nothing is stored."""
    for body, fault in REFUSED_FIELDS:
        assert faults(customer("POST", WEBHOOK, json=body)) == [fault]
    assert customer("GET", WEBHOOK).status_code == 404


def test_a_bad_put_changes_nothing(customer: Api) -> None:
    """What is right in a refused PUT is not stored either."""
    before = customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    body = {"callbackUrl": URL_2, "payloadFormat": "no such", "description": "new"}
    assert faults(customer("PUT", WEBHOOK, json=body)) == [("payloadFormat", "unknown_value")]
    after = customer("GET", WEBHOOK)
    assert (after.headers["ETag"], after.json["callbackUrl"]) == (before.headers["ETag"], URL_1)


def test_every_fault_is_listed(customer: Api) -> None:
    """One answer says everything that is wrong, in its errors and in its detail."""
    response = customer("POST", WEBHOOK, json={"callbackUrl": "http://x", "payloadFormat": "x", "nmae": 1})
    assert {field for field, _ in faults(response)} == {"callbackUrl", "payloadFormat", "nmae"}
    assert all(f"{field}: " in response.json["detail"] for field in ("callbackUrl", "payloadFormat", "nmae"))


def test_unknown_payload_format_lists_the_known(customer: Api) -> None:
    """The message about a payload format that is none lists those that there are."""
    response = customer("POST", WEBHOOK, json={"callbackUrl": URL_1, "payloadFormat": "x"})
    assert "standard, phonovation-v2, routee, insider, mta-v1" in response.json["errors"][0]["message"]


@pytest.mark.parametrize(("method", "path"), [("PUT", "/accounts/new"), ("POST", "/accounts/acme/keys")])
def test_bad_bodies_of_the_platform(platform: Api, customer: Api, database: Database, method: str, path: str) -> None:
    """The platform's own calls are held to the same rules, and store nothing either."""

    def stored() -> list[int]:
        with database.connect() as connection:
            tables = (accounts, api_keys, webhooks)
            return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]

    before = stored()
    for body in (b"{", b"[]", b'{"name": "\\u0000"}', b'{"name": "x", "name": "x"}', b'{"id": "x"}'):
        assert faults(send(platform, body, method, path)), body
    assert stored() == before


def test_a_parameter_that_is_there_twice(platform: Api) -> None:
    """A parameter of a query that is repeated is 400, naming it: none of its values is silently the one that counts."""
    for query in ("limit=1&limit=2", "limit=1&limit=1", "limit=1&after=x&limit=1"):
        assert faults(platform("GET", f"/webhooks?{query}")) == [("limit", "repeated")]
    both = "status=ACTIVE&after=x&status=DISABLED&after=y"
    assert faults(platform("GET", f"/webhooks?{both}")) == [("after", "repeated"), ("status", "repeated")]


def test_very_many_parameters(platform: Api) -> None:
    """Of a query with more than 100 parameters none is looked at: 400."""
    names = [f"x{number}" for number in range(60_000)]
    assert len(faults(platform("GET", f"/webhooks?{'&'.join(names[:100])}"))) == 100
    for number in (101, 60_000):
        assert faults(platform("GET", f"/webhooks?{'&'.join(names[:number])}")) == [("query", "too_many")]


# Size and media type


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 201), (LIMIT + 1, 413), (10 * LIMIT, 413)])
def test_size_of_a_body(customer: Api, size: int, status: int) -> None:
    """A body may have 64 KiB, and not a byte more."""
    body = json.dumps({"callbackUrl": URL_1}).encode().ljust(size)
    assert send(customer, body).status_code == status
    assert customer("GET", WEBHOOK).status_code == (200 if status == 201 else 404)


def test_media_type_of_a_body(customer: Api) -> None:
    """A body is application/json, and says so; anything else is 415 and stores nothing."""
    body = json.dumps({"callbackUrl": URL_1}).encode()
    for other in ("text/plain", "text/json", "application/problem+json", "multipart/form-data", "json", "", None):
        assert customer("POST", WEBHOOK, data=body, content_type=other).status_code == 415, other
    assert customer("GET", WEBHOOK).status_code == 404
    for json_ in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        assert customer("POST", WEBHOOK, data=body, content_type=json_).status_code == 201, json_
        customer("DELETE", WEBHOOK)


def test_a_compressed_body(customer: Api) -> None:
    """A body with a Content-Encoding is 415, which says that it must have none, and stores nothing."""
    body = json.dumps({"callbackUrl": URL_1}).encode()
    options = {"content_type": "application/json", "headers": {"Content-Encoding": "gzip"}}
    refused = customer("POST", WEBHOOK, data=gzip.compress(body), **options)
    assert (refused.status_code, refused.headers["Accept-Encoding"]) == (415, "identity")
    assert "Content-Encoding" in refused.json["detail"]
    assert customer("GET", WEBHOOK).status_code == 404
    accepted = customer("POST", WEBHOOK, data=body, **options | {"headers": {"Content-Encoding": "Identity"}})
    assert accepted.status_code == 201


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_body_where_none_belongs(customer: Api, method: str) -> None:
    """A body of a call that takes none is not looked at."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    assert send(customer, b"{" * 100_000, method).status_code in (200, 204)
