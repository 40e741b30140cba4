"""/webhooks/delivery-status: the one webhook of an account (contract, section 1)."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.api import URL_1, URL_2, WEBHOOK, Api
from webhook_admin.db import Database
from webhook_admin.formats import FORMATS
from webhook_admin.models import webhooks

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
CHANGES: dict[str, dict[str, Any]] = {"PUT": {"json": {"callbackUrl": URL_2}}, "DELETE": {}}


@pytest.fixture
def webhook(customer: Api) -> dict[str, Any]:
    """The webhook of `acme`, as POST has shown it."""
    shown: dict[str, Any] = customer("POST", WEBHOOK, json={"callbackUrl": URL_1}).json
    return shown


def etag(api: Api) -> str:
    """The ETag of the account's webhook."""
    return api("GET", WEBHOOK).headers["ETag"]


def stored_secret(database: Database) -> bytes:
    """What the table has of the only webhook's signing secret."""
    with database.connect() as connection:
        return bytes(connection.execute(select(webhooks.c.signing_secret)).scalar_one())


# POST


def test_post_shows_the_whole_webhook(customer: Api) -> None:
    """POST answers 201 with the webhook: what was given, the defaults of what was not, and the signing secret."""
    response = customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    assert response.status_code == 201
    webhook = response.json
    assert webhook == {
        "id": webhook["id"],
        "callbackUrl": URL_1,
        "payloadFormat": "standard",
        "description": None,
        "ordering": "none",
        "superseded": "send",
        "status": "ACTIVE",
        "disabledReason": None,
        "failingSince": None,
        "previousSecretExpiresAt": None,
        "createdAt": webhook["createdAt"],
        "updatedAt": webhook["createdAt"],
        "signingSecret": webhook["signingSecret"],
    }


@pytest.mark.parametrize("payload_format", FORMATS)
def test_post_keeps_every_field(customer: Api, payload_format: str) -> None:
    """Every payload format can be chosen, and a description can be any text."""
    text = "Zażółć \U0001f984 \\ \" '"
    chosen = {"payloadFormat": payload_format, "description": text, "ordering": "message", "superseded": "skip"}
    body = {"callbackUrl": URL_1} | chosen
    assert customer("POST", WEBHOOK, json=body).json.items() > body.items()
    assert customer("GET", WEBHOOK).json.items() > body.items()


def test_times_are_rfc_3339_in_utc(customer: Api) -> None:
    """`createdAt` is the moment of the call, in RFC 3339 and UTC with `Z`."""
    before = datetime.now(UTC)
    created_at = customer("POST", WEBHOOK, json={"callbackUrl": URL_1}).json["createdAt"]
    assert TIME.fullmatch(created_at)
    assert before <= datetime.fromisoformat(created_at) <= datetime.now(UTC)


def test_ids_are_prefixed_and_in_the_order_of_time(make_customer: Callable[[str], Api]) -> None:
    """A webhook's id begins with `wh_`, and sorts behind those of all earlier webhooks."""
    customers = [make_customer(account_id) for account_id in ("c", "a", "b")]
    ids = [customer("POST", WEBHOOK, json={"callbackUrl": URL_1}).json["id"] for customer in customers]
    assert ids == sorted(ids)
    assert all(re.fullmatch(r"wh_[0-9a-f]{32}", id_) for id_ in ids)


def test_location_leads_to_the_webhook(customer: Api) -> None:
    """The Location of a 201 is the path at which GET answers the same webhook with the same ETag."""
    created = customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    assert created.headers["Location"] == WEBHOOK
    found = customer("GET", created.headers["Location"])
    assert found.headers["ETag"] == created.headers["ETag"]
    assert found.json == {name: value for name, value in created.json.items() if name != "signingSecret"}


def test_location_keeps_a_path_prefix(customer: Api) -> None:
    """Behind a path prefix the Location of a 201 begins with it."""
    created = customer("POST", WEBHOOK, json={"callbackUrl": URL_1}, environ_overrides={"SCRIPT_NAME": "/hooks"})
    assert created.headers["Location"] == f"/hooks{WEBHOOK}"


def test_second_post_is_a_conflict(customer: Api, webhook: dict[str, Any]) -> None:
    """With a webhook in place POST is 409, says that PUT and DELETE are the way on, and changes nothing."""
    before = customer("GET", WEBHOOK)
    response = customer("POST", WEBHOOK, json={"callbackUrl": URL_2})
    assert response.status_code == 409
    assert f"PUT {WEBHOOK}" in response.json["detail"]
    assert f"DELETE {WEBHOOK}" in response.json["detail"]
    after = customer("GET", WEBHOOK)
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])


