"""/webhooks: every account's webhook."""

from typing import Any

from flask.views import MethodView

from webhook_admin import webhooks
from webhook_admin.web import schemas
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection
from webhook_admin.web.openapi import PARAMETERS, PLATFORM, operation

blueprint = Blueprint("webhooks", __name__, description="Every account's webhook. Platform keys only.")


@blueprint.route("/webhooks")
class Webhooks(MethodView):
    @blueprint.arguments(schemas.WebhookPageInput, location="query")
    @blueprint.response(200, schemas.WebhookPage)
    @operation("listWebhooks", *PLATFORM, *PARAMETERS)
    def get(self, page: dict[str, Any]) -> Any:
        """List every account's webhook, by account id

        In pages that neither repeat nor skip a webhook while others come and go.
        """
        return webhooks.list_webhooks(connection(), **page)
