"""The reasons for which a receiver may refuse a notification."""

from enum import StrEnum
from typing import NamedTuple


class FindingCode(StrEnum):
    """What is wrong with a notification as a receiver has it."""

    HEADER_MISSING = "header_missing"
    """One of the three headers is not there, or is empty."""
    HEADER_REPEATED = "header_repeated"
    """A header is there more than once, also under names that differ in upper and lower case only."""
    HEADER_SPLIT = "header_split"
    """The signature header was taken apart at its commas or spaces."""
    TIMESTAMP_MALFORMED = "timestamp_malformed"
    """The timestamp is no number of seconds."""
    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    """The timestamp is more than 5 minutes in the past."""
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"
    """The timestamp is more than 5 minutes in the future."""
    UNKNOWN_DELIVERY = "unknown_delivery"
    """The account has no delivery with this `webhook-id`."""
    SIGNATURE_MALFORMED = "signature_malformed"
    """No signature has the form `v1,` and the base64 of 32 bytes."""
    SIGNATURE_VERSION = "signature_version"
    """All signatures are of other versions than v1."""
    BODY_LINE_END_ADDED = "body_line_end_added"
    """The body is the one that was sent, with line ends behind it."""
    BODY_RESERIALISED = "body_reserialised"
    """The body is the same JSON value as the one that was sent, in other bytes."""
    BODY_CHANGED = "body_changed"
    """The body says something else than the one that was sent."""
    PREVIOUS_SECRET = "previous_secret"
    """It is signed with the secret before the latest rotation, which is still valid."""
    PREVIOUS_SECRET_EXPIRED = "previous_secret_expired"
    """It is signed with the secret before the latest rotation, which is not valid any more."""
    WRONG_SECRET = "wrong_secret"
    """No signature was made with a secret of the webhook."""


HARMLESS = frozenset((FindingCode.UNKNOWN_DELIVERY, FindingCode.PREVIOUS_SECRET))
"""The findings in spite of which a receiver accepts a notification, if the signature is right."""


class Finding(NamedTuple):
    """What is wrong: for programs, and for people."""

    code: FindingCode
    message: str