def test_each_account_has_its_own(make_customer: Callable[[str], Api]) -> None:
    """What one account does to its webhook, the webhook of another does not notice."""
    one, other = make_customer("one"), make_customer("other")
    one("POST", WEBHOOK, json={"callbackUrl": URL_1})
    assert other("GET", WEBHOOK).status_code == 404
    other("POST", WEBHOOK, json={"callbackUrl": URL_2})
    assert other("DELETE", WEBHOOK).status_code == 204
    assert one("GET", WEBHOOK).json["callbackUrl"] == URL_1


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://HOOKS.Example.COM:443/A/../b//%7e%7E?q=+%20&&q",
        "https://bücher.example/%c3%bc?%C3%BC",
        "https://hooks.example.com./?",
        f"https://hooks.example.com/{'x' * 2022}",
    ],
)
def test_callback_url_is_kept_byte_for_byte(customer: Api, url: str) -> None:
    """The callback URL comes back exactly as it was given, from POST, GET and PUT."""
    assert customer("POST", WEBHOOK, json={"callbackUrl": url}).json["callbackUrl"] == url
    assert customer("GET", WEBHOOK).json["callbackUrl"] == url
    assert customer("PUT", WEBHOOK, json={"callbackUrl": url}).json["callbackUrl"] == url


# The signing secret


def test_signing_secret_is_a_standard_webhooks_key(webhook: dict[str, Any]) -> None:
    """The signing secret is `whsec_` and the base64 of at least the 24 bytes that Standard Webhooks asks for."""
    prefix, _, encoded = webhook["signingSecret"].partition("_")
    assert prefix == "whsec"
    assert len(base64.b64decode(encoded, validate=True)) >= 24


def test_signing_secret_is_shown_once(customer: Api, platform: Api, webhook: dict[str, Any]) -> None:
    """After the answer to POST nothing shows the signing secret: not GET, PUT, the list, nor a refused POST."""
    answers = [
        customer("GET", WEBHOOK),
        customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}),
        customer("POST", WEBHOOK, json={"callbackUrl": URL_1}),
        platform("GET", "/webhooks"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 409, 200]
    assert webhook["signingSecret"].startswith("whsec_")
    assert not [answer.text for answer in answers if "signingSecret" in answer.text or "whsec_" in answer.text]


def test_signing_secret_is_stored_encrypted(app: Flask, database: Database, webhook: dict[str, Any]) -> None:
    """The table holds the signing secret only in a form that needs the service's cipher."""
    stored = stored_secret(database)
    assert base64.b64decode(webhook["signingSecret"].removeprefix("whsec_")) not in base64.urlsafe_b64decode(stored)
    assert webhook["signingSecret"].encode() not in stored
    assert app.extensions["webhook_admin"].cipher.decrypt(stored).decode() == webhook["signingSecret"]


# GET


def test_get_without_a_webhook_names_post(customer: Api) -> None:
    """Without a webhook GET is 404, and says how to make one."""
    response = customer("GET", WEBHOOK)
    assert response.status_code == 404
    assert f"POST {WEBHOOK}" in response.json["detail"]


def test_get_of_what_the_caller_has_is_304(customer: Api, webhook: dict[str, Any]) -> None:
    """GET with an If-None-Match that names the ETag is 304 without a body."""
    tag = etag(customer)
    for if_none_match in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = customer("GET", WEBHOOK, headers={"If-None-Match": if_none_match})
        assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", tag), if_none_match


def test_get_of_what_has_changed_is_200(customer: Api, webhook: dict[str, Any]) -> None:
    """GET with the ETag of a former state answers the webhook in full."""
    former = etag(customer)
    customer("PUT", WEBHOOK, json={"callbackUrl": URL_2})
    response = customer("GET", WEBHOOK, headers={"If-None-Match": former})
    assert (response.status_code, response.json["callbackUrl"]) == (200, URL_2)


def test_head_is_get_without_the_body(customer: Api, webhook: dict[str, Any]) -> None:
    """HEAD answers what GET does, only without a body."""
    head, get = customer("HEAD", WEBHOOK), customer("GET", WEBHOOK)
    assert (head.status_code, head.data) == (200, b"")
    assert [head.headers[name] for name in ("ETag", "Content-Length")] == [get.headers["ETag"], str(len(get.data))]


# PUT


