"""MTA's delivery status, version 1. Signed a second time, in X-Signature."""

from typing import Any

SUCCESS = "200"
SCHEMA: dict[str, Any] = {
    "title": "mta-v1",
    "type": "object",
    "required": ["type", "messageId", "externalId", "destinationNumber", "status"],
    "properties": {
        "type": {"type": "string", "const": "delivery-status"},
        "messageId": {"type": ["integer", "string"], "description": "A number where the id is all digits."},
        "externalId": {"type": ["string", "null"]},
        "destinationNumber": {"type": ["string", "null"]},
        "status": {
            "type": "integer",
            "minimum": 1,
            "maximum": 14,
            "description": "1 QUEUED, 2 SENDING, 3 SENT, 4 DELIVERED, 5 SENDING_FAILED, 6 DELIVERY_FAILED, "
            "7 DELIVERY_UNCONFIRMED, 8 DELIVERY_REJECTED, 9 UNDELIVERED, 10 INVALID_NUMBER, 11 STOPPED_NUMBER, "
            "12 LANDLINE, 13 SEND_REJECTED, 14 QUEUEING_FAILED.",
        },
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
        "senderName": {"type": "string"},
    },
}
EXAMPLE: dict[str, Any] = {
    "type": "delivery-status",
    "messageId": 48151623,
    "externalId": "order-001",
    "destinationNumber": "+15555555555",
    "status": 4,
}
