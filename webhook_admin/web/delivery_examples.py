"""The examples of the OpenAPI document of what became of an event."""

from typing import Any

_DELIVERY = {
    "id": "dlv_0199c7a2b6f07d3e8a51c04f6e2b9d18",
    "accountId": "acme",
    "messageId": "48151623",
    "eventId": "evt-48151623-2",
    "channel": "SMS",
    "status": "DELIVERED",
    "timestamp": "2026-04-09T14:39:40.69257Z",
    "state": "FAILED",
    "stateDetail": "All 9 attempts have failed.",
    "callbackUrl": "https://hooks.example.com/delivery-status?tenant=42",
    "payloadFormat": "standard",
    "test": False,
    "attemptCount": 9,
    "createdAt": "2026-04-09T14:39:41.027000Z",
    "nextAttemptAt": None,
    "lastOutcome": "http_status",
    "lastStatusCode": 500,
}
PAGE = {"items": [_DELIVERY], "next": "dlv_0199c7a2b6f07d3e8a51c04f6e2b9d18"}
WITH_ATTEMPTS: dict[str, Any] = _DELIVERY | {
    "state": "DELIVERED",
    "stateDetail": None,
    "attemptCount": 2,
    "lastOutcome": "delivered",
    "lastStatusCode": 200,
    "event": {
        "id": "evt-48151623-2",
        "accountId": "acme",
        "messageId": "48151623",
        "channel": "SMS",
        "status": "DELIVERED",
        "timestamp": "2026-04-09T14:39:40.69257Z",
        "to": "+353861234567",
    },
    "attempts": [
        {
            "number": 1,
            "startedAt": "2026-04-09T14:39:41.044000Z",
            "durationMs": 212,
            "outcome": "http_status",
            "statusCode": 500,
            "detail": "The server answered 500 Internal Server Error.",
            "hint": "Look into the log of the server, and of the proxies in front of it.",
            "response": "out of order",
        },
        {
            "number": 2,
            "startedAt": "2026-04-09T14:39:46.310000Z",
            "durationMs": 48,
            "outcome": "delivered",
            "statusCode": 200,
            "detail": None,
            "hint": None,
            "response": "",
        },
    ],
}
PENDING_AGAIN = _DELIVERY | {"state": "PENDING", "stateDetail": None, "nextAttemptAt": "2026-04-10T09:30:00.218000Z"}
RESEND = {"since": "2026-04-09T00:00:00Z", "until": "2026-04-10T00:00:00Z", "states": ["FAILED"]}
RESENT = {"matched": 1_204, "resent": 1_204, "more": False}
