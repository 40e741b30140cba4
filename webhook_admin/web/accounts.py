"""/accounts: the platform's customers."""

from typing import Any

from flask.views import MethodView

from webhook_admin import accounts
from webhook_admin.errors import AccountNotFound
from webhook_admin.web import schemas
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now, transaction
from webhook_admin.web.openapi import JSON_BODY, PARAMETERS, PATH_ACCOUNT_ID, PLATFORM, operation

blueprint = Blueprint("accounts", __name__, description="The platform's customers. Platform keys only.")


@blueprint.route("/accounts")
class Accounts(MethodView):
    @blueprint.arguments(schemas.PageInput, location="query")
    @blueprint.response(200, schemas.AccountPage)
    @operation("listAccounts", *PLATFORM, *PARAMETERS)
    def get(self, page: dict[str, Any]) -> Any:
        """List the accounts, by id

        In pages that neither repeat nor skip an account while others come and go.
        """
        return accounts.list_accounts(connection(), **page)


@blueprint.route("/accounts/<account_id>", parameters=[PATH_ACCOUNT_ID])
class Account(MethodView):
    @blueprint.response(200, schemas.Account)
    @operation("getAccount", *PLATFORM, AccountNotFound())
    def get(self, account_id: str) -> Any:
        """Get an account

        Its name, and when it was created and last changed.
        """
        return accounts.get(connection(), account_id)

    @blueprint.arguments(schemas.AccountInput, required=False)
    @blueprint.response(200, schemas.Account)
    @blueprint.alt_response(201, schema=schemas.Account, description="Created", success=True)
    @operation("putAccount", *PLATFORM, *JSON_BODY)
    def put(self, body: dict[str, Any], account_id: str) -> Any:
        """Create an account, or change its name

        Repeating the call is harmless. A name that is left out keeps its value; null takes it away.
        """
        account, is_new = accounts.put(connection(), account_id, now(), **body)
        return account, 201 if is_new else 200

    @blueprint.response(204)
    @operation("deleteAccount", *PLATFORM, AccountNotFound())
    def delete(self, account_id: str) -> Any:
        """Delete an account

        Its keys stop working and its webhook is gone.
        """
        with transaction() as deleting:
            accounts.remove(deleting, account_id, now())
