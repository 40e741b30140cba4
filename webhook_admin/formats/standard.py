"""Our own format: message id, channel, status, timestamp and error details."""

from typing import Any

SUCCESS = "any 2xx"
SCHEMA: dict[str, Any] = {
    "title": "standard",
    "type": "object",
    "required": ["eventId", "messageId", "channel", "status", "timestamp", "error"],
    "properties": {
        "eventId": {"type": "string"},
        "messageId": {"type": "string"},
        "channel": {"type": "string", "enum": ["SMS", "RCS", "WHATSAPP"]},
        "status": {
            "type": "string",
            "enum": [
                "QUEUED",
                "SENDING",
                "SENT",
                "DELIVERED",
                "READ",
                "UNDELIVERED",
                "FAILED",
                "REJECTED",
                "EXPIRED",
            ],
        },
        "timestamp": {"type": "string", "format": "date-time"},
        "error": {
            "type": ["object", "null"],
            "required": ["code", "message"],
            "properties": {"code": {"type": ["string", "integer"]}, "message": {"type": "string"}},
        },
        "customerMessageId": {"type": "string"},
        "to": {"type": "string"},
        "from": {"type": "string"},
        "reason": {"type": "string"},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
EXAMPLE: dict[str, Any] = {
    "eventId": "evt_0199c7a2b6f07d3e8a51c04f6e2b9d18",
    "messageId": "8f2c1a",
    "channel": "SMS",
    "status": "UNDELIVERED",
    "timestamp": "2026-04-09T14:39:40.69257Z",
    "error": {"code": 27, "message": "Absent subscriber"},
    "customerMessageId": "order-001",
    "to": "+353861234567",
    "from": "Acme",
    "reason": "UNREACHABLE",
}