def test_put_changes_the_webhook(customer: Api, webhook: dict[str, Any]) -> None:
    """PUT answers 200 with the changed webhook: same id, same `createdAt`, a later `updatedAt`."""
    body = {"callbackUrl": URL_2, "payloadFormat": "mta-v1", "description": "new"}
    response = customer("PUT", WEBHOOK, json=body)
    assert response.status_code == 200
    unchanged = {name: value for name, value in webhook.items() if name not in {*body, "updatedAt", "signingSecret"}}
    assert response.json == body | unchanged | {"updatedAt": response.json["updatedAt"]}
    assert response.json["updatedAt"] > webhook["updatedAt"]
    assert customer("GET", WEBHOOK).json == response.json


def test_put_keeps_what_is_left_out(customer: Api) -> None:
    """A field that PUT leaves out keeps its value."""
    kept = {"payloadFormat": "insider", "description": "kept"}
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1} | kept)
    assert customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}).json.items() > kept.items()


def test_put_keeps_the_signing_secret(customer: Api, database: Database, webhook: dict[str, Any]) -> None:
    """PUT neither changes nor shows the signing secret."""
    before = stored_secret(database)
    assert "signingSecret" not in customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}).json
    assert stored_secret(database) == before


def test_put_clears_the_description(customer: Api) -> None:
    """A description of null takes the description away."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1, "description": "old"})
    assert customer("PUT", WEBHOOK, json={"callbackUrl": URL_1, "description": None}).json["description"] is None


def test_put_requires_the_callback_url(customer: Api, webhook: dict[str, Any]) -> None:
    """PUT without `callbackUrl` is 400, names it, and changes nothing."""
    response = customer("PUT", WEBHOOK, json={"description": "new"})
    assert response.status_code == 400
    assert [(error["field"], error["code"]) for error in response.json["errors"]] == [("callbackUrl", "required")]
    assert customer("GET", WEBHOOK).json["description"] is None


def test_put_never_creates(customer: Api) -> None:
    """Without a webhook PUT is 404, says that POST makes one, and makes none."""
    response = customer("PUT", WEBHOOK, json={"callbackUrl": URL_1})
    assert response.status_code == 404
    assert f"POST {WEBHOOK}" in response.json["detail"]
    assert customer("GET", WEBHOOK).status_code == 404


def test_put_activates_a_disabled_webhook(customer: Api, database: Database, webhook: dict[str, Any]) -> None:
    """A disabled webhook says why, and PUT makes it active again, even with the same callback URL."""
    with database.transaction() as connection:
        connection.execute(update(webhooks).values(status="DISABLED", disabled_reason="GONE"))
    disabled = customer("GET", WEBHOOK).json
    assert (disabled["status"], disabled["disabledReason"]) == ("DISABLED", "GONE")
    active = customer("PUT", WEBHOOK, json={"callbackUrl": URL_1}).json
    assert (active["status"], active["disabledReason"]) == ("ACTIVE", None)


# DELETE


def test_delete_leaves_nothing(customer: Api, webhook: dict[str, Any]) -> None:
    """DELETE answers 204 without a body or a media type; the webhook is gone, also for a second DELETE."""
    response = customer("DELETE", WEBHOOK)
    assert (response.status_code, response.data, response.content_type) == (204, b"", None)
    assert customer("GET", WEBHOOK).status_code == 404
    assert customer("DELETE", WEBHOOK).status_code == 404


def test_delete_without_a_webhook_names_post(customer: Api) -> None:
    """Without a webhook DELETE is 404, and says how to make one."""
    response = customer("DELETE", WEBHOOK)
    assert response.status_code == 404
    assert f"POST {WEBHOOK}" in response.json["detail"]


def test_post_after_delete_makes_a_new_webhook(customer: Api, webhook: dict[str, Any]) -> None:
    """A webhook made after a DELETE shares nothing with the former one: not the id, nor the secret, nor the ETag."""
    former = etag(customer)
    customer("DELETE", WEBHOOK)
    response = customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    assert response.status_code == 201
    assert response.json["id"] > webhook["id"]
    assert response.json["signingSecret"] != webhook["signingSecret"]
    assert response.headers["ETag"] != former


# ETag and If-Match


def test_etag_is_strong_and_changes_with_the_webhook(customer: Api) -> None:
    """POST, GET and PUT send a strong ETag: the same for the same state, another after every change."""
    posted = customer("POST", WEBHOOK, json={"callbackUrl": URL_1}).headers["ETag"]
    read = etag(customer)
    put = customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}).headers["ETag"]
    assert re.fullmatch(r'"[^"]+"', posted)
    assert posted == read != put == etag(customer)


@pytest.mark.parametrize("method", CHANGES)
@pytest.mark.parametrize("if_match", ["{etag}", "*", '"other", {etag}'])
def test_if_match_that_holds(customer: Api, webhook: dict[str, Any], method: str, if_match: str) -> None:
    """With an If-Match that names the ETag, alone or among others, or any, a change is made."""
    response = customer(method, WEBHOOK, headers={"If-Match": if_match.format(etag=etag(customer))}, **CHANGES[method])
    assert response.status_code in (200, 204)


@pytest.mark.parametrize("method", CHANGES)
def test_if_match_that_does_not_hold(customer: Api, webhook: dict[str, Any], method: str) -> None:
    """With an If-Match that does not name the ETag, strongly, a change is 412 and nothing happens."""
    before = customer("GET", WEBHOOK)
    tag = before.headers["ETag"]
    for if_match in ('"other"', f"W/{tag}", f'"other", W/{tag}', ""):
        assert customer(method, WEBHOOK, headers={"If-Match": if_match}, **CHANGES[method]).status_code == 412, if_match
    after = customer("GET", WEBHOOK)
    assert (after.json, after.headers["ETag"]) == (before.json, tag)


@pytest.mark.parametrize("method", CHANGES)
def test_if_match_without_a_webhook(customer: Api, method: str) -> None:
    """Without a webhook a change is 404, whatever If-Match says."""
    for if_match in ('"other"', "*"):
        assert customer(method, WEBHOOK, headers={"If-Match": if_match}, **CHANGES[method]).status_code == 404


@pytest.mark.parametrize("method", CHANGES)
def test_if_none_match_that_does_not_hold(customer: Api, webhook: dict[str, Any], method: str) -> None:
    """With an If-None-Match that names the ETag, also weakly, or any, a change is 412 and nothing happens."""
    before = customer("GET", WEBHOOK)
    tag = before.headers["ETag"]
    for tags in ("*", tag, f"W/{tag}", f'"other", {tag}'):
        assert customer(method, WEBHOOK, headers={"If-None-Match": tags}, **CHANGES[method]).status_code == 412, tags
    both = {"If-Match": '"other"', "If-None-Match": '"another"'}
    assert customer(method, WEBHOOK, headers=both, **CHANGES[method]).status_code == 412
    after = customer("GET", WEBHOOK)
    assert (after.json, after.headers["ETag"]) == (before.json, tag)


@pytest.mark.parametrize("method", CHANGES)
def test_if_none_match_that_holds(customer: Api, webhook: dict[str, Any], method: str) -> None:
    """With an If-None-Match that names other ETags only, a change is made."""
    headers = {"If-Match": etag(customer), "If-None-Match": '"other"'}
    assert customer(method, WEBHOOK, headers=headers, **CHANGES[method]).status_code in (200, 204)


@pytest.mark.parametrize("method", CHANGES)
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_entity_tags_are_bounded(customer: Api, webhook: dict[str, Any], method: str, header: str) -> None:
    """More than 100 entity tags are 400, naming the header, and nothing happens."""
    for number, status in ((70_000, 400), (101, 400), (100, 412)):
        tags = ", ".join([f'"{tag}"' for tag in range(number - 1)] + [etag(customer) if "N" in header else '"x"'])
        refused = customer(method, WEBHOOK, headers={header: tags}, **CHANGES[method])
        assert refused.status_code == status
        if status == 400:
            assert [(error["field"], error["code"]) for error in refused.json["errors"]] == [(header, "too_many")]


@pytest.mark.parametrize("method", CHANGES)
def test_if_none_match_without_a_webhook(customer: Api, method: str) -> None:
    """Without a webhook a change is 404, whatever If-None-Match says."""
    for tags in ('"other"', "*"):
        assert customer(method, WEBHOOK, headers={"If-None-Match": tags}, **CHANGES[method]).status_code == 404


# Platform keys


def test_platform_key_acts_for_the_account_that_it_names(platform: Api, customer: Api) -> None:
    """A platform key that names an account in X-Account-Id may do all that the account's own keys may."""
    acting = replace(platform, account="acme")
    assert acting("POST", WEBHOOK, json={"callbackUrl": URL_1}).status_code == 201
    assert acting("GET", WEBHOOK).json == customer("GET", WEBHOOK).json
    assert acting("PUT", WEBHOOK, json={"callbackUrl": URL_2}).json == customer("GET", WEBHOOK).json
    assert acting("DELETE", WEBHOOK).status_code == 204
    assert customer("GET", WEBHOOK).status_code == 404
