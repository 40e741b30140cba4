"""/erasures: what is on record about a recipient is blanked."""

from typing import Any

from flask.views import MethodView
from marshmallow import fields

from webhook_admin.queue import erasure
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import give_back, now, parts
from webhook_admin.web.event_schemas import recipient
from webhook_admin.web.openapi import JSON_BODY, PLATFORM, operation
from webhook_admin.web.records import Answer, Record

blueprint = Blueprint("erasures", __name__, description="What is on record about a recipient. Platform keys only.")
_EXAMPLE = {"to": "+353861234567"}
_ERASED = {"deliveries": 12, "cancelled": 1}


class ErasureInput(Record):
    to = recipient(required=True)


class Erased(Answer):
    deliveries = fields.Integer(
        required=True, metadata={"description": "How many deliveries were blanked, of all accounts together."}
    )
    cancelled = fields.Integer(
        required=True, metadata={"description": "How many of them were waiting, and are CANCELLED."}
    )


@blueprint.route("/erasures")
class Erasures(MethodView):
    @blueprint.arguments(ErasureInput, examples={"recipient": {"value": _EXAMPLE}})
    @blueprint.response(200, Erased, examples={"erased": {"value": _ERASED}})
    @operation("eraseRecipient", *PLATFORM, *JSON_BODY)
    def post(self, body: dict[str, Any]) -> Any:
        """Erase a recipient

        Blanks every event to this recipient, of every account: message id, recipient, tags, details, error and all else
        that the event says, and what receivers have answered. Only events that name the recipient in `to` are found.
        What waits is CANCELLED; a notification in flight may still arrive. The deliveries stay, with event id, channel,
        status, state and the outcomes of their attempts, and can no longer be resent. An event that is posted again
        under the id of an erased one is a duplicate, whatever it says. Repeating the call is harmless.
        """
        moment = now()
        give_back()
        return erasure.erase(parts().database, body["to"], moment)
