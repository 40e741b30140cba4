"""/webhooks/delivery-status/test: a made-up event goes through the whole pipeline, once."""

from typing import Any

from flask.views import MethodView

from webhook_admin import testing
from webhook_admin.errors import WebhookDisabled, WebhookNotFound
from webhook_admin.events import Channel, Status
from webhook_admin.queue import history
from webhook_admin.web.auth import account_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now, transaction
from webhook_admin.web.delivery_schemas import DeliveryWithAttempts
from webhook_admin.web.delivery_status import PATH
from webhook_admin.web.enumerations import CHANNEL, MESSAGE_STATUS, PAYLOAD_FORMAT_NAME
from webhook_admin.web.fields import CallbackUrl, Choice
from webhook_admin.web.openapi import ACCOUNT, JSON_BODY, X_ACCOUNT_ID, operation
from webhook_admin.web.records import Record

blueprint = Blueprint("test", __name__, description="Test events.")
_EXAMPLE = {"status": "UNDELIVERED", "callbackUrl": "https://hooks.example.com/v2/delivery-status"}


class TestInput(Record):
    status = Choice(MESSAGE_STATUS, metadata={"description": f"Left out: `{Status.DELIVERED}`."})
    channel = Choice(CHANNEL, metadata={"description": f"Left out: `{Channel.SMS}`."})
    callback_url = CallbackUrl(
        metadata={
            "description": "Where to send it instead, by the rules of a webhook's callback URL. Left out: to the "
            "webhook.",
            "format": "uri",
            "maxLength": 2048,
        }
    )
    payload_format = Choice(
        PAYLOAD_FORMAT_NAME, metadata={"description": "How to write it. Left out: the webhook's, else `standard`."}
    )


@blueprint.route(f"{PATH}/test")
class TestEvent(MethodView):
    @blueprint.arguments(TestInput, required=False, examples={"before it is saved": {"value": _EXAMPLE}})
    @blueprint.response(202, DeliveryWithAttempts)
    @operation("sendTestEvent", *ACCOUNT, *JSON_BODY, WebhookNotFound(), WebhookDisabled(), parameters=[X_ACCOUNT_ID])
    def post(self, body: dict[str, Any]) -> Any:
        """Send a test event

        A made-up event of a message whose id begins with `test-` is sent like any other, to the webhook or to a
        `callbackUrl` that is to be tried before it is saved; signed with the webhook's secret, if there is one. The
        notification has the header `webhook-test: true`. There is one attempt, at once: a test waits neither for other
        deliveries nor for the end of a pause. It does not count towards failing; 410 disables the webhook as always.
        A status that the format cannot express is `SKIPPED`. 409 for a disabled webhook, unless there is a
        `callbackUrl`.
        """
        with transaction() as accepting:
            delivery_id = testing.send(accepting, account_id(), now(), **body)
        return history.get(connection(), delivery_id)
