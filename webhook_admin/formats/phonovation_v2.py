"""The processing result of Phonovation's V2 campaigns: queued or rejected."""

from typing import Any

SUCCESS = "200"
SCHEMA: dict[str, Any] = {
    "title": "phonovation-v2",
    "type": "object",
    "required": ["Status", "FinishedAt", "Message"],
    "properties": {
        "Status": {"type": "string", "enum": ["MESSAGE_SUCCESS", "MESSAGE_ERROR", "CAMPAIGN_ERROR"]},
        "FinishedAt": {"type": "string", "format": "date-time"},
        "Message": {
            "type": "string",
            "enum": [
                "Your message has been queued.",
                "Sender is not valid",
                "Error trying to add a new message. No credits available",
                "null/empty MSISDN",
                "Error trying to add a new message to SMSBroadcastMessage",
            ],
        },
        "NotifyId": {"type": "string", "description": "Not with CAMPAIGN_ERROR."},
    },
}
EXAMPLE: dict[str, Any] = {
    "Status": "MESSAGE_SUCCESS",
    "FinishedAt": "2026-04-09T14:39:40.69257Z",
    "Message": "Your message has been queued.",
    "NotifyId": "order-001",
}
