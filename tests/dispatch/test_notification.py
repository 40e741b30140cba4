"""One event, as one receiver is to get it (contract, section 2)."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from tests.engine import event
from webhook_admin import formats
from webhook_admin.dispatch import signing
from webhook_admin.dispatch.notification import headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FORMATS = ["standard", "phonovation-v2", "routee", "insider", "mta-v1"]
SENT, QUEUED = event(), event(status="QUEUED")


def written(payload_format: str = "standard", secrets: Sequence[str] = (SECRET,)) -> tuple[bytes, Mapping[str, str]]:
    """A notification in this format: its body and its headers."""
    body = formats.render(payload_format, QUEUED if payload_format == "phonovation-v2" else SENT)
    assert body
    return body, headers(payload_format, body, secrets, "dlv_1", int(time.time()))


@pytest.mark.parametrize("payload_format", FORMATS)
def test_every_format_is_signed(payload_format: str) -> None:
    """The published library verifies it, whatever the format."""
    body, headers = written(payload_format)
    assert Verifier(SECRET).verify(body, dict(headers)) == json.loads(body)


@pytest.mark.parametrize("payload_format", FORMATS)
def test_it_says_what_it_is(payload_format: str) -> None:
    """JSON, from this program, with the delivery's id and the time in seconds."""
    _, headers = written(payload_format)
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == f"webhook-admin/{version('webhook-admin')}"
    assert headers["webhook-id"] == "dlv_1"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 10


@pytest.mark.parametrize("payload_format", FORMATS)
def test_without_a_secret_it_is_not_signed(payload_format: str) -> None:
    """No signature is better than one that anybody could make."""
    _, headers = written(payload_format, secrets=())
    assert not [name for name in headers if "signature" in name.lower()]
    assert headers["webhook-id"] == "dlv_1"


def test_the_newest_secret_signs_in_the_formats_own_header() -> None:
    """Of two secrets; the published library verifies with either."""
    older = "whsec_" + "A" * 43 + "="
    body, headers = written("mta-v1", (SECRET, older))
    assert headers["X-Signature"] == hmac.new(signing.key(SECRET), body, hashlib.sha256).hexdigest()
    for secret in (SECRET, older):
        assert Verifier(secret).verify(body, dict(headers))


def test_a_test_says_so() -> None:
    """By a header, which real notifications do not have."""
    _, real = written()
    test = headers("standard", b"{}", [SECRET], "dlv_1", 1, test=True)
    assert test["webhook-test"] == "true"
    assert "webhook-test" not in real


def test_a_formats_own_header_is_beside_ours() -> None:
    """mta-v1's X-Signature is the body's HMAC, keyed by the secret's bytes."""
    body, headers = written("mta-v1")
    expected = hmac.new(signing.key(SECRET), body, hashlib.sha256).hexdigest()
    assert headers["X-Signature"] == expected


@pytest.mark.parametrize(
    ("payload_format", "accepted"),
    [("standard", True), ("phonovation-v2", False), ("routee", False), ("insider", False), ("mta-v1", False)],
)
def test_success_is_what_the_formats_owner_says(payload_format: str, accepted: bool) -> None:
    """202 is a success for `standard`, and none where the document says exactly 200."""
    assert 200 in formats.success(payload_format)
    assert (202 in formats.success(payload_format)) is accepted
