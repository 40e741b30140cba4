"""The signature on a notification (contract, section 2), judged by the library that receivers use."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from webhook_admin.dispatch import signing

SECRET = "whsec_" + base64.b64encode(b"one signing secret of 32 bytes..").decode()
OLDER = "whsec_" + base64.b64encode(b"another secret, a little older..").decode()
BODY = json.dumps({"eventId": "evt_1", "text": "grüß dich"}, ensure_ascii=False).encode()


def now() -> int:
    """The time, in Unix seconds: the library refuses what is older than five minutes."""
    return int(datetime.now(UTC).timestamp())


def test_the_published_library_accepts_it() -> None:
    """A receiver that follows Standard Webhooks can verify a notification."""
    assert Webhook(SECRET).verify(BODY, signing.headers([SECRET], "dlv_1", now(), BODY)) == json.loads(BODY)


@pytest.mark.parametrize("secret", [SECRET, OLDER])
def test_both_secrets_of_a_rotation_verify(secret: str) -> None:
    """While a secret is replaced, receivers with the new one and with the old one can both verify."""
    assert Webhook(secret).verify(BODY, signing.headers([SECRET, OLDER], "dlv_1", now(), BODY))


def test_the_newest_secret_comes_first() -> None:
    """The signatures stand in the order of the secrets."""
    both = signing.headers([SECRET, OLDER], "dlv_1", 1, BODY)["webhook-signature"]
    assert both.split(" ") == [signing.headers([one], "dlv_1", 1, BODY)["webhook-signature"] for one in (SECRET, OLDER)]


@pytest.mark.parametrize(
    ("delivery_id", "seconds", "body"),
    [("dlv_2", 0, BODY), ("dlv_1", 1, BODY), ("dlv_1", 0, BODY + b" ")],
    ids=["id", "timestamp", "body"],
)
def test_nothing_signed_can_be_changed(delivery_id: str, seconds: int, body: bytes) -> None:
    """A signature holds for one id, one timestamp and one body."""
    signed = signing.headers([SECRET], "dlv_1", now(), BODY)
    changed = {"webhook-id": delivery_id, "webhook-timestamp": str(int(signed["webhook-timestamp"]) + seconds)}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, signed | changed)


def test_the_vector_of_the_specification() -> None:
    """The bytes are those of the published test vector."""
    headers = signing.headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_without_a_secret_there_is_no_signature() -> None:
    """A message's own callback URL, of an account without a webhook, is notified unsigned."""
    assert signing.headers([], "dlv_1", 7, BODY) == {"webhook-id": "dlv_1", "webhook-timestamp": "7"}


@given(st.binary(max_size=64))
def test_a_key_is_the_bytes_of_its_secret(key: bytes) -> None:
    """The text of a secret stands for its bytes, whatever they are."""
    assert signing.key("whsec_" + base64.b64encode(key).decode()) == key


@pytest.mark.parametrize("secret", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64", "whsec_abc"])
def test_other_text_is_no_secret(secret: str) -> None:
    """What is no `whsec_<base64>` is refused, and not signed with by accident."""
    with pytest.raises(ValueError, match=r"begins with|base64|padding"):
        signing.key(secret)
