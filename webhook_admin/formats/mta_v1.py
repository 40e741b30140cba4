"""MTA's delivery status, version 1. Signed in the header X-Signature, too."""

import hmac
import re
from enum import IntEnum
from typing import Any

from webhook_admin.events import Event, Reason, Status
from webhook_admin.formats import rows
from webhook_admin.formats.schemas import TAGS, TEXT, Schema, nullable, record
from webhook_admin.formats.success import ONLY_200

SUCCESS = ONLY_200


class Code(IntEnum):
    """A delivery status, in MTA's numbers."""

    QUEUED = 1
    """The platform has taken it."""
    SENDING = 2
    """It is being handed to the provider."""
    SENT = 3
    """The provider has handed it to the carrier."""
    DELIVERED = 4
    """It is on the handset."""
    SENDING_FAILED = 5
    """Something has failed at the provider's end."""
    DELIVERY_FAILED = 6
    """The carrier has it, and failed to deliver it."""
    DELIVERY_UNCONFIRMED = 7
    """The carrier has not said what became of it."""
    DELIVERY_REJECTED = 8
    """The carrier blocks it."""
    UNDELIVERED = 9
    """The handset is switched off, out of coverage, or the like."""
    INVALID_NUMBER = 10
    """There is no such number."""
    STOPPED_NUMBER = 11
    """The recipient has asked for no more messages."""
    LANDLINE = 12
    """The number is a landline's."""
    SEND_REJECTED = 13
    """The provider blocks it."""
    QUEUEING_FAILED = 14
    """The carrier did not take it into its queue."""


CODES: rows.Rows[Code] = {
    (Status.QUEUED, None): Code.QUEUED,
    (Status.SENDING, None): Code.SENDING,
    (Status.SENT, None): Code.SENT,
    (Status.DELIVERED, None): Code.DELIVERED,
    (Status.FAILED, None): Code.SENDING_FAILED,
    (Status.FAILED, Reason.INTERNAL_ERROR): Code.SENDING_FAILED,
    (Status.FAILED, Reason.DELIVERY_FAILURE): Code.DELIVERY_FAILED,
    (Status.UNDELIVERED, Reason.UNCONFIRMED): Code.DELIVERY_UNCONFIRMED,
    (Status.EXPIRED, None): Code.DELIVERY_UNCONFIRMED,
    (Status.UNDELIVERED, Reason.CARRIER_VIOLATION): Code.DELIVERY_REJECTED,
    (Status.UNDELIVERED, Reason.BLOCKED_BY_CARRIER): Code.DELIVERY_REJECTED,
    (Status.REJECTED, Reason.CARRIER_VIOLATION): Code.DELIVERY_REJECTED,
    (Status.REJECTED, Reason.BLOCKED_BY_CARRIER): Code.DELIVERY_REJECTED,
    (Status.UNDELIVERED, None): Code.UNDELIVERED,
    (Status.UNDELIVERED, Reason.UNREACHABLE): Code.UNDELIVERED,
    (Status.UNDELIVERED, Reason.ROAMING): Code.UNDELIVERED,
    (Status.UNDELIVERED, Reason.CALL_BARRED): Code.UNDELIVERED,
    (Status.REJECTED, None): Code.SEND_REJECTED,
    (Status.REJECTED, Reason.BLOCKED_BY_PROVIDER): Code.SEND_REJECTED,
    (Status.REJECTED, Reason.NO_CREDIT): Code.SEND_REJECTED,
    (Status.REJECTED, Reason.INVALID_SENDER): Code.SEND_REJECTED,
    (Status.FAILED, Reason.QUEUEING_FAILURE): Code.QUEUEING_FAILED,
    (Status.REJECTED, Reason.QUEUEING_FAILURE): Code.QUEUEING_FAILED,
    **rows.with_any_status(
        {
            Reason.UNKNOWN_NUMBER: Code.INVALID_NUMBER,
            Reason.INVALID_RECIPIENT: Code.INVALID_NUMBER,
            Reason.OPTED_OUT: Code.STOPPED_NUMBER,
            Reason.LANDLINE: Code.LANDLINE,
        }
    ),
}
SCHEMA: Schema = record(
    {
        "type": {"type": "string", "const": "delivery-status"},
        "messageId": {
            "anyOf": [{"type": "integer"}, TEXT],
            "description": "A number, of any size, where the id is one in decimal digits.",
        },
        "externalId": nullable(TEXT) | {"description": "The id that you gave the message."},
        "destinationNumber": nullable(TEXT),
        "status": {
            "type": "integer",
            "enum": [code.value for code in Code],
            "description": ", ".join(f"{code.value} {code.name}" for code in Code) + ".",
        },
    },
    {"tags": TAGS, "senderName": TEXT},
)
# A JSON number has no leading zeros: an id that has some would lose them, and stays a string.
_NUMBER = re.compile("0|[1-9][0-9]*")


def body(event: Event) -> dict[str, Any] | None:
    code = rows.find(CODES, event)
    if code is None:
        return None
    optional = {"tags": event.tags, "senderName": event.details.get("senderName")}
    return {
        "type": "delivery-status",
        "messageId": int(event.message_id) if _NUMBER.fullmatch(event.message_id) else event.message_id,
        "externalId": event.customer_message_id,
        "destinationNumber": event.to,
        "status": code.value,
    } | {name: value for name, value in optional.items() if value is not None}


def headers(body: bytes, key: bytes) -> dict[str, str]:
    return {"X-Signature": hmac.digest(key, body, "sha256").hex()}
