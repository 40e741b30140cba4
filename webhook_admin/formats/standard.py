"""Our own format: message id, channel, status, timestamp and error details."""

from typing import Any

from webhook_admin.events import Channel, Event, Reason, Status
from webhook_admin.formats.schemas import INTEGER, TAGS, TEXT, TIME, Schema, nullable, record
from webhook_admin.formats.success import ANY_2XX

SUCCESS = ANY_2XX
SCHEMA: Schema = record(
    {
        "eventId": TEXT,
        "messageId": TEXT,
        "channel": {"type": "string", "enum": [channel.value for channel in Channel]},
        "status": {"type": "string", "enum": [status.value for status in Status]},
        "timestamp": TIME,
        "error": nullable(record({"code": {"anyOf": [TEXT, INTEGER]}, "message": TEXT}))
        | {"description": "What the carrier or provider said, in its own terms."},
    },
    {
        "customerMessageId": {"type": "string", "description": "The id that you gave the message."},
        "to": TEXT,
        "from": TEXT,
        "reason": {
            "type": "string",
            "description": "Why the message has not arrived.",
            "enum": [reason.value for reason in Reason],
        },
        "tags": TAGS,
    },
)


def body(event: Event) -> dict[str, Any]:
    optional = {
        "customerMessageId": event.customer_message_id,
        "to": event.to,
        "from": event.from_,
        "reason": event.reason,
        "tags": event.tags,
    }
    return {
        "eventId": event.id,
        "messageId": event.message_id,
        "channel": event.channel,
        "status": event.status,
        "timestamp": event.timestamp,
        "error": event.error and {"code": event.error["code"], "message": event.error["message"]},
    } | {name: value for name, value in optional.items() if value is not None}
