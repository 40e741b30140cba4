"""Why a receiver refuses a notification: its headers, its time, its body or its signature. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from webhook_admin.dispatch import signing
from webhook_admin.queue.sent import Sent
from webhook_admin.signing_secrets import SigningSecrets
from webhook_admin.verification.findings import HARMLESS, Finding, FindingCode
from webhook_admin.verification.headers import Given

TOLERANCE = 5 * 60
"""By how many seconds a timestamp may differ from a receiver's clock."""
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_LINE_ENDS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a receiver with the webhook's secret accepts the notification, and all that was found.

    `signed_content` is the text that the signature is made over, with the body that was sent if that is known; None
    where the id or the timestamp is missing.
    """

    valid: bool
    findings: Sequence[Finding]
    signed_content: str | None


class _Signed(NamedTuple):
    """The body that a signature is right for, and the secret that it was made with."""

    body: bytes
    secret: str


def judge(given: Given, body: str, secrets: SigningSecrets, sent: Sent | None, now: datetime) -> Verdict:
    """Whether the notification is genuine at the moment `now`, and if not, why.

    `sent` is the account's delivery that `webhook-id` names; None if there is none.
    """
    raw = body.encode()
    on_record = sent.body if sent else None
    signed = _signed(given, [raw, *([] if on_record is None else [on_record]), raw.rstrip(_LINE_ENDS)], secrets)
    original = signed.body if signed else on_record
    findings = [*given.findings, *_of_time(given.timestamp, now)]
    if given.delivery_id and sent is None:
        findings.append(_UNKNOWN_DELIVERY)
    findings += _of_body(raw, original)
    if given.signatures and given.delivery_id and given.timestamp:
        findings += _of_secret(signed, secrets, now, is_body_known=original is not None)
    content = _content(given, raw if original is None else original)
    return Verdict(
        valid=signed is not None and all(finding.code in HARMLESS for finding in findings),
        findings=findings,
        signed_content=content.decode() if given.delivery_id and given.timestamp else None,
    )


def _content(given: Given, body: bytes) -> bytes:
    return f"{given.delivery_id}.{given.timestamp}.".encode() + body


def _signed(given: Given, bodies: Sequence[bytes], secrets: SigningSecrets) -> _Signed | None:
    for body in bodies:
        content = _content(given, body)
        for secret in filter(None, (secrets.current, secrets.previous)):
            if signing.signature(secret, content) in given.signatures:
                return _Signed(body, secret)
    return None


def _of_time(timestamp: str, now: datetime) -> Iterator[Finding]:
    if not timestamp:
        return
    if not _SECONDS.fullmatch(timestamp):
        yield Finding(FindingCode.TIMESTAMP_MALFORMED, "webhook-timestamp must be a whole number of Unix seconds.")
        return
    age = int(now.timestamp()) - int(timestamp)
    if age > TOLERANCE:
        yield Finding(
            FindingCode.TIMESTAMP_TOO_OLD,
            f"webhook-timestamp is {age:,} s in the past; receivers accept {TOLERANCE}. If the notification was "
            "refused when it came in, compare the receiver's clock with the timestamp.",
        )
    if age < -TOLERANCE:
        message = f"webhook-timestamp is {-age:,} s in the future; receivers accept {TOLERANCE}. Set the clock."
        yield Finding(FindingCode.TIMESTAMP_IN_FUTURE, message)


def _of_body(raw: bytes, original: bytes | None) -> Iterator[Finding]:
    if original is None or raw == original:
        return
    if raw.rstrip(_LINE_ENDS) == original:
        message = "A line end was added to the body. Verify the bytes as they came in."
        yield Finding(FindingCode.BODY_LINE_END_ADDED, message)
    elif _is_same_json(raw, original):
        yield Finding(
            FindingCode.BODY_RESERIALISED,
            "The body is the same JSON in other bytes: it was parsed and written again. Verify the bytes as they came "
            "in, before they are parsed.",
        )
    else:
        message = "The body is not the one that was sent with this webhook-id; signedContent has that one."
        yield Finding(FindingCode.BODY_CHANGED, message)


def _is_same_json(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False


def _of_secret(
    signed: _Signed | None, secrets: SigningSecrets, now: datetime, *, is_body_known: bool
) -> Iterator[Finding]:
    if signed is None:
        otherwise = "" if is_body_known else ", or the body is not the one that was sent"
        yield Finding(
            FindingCode.WRONG_SECRET,
            "No signature was made with a secret of this webhook: the notification comes from another webhook (another "
            "account's, or one that was deleted), webhook-id or webhook-timestamp is that of another notification"
            f"{otherwise}.",
        )
    elif signed.secret != secrets.current and secrets.is_previous_valid(now):
        yield Finding(
            FindingCode.PREVIOUS_SECRET,
            "It is signed with the previous secret only, which is valid until previousSecretExpiresAt. A receiver that "
            "has the newest secret alone refuses it.",
        )
    elif signed.secret != secrets.current:
        yield Finding(
            FindingCode.PREVIOUS_SECRET_EXPIRED,
            "It is signed with the secret before the latest rotation, which is not valid any more.",
        )


_UNKNOWN_DELIVERY = Finding(
    FindingCode.UNKNOWN_DELIVERY,
    "This account has no delivery with this webhook-id: it is another account's, a preview's, or is not kept any more.",
)
