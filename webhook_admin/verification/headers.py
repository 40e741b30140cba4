"""The headers of a notification as a receiver has them, which may not be as they were sent."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from webhook_admin.verification.findings import Finding, FindingCode

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_SIGNATURES = re.compile(r"v[0-9]+[a-z]*,", re.ASCII)
# The base64 of an HMAC-SHA256, which has 32 bytes.
_V1 = re.compile(r"v1,[A-Za-z0-9+/]{43}=", re.ASCII)
Headers = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Given:
    """The three headers, "" for one that is missing; the well-formed signatures among those that were given."""

    delivery_id: str
    timestamp: str
    signatures: Sequence[str]
    findings: Sequence[Finding]


def read(headers: Headers) -> Given:
    """The three headers among others. Names may be in any case, and values lists, as some frameworks have them."""
    findings: list[Finding] = []
    given = {name: _one(name, list(_values(headers, name, findings)), findings) for name in (ID, TIMESTAMP, SIGNATURE)}
    signatures = [text for text in given[SIGNATURE].split(" ") if _V1.fullmatch(text)]
    if given[SIGNATURE] and not signatures:
        findings.append(_malformed(given[SIGNATURE]))
    return Given(given[ID], given[TIMESTAMP], signatures, findings)


def _values(headers: Headers, name: str, findings: list[Finding]) -> Iterator[str]:
    """The values of a header, if there are several, those under its first name."""
    found = [value for given, value in headers.items() if given.strip().lower() == name]
    if len(found) > 1:
        message = f"{name} is there {len(found)} times, under names that differ in upper and lower case only."
        findings.append(Finding(FindingCode.HEADER_REPEATED, message))
    for value in found[:1]:
        yield from map(str.strip, [value] if isinstance(value, str) else value)


def _one(name: str, values: Sequence[str], findings: list[Finding]) -> str:
    """The one value that a header is to have."""
    if not any(values):
        message = f"{name} is missing. A notification has {ID}, {TIMESTAMP} and {SIGNATURE}: pass on all three."
        findings.append(Finding(FindingCode.HEADER_MISSING, message))
        return ""
    if len(values) > 1 and name == SIGNATURE:
        message = f"{name} was taken apart into {len(values)} values. It is one text with commas and spaces in it."
        findings.append(Finding(FindingCode.HEADER_SPLIT, message))
        return (" " if all(map(_SIGNATURES.match, values)) else ",").join(values)
    if len(values) > 1:
        findings.append(Finding(FindingCode.HEADER_REPEATED, f"{name} has {len(values)} values instead of one."))
    return values[0]


def _malformed(signature: str) -> Finding:
    if all(map(_SIGNATURES.match, signature.split(" "))) and "v1," not in signature:
        message = f"{SIGNATURE} has no signature of version v1, but only of others."
        return Finding(FindingCode.SIGNATURE_VERSION, message)
    message = f"{SIGNATURE} has no signature: each is v1, a comma and 44 characters of base64. Pass it on unchanged."
    return Finding(FindingCode.SIGNATURE_MALFORMED, message)
