"""Our own format: message id, channel, status, timestamp and error details."""

from typing import Any

from webhook_admin.events import Channel, Event, Reason, Status
from webhook_admin.formats.schemas import TAGS, TEXT, TIME, Schema
from webhook_admin.formats.success import ANY_2XX

SUCCESS = ANY_2XX
# Open to more properties: this format is ours, and may grow.
SCHEMA: Schema = {
    "title": "standard",
    "type": "object",
    "required": ["eventId", "messageId", "channel", "status", "timestamp", "error"],
    "properties": {
        "eventId": TEXT,
        "messageId": TEXT,
        "channel": {"type": "string", "enum": [channel.value for channel in Channel]},
        "status": {"type": "string", "enum": [status.value for status in Status]},
        "timestamp": TIME,
        "error": {
            "type": ["object", "null"],
            "description": "What the carrier or provider said, in its own terms.",
            "required": ["code", "message"],
            "properties": {"code": {"type": ["string", "integer"]}, "message": TEXT},
        },
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
}


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
