"""/webhooks/delivery-status: the account's webhook."""

from typing import Any

from flask import request
from flask.views import MethodView

from webhook_admin import webhooks
from webhook_admin.errors import PreconditionFailed, WebhookExists, WebhookNotFound
from webhook_admin.web import schemas
from webhook_admin.web.auth import account_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now, parts, transaction
from webhook_admin.web.openapi import (
    ACCOUNT,
    ETAG,
    IF_MATCH,
    IF_NONE_MATCH,
    JSON_BODY,
    LOCATION,
    X_ACCOUNT_ID,
    operation,
)

PATH = "/webhooks/delivery-status"
blueprint = Blueprint("delivery-status", __name__, description="The webhook of an account.")


@blueprint.route(PATH)
class DeliveryStatusWebhook(MethodView):
    @blueprint.response(200, schemas.Webhook, headers=ETAG)
    @blueprint.alt_response(304, description="Not changed")
    @operation("getDeliveryStatusWebhook", *ACCOUNT, WebhookNotFound(), parameters=[X_ACCOUNT_ID, IF_NONE_MATCH])
    def get(self) -> Any:
        """Get the delivery-status webhook

        The same callback URL serves all channels (SMS, RCS, WhatsApp).
        """
        webhook = webhooks.get(connection(), account_id())
        return webhook, _etag(webhook)

    @blueprint.arguments(schemas.WebhookInput)
    @blueprint.response(201, schemas.NewWebhook, headers=ETAG | LOCATION)
    @operation("createDeliveryStatusWebhook", *ACCOUNT, *JSON_BODY, WebhookExists(), parameters=[X_ACCOUNT_ID])
    def post(self, body: dict[str, Any]) -> Any:
        """Configure the delivery-status webhook

        From now on every delivery-status event of the account's messages is POSTed to the callback URL. Keep the
        signing secret: it verifies the notifications, and is shown only in this answer. An account has one webhook.
        """
        webhook = webhooks.register(connection(), parts().cipher, account_id(), now(), **body)
        return webhook, _etag(webhook) | {"Location": PATH}

    @blueprint.arguments(schemas.WebhookInput)
    @blueprint.response(200, schemas.Webhook, headers=ETAG)
    @operation(
        "updateDeliveryStatusWebhook",
        *ACCOUNT,
        *JSON_BODY,
        WebhookNotFound(),
        PreconditionFailed(),
        parameters=[X_ACCOUNT_ID, IF_MATCH],
    )
    def put(self, body: dict[str, Any]) -> Any:
        """Update the delivery-status webhook

        Takes effect immediately: no notification is started to the old URL afterwards. A field that is left out
        keeps its value, and so does the signing secret. A disabled webhook is active again.
        """
        with transaction() as changing:
            webhook = webhooks.replace(changing, account_id(), now(), _if_match(), **body)
        return webhook, _etag(webhook)

    @blueprint.response(204)
    @operation(
        "deleteDeliveryStatusWebhook",
        *ACCOUNT,
        WebhookNotFound(),
        PreconditionFailed(),
        parameters=[X_ACCOUNT_ID, IF_MATCH],
    )
    def delete(self) -> Any:
        """Revoke the delivery-status webhook

        Takes effect immediately. Notifications that are on their way already may still arrive at the old URL.
        """
        with transaction() as changing:
            webhooks.remove(changing, account_id(), now(), _if_match())


def _etag(webhook: webhooks.Webhook) -> dict[str, str]:
    return {"ETag": f'"{webhook.etag}"'}


def _if_match() -> frozenset[str] | None:
    """The strong entity tags of If-Match; None where it is not there or `*`, which any webhook matches."""
    tags = request.if_match
    return None if "If-Match" not in request.headers or tags.star_tag else frozenset(tags.as_set())
