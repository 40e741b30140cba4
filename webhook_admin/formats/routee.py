"""Routee's SMS delivery report: always all of its keys, null where there is nothing to say."""

from typing import Any

from webhook_admin.events import Event, Reason, Status
from webhook_admin.formats import rows
from webhook_admin.formats.schemas import INTEGER, NUMBER, TEXT, TIME, Schema, nullable, record
from webhook_admin.formats.success import ONLY_200

SUCCESS = ONLY_200
NAMES: rows.Rows[str] = {
    (Status.QUEUED, None): "Queued",
    (Status.SENDING, None): "Sent",
    (Status.SENT, None): "Sent",
    (Status.DELIVERED, None): "Delivered",
    (Status.UNDELIVERED, None): "Undelivered",
    (Status.EXPIRED, None): "Undelivered",
    (Status.FAILED, None): "Failed",
    (Status.REJECTED, None): "Failed",
    (Status.REJECTED, Reason.NO_CREDIT): "Unsent",
}
DETAILED_STATUSES: rows.Rows[str] = {
    (Status.EXPIRED, None): "Expired",
    **rows.with_any_status(
        {
            Reason.UNKNOWN_NUMBER: "Unknown Number",
            Reason.UNREACHABLE: "Undelivered on Handset",
            Reason.CARRIER_VIOLATION: "Carrier Violation",
            Reason.ROAMING: "Roaming",
            Reason.CALL_BARRED: "Call Barred",
            Reason.UNCONFIRMED: "Unknown Status",
        }
    ),
}

_NAMES = list(dict.fromkeys(NAMES.values()))
_TEXT = nullable(TEXT)
_REASON = record(
    {
        "detailedStatus": {"type": "string", "enum": [*_NAMES, *dict.fromkeys(DETAILED_STATUSES.values())]},
        "description": _TEXT,
    },
)
SCHEMA: Schema = record(
    {
        "messageId": TEXT,
        "smsId": _TEXT,
        "campaignTrackingId": _TEXT,
        "part": nullable(INTEGER),
        "parts": nullable(INTEGER),
        "label": _TEXT,
        "to": _TEXT,
        "from": _TEXT,
        "country": _TEXT,
        "operator": _TEXT,
        "groups": nullable({"type": "array", "items": TEXT}),
        "campaignName": _TEXT,
        "status": record({"name": {"type": "string", "enum": _NAMES}, "reason": _REASON, "updatedDate": TIME}),
        "message": _TEXT,
        "applicationName": _TEXT,
        "latency": nullable(NUMBER),
        "price": nullable(NUMBER),
        "direction": _TEXT,
        "originatingService": _TEXT,
    },
)


def body(event: Event) -> dict[str, Any] | None:
    name = rows.find(NAMES, event)
    if name is None:
        return None
    given = {
        **event.details,
        "messageId": event.message_id,
        "label": event.customer_message_id,
        "to": event.to,
        "from": event.from_,
        "status": _status(name, event),
    }
    return {key: given.get(key) for key in SCHEMA["properties"]}


def _status(name: str, event: Event) -> dict[str, Any]:
    return {
        "name": name,
        "reason": {
            "detailedStatus": rows.find(DETAILED_STATUSES, event) or name,
            "description": event.error["message"] if event.error else None,
        },
        "updatedDate": event.timestamp,
    }
