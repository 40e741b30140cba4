"""/events: the platform says what has become of messages."""

from typing import Any

from flask.views import MethodView

from webhook_admin.errors import EventConflict, InvalidInput
from webhook_admin.events import Event
from webhook_admin.field_errors import FieldError
from webhook_admin.ids import new_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import give_back, now, parts
from webhook_admin.web.event_schemas import MAX_BODY, Accepted, EventsInput
from webhook_admin.web.openapi import PLATFORM, operation

blueprint = Blueprint(
    "events", __name__, description="What has become of messages. Platform keys only.", max_body=MAX_BODY
)
_EXAMPLE = {
    "events": [
        {
            "id": "evt-48151623-1",
            "accountId": "acme",
            "messageId": "48151623",
            "channel": "SMS",
            "status": "SENT",
            "timestamp": "2026-04-09T14:39:40.69257Z",
        },
        {
            "id": "evt-48151623-2",
            "accountId": "acme",
            "messageId": "48151623",
            "channel": "SMS",
            "status": "UNDELIVERED",
            "timestamp": "2026-04-09T14:41:02Z",
            "reason": "UNREACHABLE",
            "error": {"code": 27, "message": "Absent subscriber"},
            "to": "+353861234567",
            "from": "Acme",
            "customerMessageId": "order-001",
            "tags": {"shop": "dublin"},
            "callbackUrl": "https://hooks.example.com/order-001",
            "payloadFormat": "standard",
            "details": {"country": "IE", "parts": 1, "price": 0.0331},
        },
    ]
}
_ACCEPTED = {"accepted": 1, "duplicates": 0, "unrouted": 1}
_FAILURES = (
    408,
    413,
    415,
    InvalidInput([FieldError("events.1.callbackUrl", "not_https", "Begin the callback URL with https://.")]),
    EventConflict("evt-48151623-2", "acme"),
)


@blueprint.route("/events")
class Events(MethodView):
    @blueprint.arguments(EventsInput, examples={"events": {"value": _EXAMPLE}})
    @blueprint.response(202, Accepted, examples={"accepted": {"value": _ACCEPTED}})
    @operation("acceptEvents", *PLATFORM, *_FAILURES)
    def post(self, body: dict[str, Any]) -> Any:
        """Accept events

        1 to 1,000 events in a body of at most 4 MiB. All or none: after a 202 they are on record and will be delivered;
        after anything else, none is. So repeat a call that was not answered: events with an `id` are not doubled.
        The same `id` in the same account with other content is 409.
        """
        events = [Event(**{"id": new_id("evt")} | fields) for fields in body["events"]]
        give_back()
        metrics = parts().metrics.events
        with metrics.storing():
            accepted = parts().group_commit.accept(events, now())
        metrics.accepted(accepted)
        return accepted
