"""/payload-formats: what a webhook may choose from."""

from typing import Any

from flask.views import MethodView

from webhook_admin import formats
from webhook_admin.web import schemas
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.openapi import ANY_KEY, PARAMETERS, operation

blueprint = Blueprint("payload-formats", __name__, description="How notifications may be written. Any API key.")


@blueprint.route("/payload-formats")
class PayloadFormats(MethodView):
    @blueprint.arguments(schemas.NoParameters, location="query")
    @blueprint.response(200, schemas.PayloadFormatList)
    @operation("listPayloadFormats", *ANY_KEY, *PARAMETERS)
    def get(self, _parameters: dict[str, Any]) -> Any:
        """List the payload formats

        All of them, as they are few: this list has no pages. The examples are one message's, so that formats can be
        compared; `POST /webhooks/delivery-status/preview` writes any other event.
        """
        return {"items": [_described(name) for name in formats.FORMATS]}


def _described(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": formats.description(name),
        "success": str(formats.success(name)),
        "examples": formats.examples(name),
    }
