"""Insider's transactional SMS events: sent, delivered, undelivered."""

from typing import Any

SUCCESS = "200"
SCHEMA: dict[str, Any] = {
    "title": "insider",
    "type": "object",
    "required": ["id", "uniqueArgs", "event"],
    "properties": {
        "id": {"type": "string"},
        "uniqueArgs": {"type": "object", "additionalProperties": {"type": "string"}},
        "event": {"type": "string", "enum": ["sent", "delivered", "undelivered"]},
        "partCount": {"type": "integer", "description": "With sent."},
        "reason": {
            "type": "object",
            "description": "With undelivered.",
            "required": ["message", "code"],
            "properties": {
                "message": {"type": "string", "enum": ["Carrier Violation", "Hard Bounce", "Soft Bounce"]},
                "code": {"type": "integer", "enum": [1400, 1404, 1408, 1409]},
            },
        },
    },
}
EXAMPLE: dict[str, Any] = {
    "id": "sms-66944540-5ade",
    "uniqueArgs": {"param1": "test 1", "param2": "test 2"},
    "event": "undelivered",
    "reason": {"message": "Hard Bounce", "code": 1400},
}
