"""Events that show what a payload format looks like: one message, in every status that it may come to."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from webhook_admin.events import UNSUCCESSFUL, Event, Reason, Status

DELIVERED = Event(
    id="evt_0199c7a2b6f07d3e8a51c04f6e2b9d18",
    account_id="acme",
    message_id="48151623",
    channel="SMS",
    status=Status.DELIVERED.value,
    timestamp="2026-04-09T14:39:40.69257Z",
    to="+353861234567",
    from_="Acme",
    customer_message_id="order-001",
    tags={"campaign": "spring"},
    details={
        "smsId": "5d3f0c1e",
        "campaignTrackingId": "c-20260409",
        "part": 1,
        "parts": 1,
        "country": "IE",
        "operator": "Vodafone",
        "groups": ["customers"],
        "campaignName": "Spring",
        "message": "Your order is on its way.",
        "applicationName": "shop",
        "latency": 3,
        "price": 0.0331,
        "direction": "Outbound",
        "originatingService": "Sms",
        "senderName": "Acme",
    },
)
_WHY: dict[Status, tuple[Reason | None, dict[str, Any]]] = {
    Status.UNDELIVERED: (Reason.UNREACHABLE, {"code": 27, "message": "Absent subscriber"}),
    Status.FAILED: (Reason.DELIVERY_FAILURE, {"code": 34, "message": "System failure"}),
    Status.REJECTED: (Reason.NO_CREDIT, {"code": "no_credit", "message": "No credits available"}),
    Status.EXPIRED: (None, {"code": "expired", "message": "Validity period expired"}),
}


def of(status: Status) -> Iterator[Event]:
    """Events of the message in a status; one that says why it has not arrived comes with each reason, likely first."""
    if status not in UNSUCCESSFUL:
        yield replace(DELIVERED, status=status.value)
        return
    likely, error = _WHY[status]
    for reason in (likely, None, *Reason):
        yield replace(DELIVERED, status=status.value, reason=reason and reason.value, error=error)
