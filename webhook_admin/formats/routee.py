"""Routee's SMS delivery report: always all of its keys, null where there is nothing to say."""

from typing import Any

SUCCESS = "200"
_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["number", "null"]}
_PROPERTIES: dict[str, Any] = {
    "messageId": {"type": "string"},
    "smsId": _TEXT,
    "campaignTrackingId": _TEXT,
    "part": _NUMBER,
    "parts": _NUMBER,
    "label": _TEXT,
    "to": _TEXT,
    "from": _TEXT,
    "country": _TEXT,
    "operator": _TEXT,
    "groups": {"type": ["array", "null"], "items": {"type": "string"}},
    "campaignName": _TEXT,
    "status": {
        "type": "object",
        "required": ["name", "reason", "updatedDate"],
        "properties": {
            "name": {"type": "string", "enum": ["Queued", "Sent", "Delivered", "Undelivered", "Failed", "Unsent"]},
            "reason": {
                "type": "object",
                "required": ["detailedStatus", "description"],
                "properties": {"detailedStatus": {"type": "string"}, "description": _TEXT},
            },
            "updatedDate": {"type": "string", "format": "date-time"},
        },
    },
    "message": _TEXT,
    "applicationName": _TEXT,
    "latency": _NUMBER,
    "price": _NUMBER,
    "direction": _TEXT,
    "originatingService": _TEXT,
}
SCHEMA: dict[str, Any] = {
    "title": "routee",
    "type": "object",
    "required": list(_PROPERTIES),
    "properties": _PROPERTIES,
}
EXAMPLE: dict[str, Any] = dict.fromkeys(_PROPERTIES) | {
    "messageId": "8f2c1a",
    "to": "+306900000000",
    "from": "Acme",
    "part": 1,
    "parts": 1,
    "status": {
        "name": "Delivered",
        "reason": {"detailedStatus": "Delivered", "description": None},
        "updatedDate": "2026-04-09T14:39:40.69257Z",
    },
    "price": 0.0331,
}
