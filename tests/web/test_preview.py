"""POST /webhooks/delivery-status/preview: what a receiver would get, and nothing done about it."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from tests.api import URL_1, URL_2, WEBHOOK, Answer, Api
from tests.engine import Dispatch, Queue
from tests.receiver import Receiver
from tests.web.event_calls import ABSENT, event, faults, post
from webhook_admin import formats
from webhook_admin.db import Database
from webhook_admin.events import Status
from webhook_admin.formats import FORMATS
from webhook_admin.models import metadata, webhooks

PREVIEW = f"{WEBHOOK}/preview"
LIMIT = 64 * 1024
DIFFERENT_EACH_TIME = {"webhook-id", "webhook-timestamp", "webhook-signature"}
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def ask(api: Api, *, payload_format: str | None = None, **fields: Any) -> Answer:
    """Ask for the preview of an event with these fields, without its account unless that is one of them."""
    chosen = {"payloadFormat": payload_format} if payload_format else {}
    return api("POST", PREVIEW, json={"event": event(**{"accountId": ABSENT} | fields)} | chosen)


def preview(api: Api, **asked: Any) -> dict[str, Any]:
    """The preview, which there is."""
    answer = ask(api, **asked)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json
    return shown


@pytest.fixture
def secret(customer: Api) -> str:
    """The signing secret of the webhook of `acme`, which sends `standard` to `URL_1`."""
    return str(customer("POST", WEBHOOK, json={"callbackUrl": URL_1}).json["signingSecret"])


def put(customer: Api, payload_format: str) -> None:
    """Change the webhook's payload format."""
    assert customer("PUT", WEBHOOK, json={"callbackUrl": URL_1, "payloadFormat": payload_format}).status_code == 200


# The request


def test_is_what_is_sent(dispatch: Dispatch, receiver: Receiver, platform: Api, customer: Api, queue: Queue) -> None:
    """In each format, the receiver gets the method, the URL, the headers and the bytes that the preview has shown."""
    customer("POST", WEBHOOK, json={"callbackUrl": receiver.url("/hook")})
    events = {
        name: event(
            id=f"evt-{name}",
            status="QUEUED" if name == "phonovation-v2" else "SENT",
            customerMessageId="Größe \U0001f984",
            callbackUrl=receiver.url(f"/{name}?a=b"),
            payloadFormat=name,
        )
        for name in FORMATS
    } | {"webhook": event(id="evt-webhook")}
    shown = {name: preview(customer, **given) for name, given in events.items()}
    dispatch()
    post(platform, *events.values())
    queue.wait_for(DELIVERED=len(events))
    received = {request.path: request for request in receiver.requests}
    for name in events:
        request = received[shown[name]["url"].removeprefix(receiver.base_url)]
        assert (request.method, request.body.decode()) == (shown[name]["method"], shown[name]["body"])
        headers = {header.lower(): value for header, value in shown[name]["headers"].items()}
        assert request.headers.keys() - headers.keys() == {"host", "content-length"}
        assert headers.keys() <= request.headers.keys()
        assert not [
            header for header in headers.keys() - DIFFERENT_EACH_TIME if headers[header] != request.headers[header]
        ]


@pytest.mark.parametrize("name", FORMATS)
def test_the_signature_is_true(customer: Api, secret: str, name: str) -> None:
    """The published library verifies it over exactly this body, and over no other."""
    shown = preview(customer, payload_format=name, status="QUEUED" if name == "phonovation-v2" else "SENT")
    assert Verifier(secret).verify(shown["body"], shown["headers"]) == json.loads(shown["body"])
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(shown["body"] + " ", shown["headers"])
    with pytest.raises(WebhookVerificationError):
        Verifier("whsec_" + "A" * 43 + "=").verify(shown["body"], shown["headers"])


@ON_SQLITE
def test_says_all_headers_that_are_ours(customer: Api, secret: str) -> None:
    """Content type and program are among them, and with mta-v1 its own signature over the body."""
    shown = preview(customer, payload_format="mta-v1")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert shown["headers"]["Content-Type"] == "application/json"
    assert shown["headers"]["User-Agent"].startswith("webhook-admin/")
    assert shown["headers"]["X-Signature"] == hmac.new(key, shown["body"].encode(), hashlib.sha256).hexdigest()
    assert "X-Signature" not in preview(customer)["headers"]


@ON_SQLITE
def test_each_preview_is_a_delivery_of_its_own(customer: Api, secret: str) -> None:
    """`webhook-id` is made anew each time, and `webhook-timestamp` is now; an event without an id gets one of ours."""
    one, other = preview(customer), preview(customer)
    assert one["headers"]["webhook-id"] != other["headers"]["webhook-id"]
    assert one["headers"]["webhook-id"].startswith("dlv_")
    assert abs(int(one["headers"]["webhook-timestamp"]) - time.time()) < 10
    assert json.loads(one["body"])["eventId"].startswith("evt_")
    assert json.loads(preview(customer, id="mine")["body"])["eventId"] == "mine"


# Where to, and in which format


