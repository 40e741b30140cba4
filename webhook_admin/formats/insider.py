"""Insider's transactional SMS events: sent, delivered, undelivered."""

from typing import Any

from webhook_admin.events import UNSUCCESSFUL, Event, Reason, Status
from webhook_admin.formats import rows
from webhook_admin.formats.schemas import INTEGER, TAGS, TEXT, Schema, present, record
from webhook_admin.formats.success import ONLY_200

SUCCESS = ONLY_200
EVENTS: dict[str, str] = {
    Status.SENT: "sent",
    Status.DELIVERED: "delivered",
    Status.UNDELIVERED: "undelivered",
    Status.FAILED: "undelivered",
    Status.REJECTED: "undelivered",
    Status.EXPIRED: "undelivered",
}
_CARRIER_VIOLATION = ("Carrier Violation", 1408)
_HARD_BOUNCE = ("Hard Bounce", 1400)
_SOFT_BOUNCE = ("Soft Bounce", 1404)
# Insider's own text for a delivery of which nobody can say what became.
_UNKNOWN_DELIVERY = ("Soft Bounce", 1409)
REASONS: rows.Rows[tuple[str, int]] = {
    **{(status, None): _UNKNOWN_DELIVERY for status in UNSUCCESSFUL},
    **rows.with_any_status(
        {
            Reason.CARRIER_VIOLATION: _CARRIER_VIOLATION,
            Reason.BLOCKED_BY_CARRIER: _CARRIER_VIOLATION,
            Reason.BLOCKED_BY_PROVIDER: _CARRIER_VIOLATION,
            Reason.UNKNOWN_NUMBER: _HARD_BOUNCE,
            Reason.LANDLINE: _HARD_BOUNCE,
            Reason.INVALID_RECIPIENT: _HARD_BOUNCE,
            Reason.UNREACHABLE: _SOFT_BOUNCE,
            Reason.ROAMING: _SOFT_BOUNCE,
            Reason.CALL_BARRED: _SOFT_BOUNCE,
        }
    ),
}

_REASON = record(
    {
        "message": {"type": "string", "enum": ["Carrier Violation", "Hard Bounce", "Soft Bounce"]},
        "code": {"type": "integer", "enum": [1400, 1404, 1408, 1409]},
    },
)
SCHEMA: Schema = record(
    {"id": TEXT, "uniqueArgs": TAGS, "event": {"type": "string", "enum": ["sent", "delivered", "undelivered"]}},
    {
        "partCount": INTEGER | {"description": "With sent."},
        "reason": _REASON | {"description": "With undelivered."},
    },
) | {
    "if": {"properties": {"event": {"const": "sent"}}},
    "then": present({"partCount": True, "reason": False}),
    "else": {
        "if": {"properties": {"event": {"const": "undelivered"}}},
        "then": present({"partCount": False, "reason": True}),
        "else": present({"partCount": False, "reason": False}),
    },
}


def body(event: Event) -> dict[str, Any] | None:
    name = EVENTS.get(event.status)
    if name is None:
        return None
    result: dict[str, Any] = {"id": event.message_id, "uniqueArgs": event.tags or {}, "event": name}
    if name == "sent":
        result["partCount"] = event.details.get("parts", 1)
    if row := rows.find(REASONS, event):
        result["reason"] = {"message": row[0], "code": row[1]}
    return result
