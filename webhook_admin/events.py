"""The canonical event: one delivery-status change of one message, whatever channel and carrier it came from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

import msgspec


class Channel(StrEnum):
    """How the message travels."""

    SMS = "SMS"
    """A text message."""
    RCS = "RCS"
    """Rich Communication Services."""
    WHATSAPP = "WHATSAPP"
    """WhatsApp."""


class Status(StrEnum):
    """What has become of the message."""

    QUEUED = "QUEUED"
    """The platform has taken it."""
    SENDING = "SENDING"
    """It is being handed to the provider."""
    SENT = "SENT"
    """The provider has handed it to the carrier."""
    DELIVERED = "DELIVERED"
    """It is on the handset."""
    READ = "READ"
    """It has been opened."""
    UNDELIVERED = "UNDELIVERED"
    """The carrier could not deliver it."""
    FAILED = "FAILED"
    """It could not be sent."""
    REJECTED = "REJECTED"
    """Somebody on the way has refused it."""
    EXPIRED = "EXPIRED"
    """It was not delivered in time."""


class Reason(StrEnum):
    """Why the message has not arrived."""

    CARRIER_VIOLATION = "CARRIER_VIOLATION"
    """It breaks the carrier's rules."""
    BLOCKED_BY_CARRIER = "BLOCKED_BY_CARRIER"
    """The carrier blocks it."""
    BLOCKED_BY_PROVIDER = "BLOCKED_BY_PROVIDER"
    """The provider blocks it."""
    UNKNOWN_NUMBER = "UNKNOWN_NUMBER"
    """The number is not in use."""
    INVALID_RECIPIENT = "INVALID_RECIPIENT"
    """The recipient is no number."""
    INVALID_SENDER = "INVALID_SENDER"
    """The sender may not be used."""
    LANDLINE = "LANDLINE"
    """The number is a landline's."""
    OPTED_OUT = "OPTED_OUT"
    """The recipient has asked for no more messages."""
    UNREACHABLE = "UNREACHABLE"
    """The handset is switched off or out of coverage."""
    ROAMING = "ROAMING"
    """The handset is in a network that does not take it."""
    CALL_BARRED = "CALL_BARRED"
    """The subscription bars it."""
    UNCONFIRMED = "UNCONFIRMED"
    """The carrier has not said what became of it."""
    DELIVERY_FAILURE = "DELIVERY_FAILURE"
    """The carrier has failed."""
    QUEUEING_FAILURE = "QUEUEING_FAILURE"
    """The carrier did not take it into its queue."""
    NO_CREDIT = "NO_CREDIT"
    """The account has no credit."""
    INTERNAL_ERROR = "INTERNAL_ERROR"
    """The provider has failed."""


_RANKS = {
    Status.QUEUED: 0,
    Status.SENDING: 1,
    Status.SENT: 2,
    Status.DELIVERED: 3,
    Status.UNDELIVERED: 3,
    Status.FAILED: 3,
    Status.REJECTED: 3,
    Status.EXPIRED: 3,
    Status.READ: 4,
}
UNSUCCESSFUL = frozenset((Status.UNDELIVERED, Status.FAILED, Status.REJECTED, Status.EXPIRED))
"""The statuses that may have a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One delivery-status change of one message.

    `timestamp` is RFC 3339 in UTC with `Z`, its digits as the platform gave them. `error` has `code` (a string or an
    integer) and `message`. `details` holds what single payload formats have a field for, under its name there. From
    `expires_at` on, written as `timestamp` is, no attempt is started.
    """

    id: str
    account_id: str
    message_id: str
    channel: str
    status: str
    timestamp: str
    reason: str | None = None
    error: Mapping[str, Any] | None = None
    to: str | None = None
    from_: str | None = None
    customer_message_id: str | None = None
    tags: Mapping[str, str] | None = None
    callback_url: str | None = None
    payload_format: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    expires_at: str | None = None

    @property
    def newness(self) -> tuple[int, str, str]:
        """Of two statuses of a message, the newer one's is greater: by rank, and within a rank by timestamp."""
        seconds, _, fraction = self.timestamp.removesuffix("Z").partition(".")
        return _RANKS[Status(self.status)], seconds, fraction.rstrip("0")

    def to_json(self) -> str:
        """The event as it is stored; `from_json` reads it."""
        values = {name: getattr(self, name) for name in _NAMES}
        return json.dumps({name: value for name, value in values.items() if value is not None}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Event":
        """The event that `to_json` wrote. Raises `ValueError` for anything else."""
        return _decoder.decode(text)


_NAMES = [field.name for field in fields(Event)]
_decoder = msgspec.json.Decoder(Event)