@ON_SQLITE
def test_where_to_and_how(customer: Api, secret: str) -> None:
    """The webhook's URL and format, unless the event has its own; the call's own format comes before both."""
    put(customer, "routee")
    own = {"callbackUrl": URL_2}
    assert _written(preview(customer)) == (URL_1, "routee")
    assert _written(preview(customer, **own)) == (URL_2, "routee")
    assert _written(preview(customer, **own, payloadFormat="insider")) == (URL_2, "insider")
    assert _written(preview(customer, **own, payloadFormat="insider", payload_format="standard")) == (URL_2, "standard")
    assert _written(preview(customer, payload_format="insider")) == (URL_1, "insider")


def _written(shown: dict[str, Any]) -> tuple[str, str]:
    """The URL, and the payload format by what only its bodies have."""
    marks = {"smsId": "routee", "uniqueArgs": "insider", "eventId": "standard"}
    return shown["url"], next(name for mark, name in marks.items() if mark in json.loads(shown["body"]))


def test_without_a_webhook(customer: Api) -> None:
    """404 that names POST, but for an event with a URL of its own: that goes unsigned, as nobody has a secret."""
    refused = ask(customer)
    assert (refused.status_code, refused.json["type"]) == (404, "urn:webhook-admin:webhook-not-found")
    assert f"POST {WEBHOOK}" in refused.json["detail"]
    for name in (None, "mta-v1"):
        shown = preview(customer, callbackUrl=URL_2, payload_format=name)
        assert shown["url"] == URL_2
        assert shown["headers"].keys() == {"Content-Type", "User-Agent", "webhook-id", "webhook-timestamp"}
    assert _written(preview(customer, callbackUrl=URL_2)) == (URL_2, "standard")


# No request


@pytest.mark.parametrize("name", ["phonovation-v2", "routee", "insider", "mta-v1"])
@ON_SQLITE
def test_what_the_format_cannot_say(customer: Api, secret: str, name: str) -> None:
    """Neither body nor headers, and the reason that the delivery would have on record."""
    put(customer, name)
    why = f"The payload format {name} cannot express READ."
    nothing: dict[str, Any] = {"method": "POST", "url": URL_1, "headers": {}, "body": None, "skipped": why}
    assert preview(customer, status="READ") == nothing


def test_a_disabled_webhook(customer: Api, secret: str, database: Database) -> None:
    """Nothing would be sent to it, so nothing is shown but why; an event with a URL of its own would still go there."""
    with database.transaction() as connection:
        connection.execute(update(webhooks).values(status="DISABLED", disabled_reason="GONE"))
    shown = preview(customer)
    assert (shown["url"], shown["headers"], shown["body"]) == (URL_1, {}, None)
    assert "410" in shown["skipped"]
    shown = preview(customer, callbackUrl=URL_2)
    assert Verifier(secret).verify(shown["body"], shown["headers"])


def test_nothing_is_stored_and_nothing_is_sent(
    dispatch: Dispatch, receiver: Receiver, platform: Api, customer: Api, queue: Queue, database: Database
) -> None:
    """No table has another row, and the receiver, with a dispatcher at work, hears of real events only."""
    customer("POST", WEBHOOK, json={"callbackUrl": receiver.url("/hook")})
    dispatch()
    before = _contents(database)
    for asked in ({}, {"status": "READ", "payload_format": "routee"}, {"callbackUrl": receiver.url("/own")}):
        preview(customer, id="evt-1", **asked)
    assert _contents(database) == before
    post(platform, event(id="evt-1", status="READ"))
    queue.wait_for(DELIVERED=1)
    assert [(request.path, json.loads(request.body)["status"]) for request in receiver.requests] == [("/hook", "READ")]


def _contents(database: Database) -> dict[str, list[Any]]:
    """All tables; of the keys only which there are, as their last use is noted at every call."""
    with database.connect() as connection:
        tables = metadata.sorted_tables
        wanted = {table.name: table.primary_key if table.name == "api_keys" else table.c for table in tables}
        return {name: sorted(connection.execute(select(*columns)).all()) for name, columns in wanted.items()}


# Who may ask


def test_an_event_of_the_account(
    make_customer: Callable[[str], Api], platform: Api, customer: Api, secret: str
) -> None:
    """The account may be named, by its own key and by a platform key that acts for it; another's event is 400."""
    make_customer("other")
    acting = replace(platform, account="acme")
    for api in (customer, acting):
        assert preview(api, id="1", accountId="acme")["body"] == preview(api, id="1")["body"]
        for other in ("other", "nobody", "", "a" * 100):
            assert [field for field, _ in faults(ask(api, accountId=other))] == ["event.accountId"]
    assert faults(ask(customer, accountId="other")) == [("event.accountId", "other_account")]
    assert ask(replace(platform, account="other"), accountId="other").status_code == 404


