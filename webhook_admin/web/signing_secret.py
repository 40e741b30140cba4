"""/webhooks/delivery-status/signing-secret and /previous-secret: a new secret, and the end of the one before."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView

from webhook_admin import signing_secrets
from webhook_admin.errors import RotationInProgress, WebhookNotFound
from webhook_admin.web.auth import account_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now, parts, transaction
from webhook_admin.web.delivery_status import PATH
from webhook_admin.web.openapi import ACCOUNT, JSON_BODY, X_ACCOUNT_ID, operation
from webhook_admin.web.secret_schemas import Rotation, RotationInput

blueprint = Blueprint("signing-secret", __name__, description="The secret that notifications are signed with.")
_ROTATION = {"overlapSeconds": 3600}
_ROTATED = signing_secrets.Rotated(
    "whsec_dGhpcyBpcyBvbmUgc2VjcmV0IG9mIDMyIGJ5dGVzLi4=", datetime(2026, 1, 31, 10, 30, 0, 123456, UTC)
)


@blueprint.route(f"{PATH}/signing-secret")
class SigningSecret(MethodView):
    @blueprint.arguments(RotationInput, required=False, examples={"rotation": {"value": _ROTATION}})
    @blueprint.response(201, Rotation, examples={"rotated": {"value": Rotation().dump(_ROTATED)}})
    @operation(
        "rotateSigningSecret",
        *ACCOUNT,
        *JSON_BODY,
        WebhookNotFound(),
        RotationInProgress(),
        parameters=[X_ACCOUNT_ID],
    )
    def post(self, body: dict[str, Any]) -> Any:
        """Rotate the signing secret

        Makes a new secret. Until `previousSecretExpiresAt`, notifications have two signatures, that of the new secret
        first: a receiver verifies with either of the two, so it can be given the new one at any moment of that time.
        While an overlap runs, another rotation is 409 unless `force` is true. The webhook's ETag changes.
        """
        with transaction() as changing:
            return signing_secrets.rotate(changing, parts().cipher, account_id(), now(), **body)


@blueprint.route(f"{PATH}/previous-secret")
class PreviousSecret(MethodView):
    @blueprint.response(204)
    @operation("dropPreviousSecret", *ACCOUNT, WebhookNotFound(), parameters=[X_ACCOUNT_ID])
    def delete(self) -> Any:
        """End the overlap of a rotation

        No notification that is started after the answer is signed with the previous secret. 204 also if there is none:
        the call may be repeated.
        """
        signing_secrets.drop_previous(connection(), account_id(), now())
