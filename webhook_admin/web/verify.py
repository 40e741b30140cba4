"""/webhooks/delivery-status/verify: why a receiver refuses a notification. Nothing is stored."""

from typing import Any

from flask.views import MethodView

from webhook_admin import signing_secrets, verification
from webhook_admin.errors import WebhookNotFound
from webhook_admin.queue import sent
from webhook_admin.verification import headers
from webhook_admin.web.auth import account_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now, parts
from webhook_admin.web.delivery_status import PATH
from webhook_admin.web.openapi import ACCOUNT, JSON_BODY, X_ACCOUNT_ID, operation
from webhook_admin.web.verify_schemas import EXAMPLE, Verdict, VerifyInput

blueprint = Blueprint("verify", __name__, description="Why a receiver refuses a notification.")


@blueprint.route(f"{PATH}/verify")
class Verification(MethodView):
    @blueprint.arguments(VerifyInput, examples={"notification": {"value": EXAMPLE}})
    @blueprint.response(200, Verdict)
    @operation("verifyNotification", *ACCOUNT, *JSON_BODY, WebhookNotFound(), parameters=[X_ACCOUNT_ID])
    def post(self, body: dict[str, Any]) -> Any:
        """Explain a signature that a receiver refuses

        Send the headers and the body of a notification exactly as your program has them where it verifies: the answer
        says what is wrong with them. The body is compared with the one that was sent for the delivery, if that is on
        record. `valid`: a receiver with the webhook's secret accepts it now. `signedContent` is the text to compute the
        HMAC of, with the body that was sent.
        """
        secrets = signing_secrets.get(connection(), parts().cipher, account_id())
        given = headers.read(body["headers"])
        delivery = sent.find(connection(), account_id(), given.delivery_id)
        return verification.judge(given, body["body"], secrets, delivery, now())