@ON_SQLITE
def test_the_same_access_as_to_the_webhook(anyone: Api, platform: Api, customer: Api, secret: str) -> None:
    """401 without a key, 403 for another account; for a platform key 400 without an account, 404 for an unknown one."""
    assert ask(anyone).status_code == 401
    assert ask(replace(customer, account="other")).status_code == 403
    assert faults(ask(platform)) == [("X-Account-Id", "required")]
    unknown = ask(replace(platform, account="nobody"))
    assert (unknown.status_code, unknown.json["type"]) == (404, "urn:webhook-admin:account-not-found")


# What is refused


BAD: dict[str, dict[str, Any]] = {
    "status": {"status": "LOST"},
    "missing": {"messageId": ABSENT},
    "null": {"to": None},
    "type": {"tags": ["a"]},
    "nested": {"error": {"code": 1.5, "message": 7}},
    "unknown": {"Status": "SENT"},
    "detail": {"details": {"parts": 0, "colour": "red"}},
    "reason": {"reason": "ROAMING"},
    "format": {"payloadFormat": "routee"},
    "url": {"callbackUrl": "http://hooks.example.com"},
    "several": {"id": "a b", "timestamp": "today", "channel": "FAX", "from": 1},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@ON_SQLITE
def test_an_event_is_judged_as_when_it_is_posted(
    platform: Api, customer: Api, secret: str, bad: dict[str, Any]
) -> None:
    """What /events refuses is refused in the same words, with the field's path in this body."""
    posted = post(platform, event(**bad)).json["errors"]
    shown = ask(customer, **bad).json["errors"]
    assert posted
    assert shown == [error | {"field": error["field"].replace("events.0", "event")} for error in posted]


@ON_SQLITE
def test_bodies_that_are_refused(customer: Api, secret: str) -> None:
    """The event must be there and be an object, the format must be one of those that there are, and nothing else."""
    for body, fault in (
        ({}, ("event", "required")),
        ({"event": None}, ("event", "null")),
        ({"event": []}, ("event", "wrong_type")),
        ([], ("body", "wrong_type")),
        ({"event": event(), "payloadFormat": None}, ("payloadFormat", "null")),
        ({"event": event(), "payloadFormat": "xml"}, ("payloadFormat", "unknown_value")),
        ({"event": event(), "events": []}, ("events", "unknown_field")),
    ):
        assert faults(customer("POST", PREVIEW, json=body)) == [fault]
    message = ask(customer, payload_format="xml").json["errors"][0]["message"]
    assert ", ".join(FORMATS) in message


@ON_SQLITE
def test_the_order_of_judgement(anyone: Api, customer: Api, platform: Api) -> None:
    """The key, the method, the media type, the size, the content, and only then what is not there."""
    oversized = {"data": bytes(LIMIT + 1), "content_type": "application/json"}
    assert anyone("PATCH", PREVIEW).status_code == 401
    refused = customer("GET", PREVIEW)
    assert (refused.status_code, set(refused.headers["Allow"].split(", "))) == (405, {"POST", "OPTIONS"})
    assert customer("POST", PREVIEW, data=bytes(LIMIT + 1), content_type="text/plain").status_code == 415
    assert customer("POST", PREVIEW, **oversized).status_code == 413
    assert customer("POST", PREVIEW, data="{", content_type="application/json").status_code == 400
    assert ask(customer, status="LOST").status_code == 400
    assert ask(replace(platform, account="nobody"), status="LOST").status_code == 400
    assert ask(customer).status_code == 404


@ON_SQLITE
def test_size_of_a_body(customer: Api, secret: str) -> None:
    """An event to be looked at may have 64 KiB, as the call is anybody's who has an account key."""
    body = json.dumps({"event": event(accountId="acme", details={"groups": ["x" * 1024] * 60})}).encode()
    for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
        answer = customer("POST", PREVIEW, data=body.ljust(size), content_type="application/json")
        assert answer.status_code == status


# What the document shows


@ON_SQLITE
def test_the_example_is_true(anyone: Api, customer: Api) -> None:
    """The call that the OpenAPI document shows has the answer that it shows, but for signatures and ids."""
    operation = anyone("GET", "/openapi.json").json["paths"][PREVIEW]["post"]
    asked = operation["requestBody"]["content"]["application/json"]["examples"]["event"]["value"]
    shown = operation["responses"]["200"]["content"]["application/json"]["examples"]["request"]["value"]
    customer("POST", WEBHOOK, json={"callbackUrl": shown["url"]})
    answer = customer("POST", PREVIEW, json=asked).json
    assert list(answer["headers"]) == list(shown["headers"])
    assert answer | {"headers": {}} == shown | {"headers": {}}
    assert list(answer) == list(shown)


@ON_SQLITE
def test_every_format_can_be_asked_for(customer: Api, secret: str) -> None:
    """A preview is the format's own body, for each status: shown if it can say it, skipped with its reason if not."""
    for name in FORMATS:
        said = formats.examples(name).keys()
        # But for REJECTED, which one format says with certain reasons only.
        for status in set(Status) - {Status.REJECTED}:
            shown = preview(customer, status=status, payload_format=name)
            assert (shown["body"] is None) == (status not in said)
            assert (shown["body"] is None) == (shown["skipped"] is not None)
