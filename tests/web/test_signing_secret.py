"""Rotation of the signing secret: POST .../signing-secret and DELETE .../previous-secret."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet
from flask import Flask
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from tests.api import URL_1, URL_2, WEBHOOK, Api
from tests.engine import together
from tests.web.event_calls import ABSENT, event, faults
from webhook_admin import signing_secrets
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.dispatch import signing
from webhook_admin.models import webhooks

ROTATE = f"{WEBHOOK}/signing-secret"
PREVIOUS = f"{WEBHOOK}/previous-secret"
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def secret(customer: Api) -> str:
    """The signing secret of the webhook of `acme`."""
    return str(customer("POST", WEBHOOK, json={"callbackUrl": URL_1}).json["signingSecret"])


def rotate(customer: Api, **body: Any) -> dict[str, Any]:
    """Rotate the secret, which works."""
    done = customer("POST", ROTATE, json=body)
    assert done.status_code == 201, done.text
    rotated: dict[str, Any] = done.json
    return rotated


def seconds_left(text: str) -> float:
    """How far away a moment of an answer is."""
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()


def end_overlap(database: Database) -> None:
    """Let the time of the overlap pass."""
    with database.connect() as connection:
        a_second_ago = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(webhooks).values(previous_secret_expires_at=a_second_ago))


def fitting(customer: Api, *secrets: str, payload_format: str = "standard") -> list[bool]:
    """Which of the secrets verify what would be sent now."""
    asked = {"event": event(accountId=ABSENT), "payloadFormat": payload_format}
    shown = customer("POST", f"{WEBHOOK}/preview", json=asked).json
    return [fits(secret, shown) for secret in secrets]


def fits(secret: str, shown: dict[str, Any]) -> bool:
    """Whether the published library verifies it."""
    try:
        Verifier(secret).verify(shown["body"], shown["headers"])
    except WebhookVerificationError:
        return False
    return True


# Rotation


def test_a_rotation_has_a_new_secret(customer: Api, secret: str) -> None:
    """For a day, both sign; the webhook says until when, and shows neither."""
    rotated = rotate(customer)
    assert rotated.keys() == {"signingSecret", "previousSecretExpiresAt"}
    assert rotated["signingSecret"] != secret
    assert fitting(customer, rotated["signingSecret"], secret) == [True, True]
    assert 86_390 < seconds_left(rotated["previousSecretExpiresAt"]) <= 86_400
    shown = customer("GET", WEBHOOK)
    assert shown.json["previousSecretExpiresAt"] == rotated["previousSecretExpiresAt"]
    assert "whsec_" not in shown.text


@ON_SQLITE
def test_a_call_without_a_body_is_a_rotation(customer: Api, secret: str) -> None:
    """Both fields may be left out, and so may the object that would have them."""
    assert customer("POST", ROTATE).status_code == 201


@ON_SQLITE
@pytest.mark.parametrize("seconds", [1, 3600, 604_800, 60.0])
def test_the_overlap_is_as_asked(customer: Api, secret: str, seconds: float) -> None:
    """From a second to a week; 60.0 is a whole number, too."""
    left = seconds_left(rotate(customer, overlapSeconds=seconds)["previousSecretExpiresAt"])
    assert seconds - 10 < left <= seconds


@ON_SQLITE
def test_no_overlap(customer: Api, secret: str) -> None:
    """With 0 seconds the old secret stops at once, and another rotation may follow."""
    rotated = rotate(customer, overlapSeconds=0)
    assert rotated["previousSecretExpiresAt"] is None
    assert fitting(customer, rotated["signingSecret"], secret) == [True, False]
    assert customer("GET", WEBHOOK).json["previousSecretExpiresAt"] is None
    rotate(customer)


def test_the_overlap_ends_by_itself(customer: Api, secret: str, database: Database, platform: Api) -> None:
    """The webhook then says null, here and in the platform's list; another rotation is free to follow."""
    new = rotate(customer)["signingSecret"]
    end_overlap(database)
    assert customer("GET", WEBHOOK).json["previousSecretExpiresAt"] is None
    assert platform("GET", "/webhooks").json["items"][0]["previousSecretExpiresAt"] is None
    assert fitting(customer, new, secret) == [True, False]
    rotate(customer)


def test_one_overlap_at_a_time(customer: Api, secret: str) -> None:
    """Another rotation is 409, says what it would do and what to do, and changes nothing."""
    new = rotate(customer)["signingSecret"]
    before = customer("GET", WEBHOOK)
    for body in ({}, {"overlapSeconds": 0}, {"force": False}):
        refused = customer("POST", ROTATE, json=body)
        assert (refused.status_code, refused.json["type"]) == (409, "urn:webhook-admin:rotation-in-progress")
        assert "force" in refused.json["detail"]
        assert f"DELETE {PREVIOUS}" in refused.json["detail"]
    assert customer("GET", WEBHOOK).headers["ETag"] == before.headers["ETag"]
    assert fitting(customer, new, secret) == [True, True]


def test_force_drops_the_oldest(customer: Api, secret: str) -> None:
    """The newest two sign."""
    second = rotate(customer)["signingSecret"]
    third = rotate(customer, force=True)["signingSecret"]
    assert fitting(customer, third, second, secret) == [True, True, False]


def test_of_many_rotations_at_once_one_is_made(customer: Api, app: Flask, secret: str) -> None:
    """The others are 409: no secret is lost before anybody has seen it."""
    answers = together(8, lambda _: replace(customer, client=app.test_client())("POST", ROTATE, json={}))
    assert sorted(done.status_code for done in answers) == [201] + [409] * 7
    (rotated,) = (done.json for done in answers if done.status_code == 201)
    assert fitting(customer, rotated["signingSecret"], secret) == [True, True]


