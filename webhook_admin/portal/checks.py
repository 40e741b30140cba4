"""The checks that a receiver makes of a notification, in their order, and which of them fail."""

from collections.abc import Sequence
from dataclasses import dataclass

from webhook_admin.queue.sent import Sent
from webhook_admin.verification import Verdict
from webhook_admin.verification.findings import HARMLESS, Finding, FindingCode
from webhook_admin.verification.headers import Given

# Each by how the codes of its findings begin.
_TITLES = {
    ("header_", "signature_"): "The three headers are there, in one piece",
    ("timestamp_",): "The time is within 5 minutes of now",
    ("unknown_",): "The delivery is one of this account",
    ("body_",): "The body is the one that was sent, to the byte",
    ("previous_", "wrong_"): "The signature was made with the webhook's secret",
}


@dataclass(frozen=True, slots=True)
class Check:
    """A check and what it found; `result` is `passed`, `noted`, `failed`, or `not made`."""

    title: str
    result: str
    findings: Sequence[Finding]


def of(given: Given, delivery: Sent | None, verdict: Verdict) -> list[Check]:
    """All checks. One that lacks what it needs is not made."""
    codes = {finding.code for finding in verdict.findings}
    is_signature_made = bool(given.signatures and given.delivery_id and given.timestamp)
    is_right = is_signature_made and FindingCode.WRONG_SECRET not in codes
    is_body_known = is_right or (delivery is not None and delivery.body is not None)
    made = (True, bool(given.timestamp), bool(given.delivery_id), is_body_known, is_signature_made)
    return [
        _check(title, [each for each in verdict.findings if each.code.startswith(beginnings)], is_made=is_made)
        for (beginnings, title), is_made in zip(_TITLES.items(), made, strict=True)
    ]


def _check(title: str, found: Sequence[Finding], *, is_made: bool) -> Check:
    if not found:
        return Check(title, "passed" if is_made else "not made", found)
    return Check(title, "noted" if all(each.code in HARMLESS for each in found) else "failed", found)
