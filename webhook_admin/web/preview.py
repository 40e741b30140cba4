"""/webhooks/delivery-status/preview: the request that an event would be sent as. Nothing is stored, nothing is sent."""

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView

from webhook_admin import formats, signing_secrets, webhooks
from webhook_admin.dispatch import notification
from webhook_admin.errors import InvalidInput, WebhookNotFound
from webhook_admin.events import Event
from webhook_admin.field_errors import FieldError
from webhook_admin.ids import new_id
from webhook_admin.queue.orphans import webhook_disabled
from webhook_admin.web.auth import account_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now, parts
from webhook_admin.web.delivery_status import PATH
from webhook_admin.web.openapi import ACCOUNT, X_ACCOUNT_ID, operation
from webhook_admin.web.preview_schemas import EXAMPLE, Preview, PreviewInput
from webhook_admin.webhook_enums import WebhookStatus
from webhook_admin.webhooks import Webhook

blueprint = Blueprint("preview", __name__, description="What a receiver is going to get.")
_OTHER_ACCOUNT = FieldError("event.accountId", "other_account", "Leave it out, or name the account that is acted for.")


def _preview(
    event: Event, payload_format: str, url: str, secrets: Sequence[str], delivery_id: str, timestamp: int
) -> Any:
    body = formats.render(payload_format, event)
    if body is None:
        return _skipped(url, formats.skip_reason(payload_format, event))
    headers = notification.headers(payload_format, body, secrets, delivery_id, timestamp)
    return {"method": "POST", "url": url, "headers": headers, "body": body.decode(), "skipped": None}


def _skipped(url: str, why: str) -> Any:
    return {"method": "POST", "url": url, "headers": {}, "body": None, "skipped": why}


def _example() -> Any:
    asked = PreviewInput().load(EXAMPLE)
    return _preview(
        Event(account_id="acme", **asked["event"]),
        asked["payload_format"],
        "https://hooks.example.com/delivery-status?tenant=42",
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwbXl9SUrE4Rk="],
        "dlv_0199c7a2b6f07d3e8a51c04f6e2b9d18",
        1775745580,
    )


@blueprint.route(f"{PATH}/preview")
class NotificationPreview(MethodView):
    @blueprint.arguments(PreviewInput, examples={"event": {"value": EXAMPLE}})
    @blueprint.response(200, Preview, examples={"request": {"value": _example()}})
    @operation(
        "previewDeliveryStatusNotification",
        *ACCOUNT,
        *(408, 413, 415, InvalidInput([_OTHER_ACCOUNT]), WebhookNotFound()),
        parameters=[X_ACCOUNT_ID],
    )
    def post(self, body: dict[str, Any]) -> Any:
        """Preview a notification

        The request that an event would be sent as, to the byte, with a true signature; or why there would be none: the
        payload format cannot express the event, or the webhook is disabled. Nothing is stored, nothing is sent, and
        `webhook-id` names a delivery that does not exist. An event with a `callbackUrl` needs no webhook, but goes
        unsigned without one.
        """
        event = _event(account_id(), body["event"])
        webhook, secrets = _webhook_and_secrets(event)
        url, payload_format = notification.destination(
            event, webhook.callback_url if webhook else None, webhook.payload_format if webhook else None
        )
        if event.callback_url is None and webhook and webhook.status == WebhookStatus.DISABLED:
            return _skipped(url, webhook_disabled(webhook.disabled_reason))
        return _preview(
            event, body.get("payload_format") or payload_format, url, secrets, new_id("dlv"), int(now().timestamp())
        )


def _event(account_id: str, fields: dict[str, Any]) -> Event:
    """The account's event. Raises `InvalidInput` if it says that it is another's."""
    event = Event(**{"id": new_id("evt"), "account_id": account_id} | fields)
    if event.account_id != account_id:
        raise InvalidInput([_OTHER_ACCOUNT])
    return event


def _webhook_and_secrets(event: Event) -> tuple[Webhook | None, list[str]]:
    """The account's webhook, and its valid secrets. Raises `WebhookNotFound` where the event needs a webhook."""
    try:
        webhook = webhooks.get(connection(), event.account_id)
        return webhook, signing_secrets.get(connection(), parts().cipher, event.account_id).valid(now())
    except WebhookNotFound:
        if event.callback_url is None:
            raise
        return None, []
