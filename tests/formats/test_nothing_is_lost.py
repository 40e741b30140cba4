"""What an event says arrives, wherever the payload format has a field for it."""

import json
from typing import Any

from hypothesis import given

from tests.formats.any_event import EVENTS, bounded
from webhook_admin import formats
from webhook_admin.events import Event

# Where each format says what an event's attribute, or one of its details, holds.
FIELDS = {
    "standard": {
        "id": ["eventId"],
        "message_id": ["messageId"],
        "channel": ["channel"],
        "status": ["status"],
        "timestamp": ["timestamp"],
        "error": ["error"],
        "customer_message_id": ["customerMessageId"],
        "to": ["to"],
        "from_": ["from"],
        "reason": ["reason"],
        "tags": ["tags"],
    },
    "phonovation-v2": {"timestamp": ["FinishedAt"]},
    "routee": {
        "message_id": ["messageId"],
        "customer_message_id": ["label"],
        "to": ["to"],
        "from_": ["from"],
        "timestamp": ["status", "updatedDate"],
        "smsId": ["smsId"],
        "campaignTrackingId": ["campaignTrackingId"],
        "part": ["part"],
        "parts": ["parts"],
        "country": ["country"],
        "operator": ["operator"],
        "groups": ["groups"],
        "campaignName": ["campaignName"],
        "message": ["message"],
        "applicationName": ["applicationName"],
        "latency": ["latency"],
        "price": ["price"],
        "direction": ["direction"],
        "originatingService": ["originatingService"],
    },
    "insider": {"message_id": ["id"], "tags": ["uniqueArgs"]},
    "mta-v1": {
        "customer_message_id": ["externalId"],
        "to": ["destinationNumber"],
        "tags": ["tags"],
        "senderName": ["senderName"],
    },
}


def value(event: Event, name: str) -> Any:
    """What the event holds under the name of an attribute or of a detail; `None` for nothing."""
    return getattr(event, name) if hasattr(event, name) else event.details.get(name)


def at(body: dict[str, Any], path: list[str]) -> Any:
    """What stands in the body at a path; `None` for nothing."""
    found: Any = body
    for key in path:
        found = found.get(key)
    return found


@bounded
@given(EVENTS)
def test_each_field_says_what_the_event_says(event: Event) -> None:
    """Not one is left out, swapped or changed."""
    for name, fields in FIELDS.items():
        body = formats.render(name, event)
        if body is not None:
            said = {field: at(json.loads(body), path) for field, path in fields.items()}
            expected = {field: value(event, field) for field in fields}
            # Insider's documents have an empty object for a message without tags.
            assert said == expected | ({"tags": event.tags or {}} if name == "insider" else {})


@bounded
@given(EVENTS)
def test_the_fields_that_stand_in_some_bodies_only(event: Event) -> None:
    """The customer's id, the error's words and the number of parts arrive in the kinds of bodies that have them."""
    phonovation, routee, insider = (
        json.loads(formats.render(name, event) or b"{}") for name in ("phonovation-v2", "routee", "insider")
    )
    if phonovation and phonovation["Status"] != "CAMPAIGN_ERROR":
        assert phonovation["NotifyId"] == (event.customer_message_id or "")
    if routee:
        assert routee["status"]["reason"]["description"] == (event.error["message"] if event.error else None)
    if insider and insider["event"] == "sent":
        assert insider["partCount"] == event.details.get("parts", 1)


@bounded
@given(EVENTS)
def test_the_message_id_of_mta_v1_loses_no_digit(event: Event) -> None:
    """As a number or as a string, it is written with the same characters."""
    body = json.loads(formats.render("mta-v1", event) or "null")
    if body:
        assert str(body["messageId"]) == event.message_id
