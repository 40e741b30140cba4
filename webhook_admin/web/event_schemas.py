"""The canonical event as it comes in: the shape, and the rules that go across its fields."""

from collections.abc import Mapping
from typing import Any

from marshmallow import fields

from webhook_admin.accounts import ACCOUNT_ID
from webhook_admin.events import UNSUCCESSFUL, Channel, Reason, Status
from webhook_admin.web.enumerations import CHANNEL, MESSAGE_STATUS, PAYLOAD_FORMAT_NAME, REASON
from webhook_admin.web.event_fields import Count, ErrorCode, EventTime, Number, Tags, Texts
from webhook_admin.web.fields import CallbackUrl, Choice, Fault, Text
from webhook_admin.web.records import Answer, Faults, Object, Objects, Record

MOST_EVENTS = 1_000
MAX_BODY = 4 * 1024 * 1024
"""Bytes."""
_WITH_REASON = ", ".join(status for status in Status if status in UNSUCCESSFUL)
_TIMESTAMP = """\
When it happened, with an offset. In UTC with `Z`, receivers get the same digits, however many there are of the second's
fraction; a moment with another offset is written in UTC. Leap seconds (`:60`) are refused."""
_E164 = "E.164: `+` and 2 to 15 digits, the first of them not 0."


def recipient(description: str = _E164, attribute: str | None = None, **options: Any) -> Text:
    """The field that has a recipient."""
    return Text(
        most=16,
        form=r"\+[1-9][0-9]{1,14}",
        attribute=attribute,
        metadata={"description": description, "examples": ["+353861234567"]},
        error_messages={"malformed": "Must be in E.164, such as +353861234567. In a URL, `+` is written as `%2B`."},
        **options,
    )


# What single payload formats have a field for, under its name there.
EventDetails = Record.from_dict(
    {
        "smsId": Text(least=0),
        "campaignTrackingId": Text(least=0),
        "part": Count(),
        "parts": Count(),
        "country": Text(least=0),
        "operator": Text(least=0),
        "groups": Texts(),
        "campaignName": Text(least=0),
        "message": Text(least=0, most=4096),
        "applicationName": Text(least=0),
        "latency": Number(),
        "price": Number(),
        "direction": Text(least=0),
        "originatingService": Text(least=0),
        "senderName": Text(least=0),
    },
    name="EventDetails",
)


class EventError(Record):
    code = ErrorCode(required=True, metadata={"examples": [27]})
    message = Text(required=True, least=0, metadata={"examples": ["Absent subscriber"]})


class Event(Record):
    """No field may be null: what an event does not have is left out."""

    account_id = Text(
        required=True,
        most=64,
        form=ACCOUNT_ID.pattern,
        metadata={"description": "Whose message it is; the account must exist.", "examples": ["acme"]},
    )
    message_id = Text(required=True, most=128, metadata={"examples": ["48151623"]})
    channel = Choice(CHANNEL, required=True, metadata={"examples": [Channel.SMS]})
    status = Choice(MESSAGE_STATUS, required=True, metadata={"examples": [Status.UNDELIVERED]})
    timestamp = EventTime(
        required=True, metadata={"description": _TIMESTAMP, "examples": ["2026-04-09T14:39:40.69257Z"]}
    )
    id = Text(
        most=128,
        form="[A-Za-z0-9_-]{1,128}",
        metadata={
            "description": "Names the event, once in its account: sent again, it is a duplicate. Left out, it is ours, "
            "and nobody can tell whether the event has come before.",
            "examples": ["evt-48151623-6"],
        },
    )
    reason = Choice(
        REASON,
        metadata={
            "description": f"Why it has not arrived; only with {_WITH_REASON}.",
            "examples": [Reason.UNREACHABLE],
        },
    )
    error = Object(EventError, metadata={"description": "What the carrier or provider said, in its own terms."})
    to = recipient()
    from_ = Text(least=0, metadata={"description": "A number, or a name.", "examples": ["Acme"]})
    customer_message_id = Text(
        least=0, metadata={"description": "The customer's own id of the message.", "examples": ["order-001"]}
    )
    tags = Tags(metadata={"description": "The customer's own tags of the message.", "examples": [{"shop": "dublin"}]})
    callback_url = CallbackUrl(
        metadata={
            "description": "Where this message's notification goes instead, with or without a webhook. The rules are "
            "those of a webhook's callback URL.",
            "format": "uri",
            "maxLength": 2048,
        }
    )
    payload_format = Choice(
        PAYLOAD_FORMAT_NAME,
        metadata={"description": "Only beside `callbackUrl`: its format. Left out: the webhook's, else `standard`."},
    )
    details = Object(
        EventDetails, metadata={"description": "What single payload formats have a field for, under its name there."}
    )
    expires_at = EventTime(
        metadata={
            "description": "From then on no attempt is started, and the delivery is FAILED.",
            "examples": ["2026-04-10T14:39:40Z"],
        }
    )

    def misplaced(self, values: Mapping[str, Any], data: Mapping[str, Any]) -> Faults:
        """A reason beside a status that needs none, and a payload format without its callback URL."""
        faults: Faults = {}
        if "reason" in data and values.get("status", Status.FAILED) not in UNSUCCESSFUL:
            faults["reason"] = [Fault("misplaced", f"Only with the status {_WITH_REASON}.")]
        if "payloadFormat" in data and "callbackUrl" not in data:
            faults["payloadFormat"] = [Fault("misplaced", "Only beside callbackUrl.")]
        return faults


class EventsInput(Record):
    events = Objects(Event, most=MOST_EVENTS, required=True)


class Accepted(Answer):
    accepted = fields.Integer(required=True, metadata={"description": "Events that are new and now on their way."})
    duplicates = fields.Integer(
        required=True, metadata={"description": "Events that were on record already, or came twice in this call."}
    )
    unrouted = fields.Integer(
        required=True, metadata={"description": "Events with nowhere to go: no webhook and no `callbackUrl`."}
    )
