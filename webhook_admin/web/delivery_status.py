"""/webhooks/delivery-status: the account's webhook."""

from typing import Any

from flask import request, url_for
from flask.views import MethodView
from werkzeug.datastructures import ETags
from werkzeug.http import parse_etags

from webhook_admin import webhooks
from webhook_admin.errors import InvalidInput, PreconditionFailed, WebhookExists, WebhookNotFound
from webhook_admin.field_errors import FieldError
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
    UNLESS_MATCH,
    X_ACCOUNT_ID,
    operation,
)

PATH = "/webhooks/delivery-status"
# Each is a parameter of an SQL statement.
MAX_ENTITY_TAGS = 100
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
    @blueprint.response(201, schemas.CreatedWebhook, headers=ETAG | LOCATION)
    @operation("createDeliveryStatusWebhook", *ACCOUNT, *JSON_BODY, WebhookExists(), parameters=[X_ACCOUNT_ID])
    def post(self, body: dict[str, Any]) -> Any:
        """Configure the delivery-status webhook

        From now on every delivery-status event of the account's messages is POSTed to the callback URL. Keep the
        signing secret: it verifies the notifications, and is shown only in this answer. An account has one webhook.
        """
        webhook = webhooks.register(connection(), parts().cipher, account_id(), now(), **body)
        return webhook, _etag(webhook) | {"Location": url_for("delivery-status.DeliveryStatusWebhook")}

    @blueprint.arguments(schemas.WebhookInput)
    @blueprint.response(200, schemas.Webhook, headers=ETAG)
    @operation(
        "updateDeliveryStatusWebhook",
        *ACCOUNT,
        *JSON_BODY,
        WebhookNotFound(),
        PreconditionFailed(),
        parameters=[X_ACCOUNT_ID, IF_MATCH, UNLESS_MATCH],
    )
    def put(self, body: dict[str, Any]) -> Any:
        """Update the delivery-status webhook

        Takes effect immediately: no notification is started to the old URL afterwards. A field that is left out
        keeps its value, and so does the signing secret. A disabled webhook is active again.
        """
        with transaction() as changing:
            webhook = webhooks.replace(changing, account_id(), now(), _demanded(), **body)
        return webhook, _etag(webhook)

    @blueprint.response(204)
    @operation(
        "deleteDeliveryStatusWebhook",
        *ACCOUNT,
        WebhookNotFound(),
        PreconditionFailed(),
        parameters=[X_ACCOUNT_ID, IF_MATCH, UNLESS_MATCH],
    )
    def delete(self) -> Any:
        """Revoke the delivery-status webhook

        Takes effect immediately. Notifications that are on their way already may still arrive at the old URL.
        """
        with transaction() as changing:
            webhooks.remove(changing, account_id(), now(), _demanded())


def _etag(webhook: webhooks.Webhook) -> dict[str, str]:
    return {"ETag": f'"{webhook.etag}"'}


def _demanded() -> frozenset[str] | None:
    """The ETags that the webhook may have for a change to be made; None for any.

    These are If-Match's strong entity tags, `*` being any. If-None-Match forbids others (RFC 9110, section 13.1.2);
    then the present ETag is demanded, so that no change between this look and the next can bring a forbidden one.
    Raises `WebhookNotFound`, `PreconditionFailed`, and `InvalidInput` for a list that is too long.
    """
    wanted = None if "If-Match" not in request.headers else _entity_tags("If-Match")
    if "If-None-Match" not in request.headers:
        return None if wanted is None or wanted.star_tag else frozenset(wanted.as_set())
    forbidden = _entity_tags("If-None-Match")
    etag = webhooks.get(connection(), account_id()).etag
    if forbidden.contains_weak(etag) or not (wanted is None or wanted.contains(etag)):
        raise PreconditionFailed
    return frozenset([etag])


def _entity_tags(header: str) -> ETags:
    """The entity tags of a header. Raises `InvalidInput` if they could be more than `MAX_ENTITY_TAGS`."""
    text = request.headers[header]
    if text.count(",") >= MAX_ENTITY_TAGS:
        message = f"Must not have more than {MAX_ENTITY_TAGS} entity tags."
        raise InvalidInput([FieldError(header, "too_many", message)])
    return parse_etags(text)