@ON_SQLITE
def test_the_newest_signs_in_the_formats_own_way(customer: Api, secret: str) -> None:
    """X-Signature of mta-v1 has no room for two: it is the new secret's."""
    new = rotate(customer)["signingSecret"]
    asked = {"event": event(accountId=ABSENT), "payloadFormat": "mta-v1"}
    shown = customer("POST", f"{WEBHOOK}/preview", json=asked).json
    expected = hmac.new(signing.key(new), shown["body"].encode(), hashlib.sha256).hexdigest()
    assert shown["headers"]["X-Signature"] == expected


@ON_SQLITE
def test_the_webhook_has_changed(customer: Api, secret: str) -> None:
    """A rotation and the end of an overlap change the ETag and `updatedAt`; all else stays, also through a PUT."""
    first = customer("GET", WEBHOOK)
    rotate(customer)
    second = customer("GET", WEBHOOK)
    assert second.headers["ETag"] != first.headers["ETag"]
    assert second.json["updatedAt"] > first.json["updatedAt"]
    changed = {"updatedAt", "previousSecretExpiresAt"}
    assert {name for name in second.json if second.json[name] != first.json[name]} == changed
    put = customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}).json
    assert put["previousSecretExpiresAt"] == second.json["previousSecretExpiresAt"]
    stale = customer("PUT", WEBHOOK, json={"callbackUrl": URL_1}, headers={"If-Match": first.headers["ETag"]})
    assert stale.status_code == 412


# The end of an overlap


def test_the_previous_secret_can_be_dropped(customer: Api, secret: str) -> None:
    """204, and it stops now; another rotation is free to follow."""
    new = rotate(customer)["signingSecret"]
    assert customer("DELETE", PREVIOUS).status_code == 204
    assert fitting(customer, new, secret) == [True, False]
    assert customer("GET", WEBHOOK).json["previousSecretExpiresAt"] is None
    rotate(customer)


@ON_SQLITE
def test_dropping_none_changes_nothing(customer: Api, secret: str) -> None:
    """204 as well, with the same ETag: the call may be repeated."""
    before = customer("GET", WEBHOOK).headers["ETag"]
    assert [customer("DELETE", PREVIOUS).status_code for _ in range(2)] == [204, 204]
    assert customer("GET", WEBHOOK).headers["ETag"] == before
    assert fitting(customer, secret) == [True]


# Refusals, and other accounts


@ON_SQLITE
def test_without_a_webhook(customer: Api) -> None:
    """404 that names POST."""
    for refused in (customer("POST", ROTATE, json={}), customer("DELETE", PREVIOUS)):
        assert (refused.status_code, refused.json["type"]) == (404, "urn:webhook-admin:webhook-not-found")


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"overlapSeconds": -1}, ("overlapSeconds", "invalid")),
        ({"overlapSeconds": 604_801}, ("overlapSeconds", "invalid")),
        ({"overlapSeconds": 1.5}, ("overlapSeconds", "invalid")),
        ({"overlapSeconds": True}, ("overlapSeconds", "invalid")),
        ({"overlapSeconds": "60"}, ("overlapSeconds", "invalid")),
        ({"overlapSeconds": None}, ("overlapSeconds", "null")),
        ({"overlapSeconds": 10**400}, ("overlapSeconds", "invalid")),
        ({"force": 1}, ("force", "invalid")),
        ({"force": "true"}, ("force", "invalid")),
        ({"overlap": 60}, ("overlap", "unknown_field")),
        ([], ("body", "wrong_type")),
    ],
)
def test_what_is_refused(customer: Api, secret: str, body: Any, fault: tuple[str, str]) -> None:
    """400 with the field, and the secret is the old one."""
    assert faults(customer("POST", ROTATE, json=body)) == [fault]
    assert fitting(customer, secret) == [True]


def test_another_account_is_out_of_reach(
    make_customer: Callable[[str], Api], platform: Api, anyone: Api, customer: Api, secret: str
) -> None:
    """Neither its own key nor one without an account rotates or drops the secrets of `acme`."""
    other = make_customer("other")
    assert other("POST", WEBHOOK, json={"callbackUrl": URL_2}).status_code == 201
    new = rotate(customer)["signingSecret"]
    rotate(other)
    assert other("DELETE", PREVIOUS).status_code == 204
    for api, status in (
        (replace(other, account="acme"), 403),
        (replace(platform, account="other"), 201),
        (platform, 400),
        (anyone, 401),
    ):
        assert api("POST", ROTATE, json={"force": True}).status_code == status
        assert api("DELETE", PREVIOUS).status_code == (204 if status == 201 else status)
    assert fitting(customer, new, secret) == [True, True]
    assert fitting(other, new, secret) == [False, False]


# The store


def test_the_store_holds_no_readable_secret(customer: Api, secret: str, database: Database) -> None:
    """Both are encrypted."""
    new = rotate(customer)["signingSecret"]
    with database.connect() as connection:
        stored = connection.execute(select(webhooks.c.signing_secret, webhooks.c.previous_secret)).one()
    assert not [True for encrypted in stored for text in (secret, new) if text.encode() in encrypted]


def test_a_rotation_encrypts_both_with_the_new_key(customer: Api, secret: str, database: Database) -> None:
    """After a change of the encryption key, nothing of a rotated webhook needs the old key."""
    (old_key,) = map(Fernet, Settings.from_environment().secret_key)
    new_key = Fernet(Fernet.generate_key())
    both = MultiFernet([new_key, old_key])
    with database.transaction() as transaction:
        rotated = signing_secrets.rotate(transaction, both, "acme", datetime.now(UTC))
        found = signing_secrets.get(transaction, MultiFernet([new_key]), "acme")
    assert (found.current, found.previous) == (rotated.signing_secret, secret)
