"""The headers by which a receiver knows that a notification is ours: Standard Webhooks, version 1.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
from collections.abc import Sequence
from functools import lru_cache

_PREFIX = "whsec_"


@lru_cache(maxsize=10_000)
def key(secret: str) -> bytes:
    """The bytes that the signing secret `whsec_<base64>` stands for. Raises `ValueError` for any other text."""
    if not secret.startswith(_PREFIX):
        raise ValueError(f"A signing secret begins with {_PREFIX}.")
    return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)


def headers(secrets: Sequence[str], delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The `webhook-` headers of one attempt, made at `timestamp` (Unix seconds).

    One signature for each of `secrets`, in their order: the newest first. Without a secret, no signature.
    """
    identity = {"webhook-id": delivery_id, "webhook-timestamp": str(timestamp)}
    if not secrets:
        return identity
    content = b"%b.%d.%b" % (delivery_id.encode(), timestamp, body)
    return identity | {"webhook-signature": " ".join([signature(secret, content) for secret in secrets])}


def signature(secret: str, content: bytes) -> str:
    """The signature over `<id>.<timestamp>.<body>`."""
    return "v1," + base64.b64encode(hmac.digest(key(secret), content, "sha256")).decode()
