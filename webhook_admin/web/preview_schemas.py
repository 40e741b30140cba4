"""The shapes of a preview: an event that is not sent, and the request that it would be sent as."""

from marshmallow import fields

from webhook_admin.web.enumerations import PAYLOAD_FORMAT_NAME
from webhook_admin.web.event_schemas import Event
from webhook_admin.web.fields import Choice, Text
from webhook_admin.web.records import Answer, Object, Record


class PreviewEvent(Event):
    """As it is posted to /events, but that the account need not be named."""

    account_id = Text(
        metadata={"description": "Left out: the account that the call acts for. No other may stand here."},
    )


class PreviewInput(Record):
    event = Object(PreviewEvent, required=True)
    payload_format = Choice(
        PAYLOAD_FORMAT_NAME,
        metadata={"description": "How to write it. Left out: as it would be, by the event or else by the webhook."},
    )


class Preview(Answer):
    method = fields.String(required=True, metadata={"const": "POST"})
    url = fields.String(required=True, metadata={"description": "Where the request would go."})
    headers = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={
            "description": "All but Host and Content-Length, which HTTP adds. Empty if no request would be made."
        },
    )
    body = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Exactly the bytes that would be sent, in UTF-8. null: no request would be made."},
    )
    skipped = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Why no request would be made; null if one would."},
    )


EXAMPLE = {
    "event": {
        "id": "evt-48151623-2",
        "messageId": "48151623",
        "channel": "SMS",
        "status": "DELIVERED",
        "timestamp": "2026-04-09T14:39:40.69257Z",
        "to": "+353861234567",
        "customerMessageId": "order-001",
    },
    "payloadFormat": "mta-v1",
}
