"""One event, as one receiver is to get it (contract, section 2)."""

import hashlib
import hmac
import json
import time
from importlib.metadata import version

import pytest
from engine import URL, event
from standardwebhooks.webhooks import Webhook as Verifier

from webhook_admin import formats
from webhook_admin.dispatch import signing
from webhook_admin.dispatch.notification import write
from webhook_admin.sender.sender import Request

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = int(time.time())
FORMATS = ["standard", "phonovation-v2", "routee", "insider", "mta-v1"]
SENT, QUEUED = event(), event(status="QUEUED")


def written(payload_format: str = "standard", secret: str | None = SECRET) -> Request:
    """A notification in this format."""
    request = write(QUEUED if payload_format == "phonovation-v2" else SENT, payload_format, URL, secret, "dlv_1", NOW)
    assert request
    return request


@pytest.mark.parametrize("payload_format", FORMATS)
def test_every_format_is_signed(payload_format: str) -> None:
    """The published library verifies it, whatever the format."""
    request = written(payload_format)
    assert Verifier(SECRET).verify(request.body, dict(request.headers)) == json.loads(request.body)


@pytest.mark.parametrize("payload_format", FORMATS)
def test_it_says_what_it_is(payload_format: str) -> None:
    """JSON, from this program, with the delivery's id and the time in seconds."""
    headers = written(payload_format).headers
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == f"webhook-admin/{version('webhook-admin')}"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("dlv_1", str(NOW))


@pytest.mark.parametrize("payload_format", FORMATS)
def test_without_a_secret_it_is_not_signed(payload_format: str) -> None:
    """No signature is better than one that anybody could make."""
    headers = written(payload_format, secret=None).headers
    assert not [name for name in headers if "signature" in name.lower()]
    assert headers["webhook-id"] == "dlv_1"


def test_a_formats_own_header_is_beside_ours() -> None:
    """mta-v1's X-Signature is the body's HMAC, keyed by the secret's bytes."""
    request = written("mta-v1")
    expected = hmac.new(signing.key(SECRET), request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Signature"] == expected


@pytest.mark.parametrize(
    ("payload_format", "accepted"),
    [("standard", True), ("phonovation-v2", False), ("routee", False), ("insider", False), ("mta-v1", False)],
)
def test_success_is_what_the_formats_owner_says(payload_format: str, accepted: bool) -> None:
    """202 is a success for `standard`, and none where the document says exactly 200."""
    assert 200 in written(payload_format).success
    assert (202 in written(payload_format).success) is accepted


def test_what_a_format_cannot_say_is_no_request() -> None:
    """Nothing is bent to fit."""
    assert write(event(status="READ"), "routee", URL, SECRET, "dlv_1", NOW) is None
    assert formats.skip_reason("routee", event(status="READ"))
