"""/accounts/{id}/keys: the API keys of an account."""

from typing import Any

from flask import url_for
from flask.views import MethodView

from webhook_admin import keys
from webhook_admin.errors import AccountNotFound, KeyNotFound, TooManyKeys
from webhook_admin.web import schemas
from webhook_admin.web.auth import path_account_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now, transaction
from webhook_admin.web.openapi import (
    JSON_BODY,
    LOCATION,
    PARAMETERS,
    PATH_ACCOUNT_ID,
    PATH_KEY_ID,
    PLATFORM,
    operation,
)

blueprint = Blueprint("keys", __name__, description="The API keys of an account. Platform keys only.")


@blueprint.route("/accounts/<account_id>/keys", parameters=[PATH_ACCOUNT_ID])
class Keys(MethodView):
    @blueprint.arguments(schemas.PageInput, location="query")
    @blueprint.response(200, schemas.KeyPage)
    @operation("listKeys", *PLATFORM, *PARAMETERS, AccountNotFound())
    def get(self, page: dict[str, Any], account_id: str) -> Any:
        """List the account's API keys, the oldest first

        With what is known about each, and never the key itself.
        """
        return keys.list_keys(connection(), path_account_id(), **page)

    @blueprint.arguments(schemas.KeyInput, required=False)
    @blueprint.response(201, schemas.CreatedKey, headers=LOCATION)
    @operation("createKey", *PLATFORM, *JSON_BODY, AccountNotFound(), TooManyKeys())
    def post(self, body: dict[str, Any], account_id: str) -> Any:
        """Create an API key for the account

        The key is shown only in this answer. An account may have two active keys, so that one can be
        replaced without a gap.
        """
        with transaction() as making:
            key = keys.create(making, path_account_id(), now(), **body)
        return key, {"Location": url_for("keys.Key", account_id=account_id, key_id=key.id)}


@blueprint.route("/accounts/<account_id>/keys/<key_id>", parameters=[PATH_ACCOUNT_ID, PATH_KEY_ID])
class Key(MethodView):
    @blueprint.response(204)
    @operation("revokeKey", *PLATFORM, AccountNotFound(), KeyNotFound())
    def delete(self, account_id: str, key_id: str) -> Any:
        """Revoke an API key

        It stops working with the next request.
        """
        keys.revoke(connection(), key_id, path_account_id())
