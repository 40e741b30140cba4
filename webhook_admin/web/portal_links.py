"""/accounts/{id}/portal-links: a customer's way to the page, without an API key."""

from typing import Any

from flask import g, request
from flask.views import MethodView
from marshmallow import fields

from webhook_admin import portal_sessions
from webhook_admin.errors import AccountNotFound
from webhook_admin.portal_sessions import DEFAULT_LINK_SECONDS, MAX_LINK_SECONDS, MIN_LINK_SECONDS
from webhook_admin.web.auth import path_account_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now, parts
from webhook_admin.web.enumerations import PORTAL_ACCESS
from webhook_admin.web.fields import Choice, Timestamp
from webhook_admin.web.openapi import JSON_BODY, PATH_ACCOUNT_ID, PLATFORM, operation
from webhook_admin.web.records import Answer, Record
from webhook_admin.web.seconds import Seconds

blueprint = Blueprint("portal_links", __name__, description="Links to the page of an account. Platform keys only.")


class PortalLinkInput(Record):
    expires_in_seconds = Seconds(
        MIN_LINK_SECONDS,
        MAX_LINK_SECONDS,
        "1 day",
        f"For how long the link can be opened. Left out: {DEFAULT_LINK_SECONDS} (1 hour).",
    )
    access = Choice(PORTAL_ACCESS, metadata={"description": "How much may be done there. Left out: `full`."})


class PortalLink(Answer):
    url = fields.String(
        required=True,
        metadata={
            "description": "Opens the page once, for this account, without an API key. Shown only here.",
            "format": "uri",
            "examples": [
                "https://webhooks.example.com/portal/link?token=whpl_q0vWbGdHd4Xb2Y0c7hJ3Q3m7Fj1l9nN5oRzKpXyTu8A"
            ],
        },
    )
    expires_at = Timestamp(required=True, metadata={"description": "Until when the link can be opened."})


@blueprint.route("/accounts/<account_id>/portal-links", parameters=[PATH_ACCOUNT_ID])
class PortalLinks(MethodView):
    @blueprint.arguments(PortalLinkInput, required=False)
    @blueprint.response(201, PortalLink)
    @operation("createPortalLink", *PLATFORM, *JSON_BODY, AccountNotFound())
    def post(self, body: dict[str, Any], account_id: str) -> Any:
        """Create a link to the account's page

        For a customer whom your own site has signed in: it opens the page once. The session that it opens lasts for 8
        hours, and ends earlier if the platform key is revoked that made the link.
        """
        link = portal_sessions.make_link(connection(), g.caller.key_id, path_account_id(), now(), **body)
        base = parts().settings.public_url or request.root_url.rstrip("/")
        return {"url": f"{base}/portal/link?token={link.token}", "expires_at": link.expires_at}
