"""The processing result of Phonovation's V2 campaigns: queued or rejected."""

from typing import Any

from webhook_admin.events import Event, Reason, Status
from webhook_admin.formats import rows
from webhook_admin.formats.schemas import TEXT, TIME, Schema, present, record
from webhook_admin.formats.success import ONLY_200

SUCCESS = ONLY_200
ROWS: rows.Rows[tuple[str, str]] = {
    (Status.QUEUED, None): ("MESSAGE_SUCCESS", "Your message has been queued."),
    (Status.REJECTED, Reason.NO_CREDIT): (
        "MESSAGE_ERROR",
        "Error trying to add a new message. No credits available",
    ),
    (Status.REJECTED, Reason.INVALID_RECIPIENT): ("MESSAGE_ERROR", "null/empty MSISDN"),
    (Status.REJECTED, Reason.INTERNAL_ERROR): (
        "MESSAGE_ERROR",
        "Error trying to add a new message to SMSBroadcastMessage",
    ),
    (Status.REJECTED, Reason.INVALID_SENDER): ("CAMPAIGN_ERROR", "Sender is not valid"),
}

SCHEMA: Schema = record(
    {
        "Status": {"type": "string", "enum": ["MESSAGE_SUCCESS", "MESSAGE_ERROR", "CAMPAIGN_ERROR"]},
        "FinishedAt": TIME,
        "Message": {"type": "string", "enum": [message for _, message in ROWS.values()]},
    },
    {"NotifyId": TEXT | {"description": "The id that you gave the message, or empty. Not with CAMPAIGN_ERROR."}},
) | {
    "if": {"properties": {"Status": {"const": "CAMPAIGN_ERROR"}}},
    "then": present({"NotifyId": False}),
    "else": present({"NotifyId": True}),
}


def body(event: Event) -> dict[str, Any] | None:
    row = rows.find(ROWS, event)
    if row is None:
        return None
    status, message = row
    result = {"Status": status, "FinishedAt": event.timestamp, "Message": message}
    # An error of the whole campaign is nobody's message in particular.
    return result if status == "CAMPAIGN_ERROR" else result | {"NotifyId": event.customer_message_id or ""}
