"""Whether a notification is genuine, by Standard Webhooks.

Written from the specification, with the standard library alone, and without the service's own signing:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
import re
from collections.abc import Mapping

# A signature that is older may have been recorded by somebody, and played back.
_TOLERANCE = 5 * 60  # seconds
_SECONDS = re.compile(r"[0-9]{1,12}")
# 24 to 64 bytes in base64, as the specification has it.
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,86}={0,2}")


def find_secret(text: str) -> str | None:
    """The first signing secret in a text, which may be the API's answer that shows it; None if there is none."""
    for found in _SECRET.findall(text):
        if len(found.removeprefix("whsec_")) % 4 == 0:
            return str(found)
    return None


def find_fault(signing_secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str | None:
    """Why a notification cannot be trusted at the Unix time `now`; None for one that can.

    Names of headers are in lower case.
    """
    timestamp = headers.get("webhook-timestamp", "")
    if not _SECONDS.fullmatch(timestamp) or abs(now - int(timestamp)) > _TOLERANCE:
        return "timestamp is not recent"
    signatures = headers.get("webhook-signature", "").encode().split()
    if not signatures:
        return "there is no signature"
    key = base64.b64decode(signing_secret.removeprefix("whsec_"))
    content = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, content, "sha256"))
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        return "signature does not match"
    return None
