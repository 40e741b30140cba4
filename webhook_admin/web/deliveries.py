"""/deliveries: what became of the account's events, and sending them again."""

from collections.abc import Sequence
from typing import Any

from flask import Flask
from flask.views import MethodView
from werkzeug.routing import BaseConverter

from webhook_admin import accounts
from webhook_admin.errors import (
    DeliveryErased,
    DeliveryInFlight,
    DeliveryNotFound,
    NothingToSendTo,
    TestNotResent,
    WebhookDisabled,
)
from webhook_admin.queue import history, resend
from webhook_admin.queue.selection import Chosen, Filter
from webhook_admin.web import delivery_examples as examples
from webhook_admin.web import delivery_schemas as schemas
from webhook_admin.web.auth import account_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now, transaction
from webhook_admin.web.openapi import ACCOUNT, JSON_BODY, PARAMETERS, PATH_DELIVERY_ID, X_ACCOUNT_ID, operation

blueprint = Blueprint("deliveries", __name__, description="What became of the account's events.")


class _DeliveryId(BaseConverter):
    # `resend` is no id: GET /deliveries/resend is 405, and its Allow names POST alone.
    regex = r"(?!resend\Z)[^/]+"
    part_isolating = True


def init_app(app: Flask) -> None:
    """Let the app's paths have `<delivery:...>`."""
    app.url_map.converters["delivery"] = _DeliveryId


@blueprint.route("/deliveries")
class Deliveries(MethodView):
    @blueprint.arguments(schemas.DeliveryPageInput, location="query")
    @blueprint.response(200, schemas.DeliveryPage, examples={"page": {"value": examples.PAGE}})
    @operation("listDeliveries", *ACCOUNT, *PARAMETERS, parameters=[X_ACCOUNT_ID])
    def get(self, page: dict[str, Any]) -> Any:
        """List deliveries, the newest first

        Each event that had somewhere to go is one delivery. `state` may be repeated. In pages that neither repeat nor
        skip a delivery while others come and go.
        """
        paging = {"after": page.pop("after"), "limit": page.pop("limit"), "oldest_first": page.pop("order") == "asc"}
        created_at = accounts.get(connection(), account_id()).created_at
        wanted = Filter(account_id=account_id(), account_created_at=created_at, **page)
        return history.list_deliveries(connection(), wanted, **paging)


@blueprint.route("/deliveries/<delivery:delivery_id>", parameters=[PATH_DELIVERY_ID])
class Delivery(MethodView):
    @blueprint.response(200, schemas.DeliveryWithAttempts, examples={"delivery": {"value": examples.WITH_ATTEMPTS}})
    @operation("getDelivery", *ACCOUNT, DeliveryNotFound(), parameters=[X_ACCOUNT_ID])
    def get(self, delivery_id: str) -> Any:
        """Get a delivery

        With its event and every attempt: what the receiver answered, what went wrong, and what to do about it.
        """
        return history.get(connection(), delivery_id, account_id())


@blueprint.route("/deliveries/<delivery:delivery_id>/resend", parameters=[PATH_DELIVERY_ID])
class DeliveryResend(MethodView):
    @blueprint.response(202, schemas.Delivery, examples={"delivery": {"value": examples.PENDING_AGAIN}})
    @operation(
        "resendDelivery",
        *ACCOUNT,
        *(DeliveryNotFound(), NothingToSendTo(), WebhookDisabled(), TestNotResent(), DeliveryErased()),
        DeliveryInFlight(),
        parameters=[X_ACCOUNT_ID],
    )
    def post(self, delivery_id: str) -> Any:
        """Resend a delivery

        It is pending again and due at once, whatever its state: to the callback URL and in the payload format of the
        webhook as it is now, or to the event's own callback URL. Its id and so `webhook-id` stay, attempts are counted
        on, and the retry schedule and the greatest age begin anew. A pause of the receiver still holds:
        `nextAttemptAt` counts it in. 409 while an attempt is in flight, for tests, and for what has been erased.
        """
        with transaction() as resending:
            resend.one(resending, account_id(), delivery_id, now())
            return history.get(resending, delivery_id, account_id())


@blueprint.route("/deliveries/resend")
class Resend(MethodView):
    @blueprint.arguments(schemas.ResendInput, required=False, examples={"resend": {"value": examples.RESEND}})
    @blueprint.response(202, schemas.Resent, examples={"resent": {"value": examples.RESENT}})
    @blueprint.alt_response(200, schema=schemas.Resent, description="Counted, of a dry run", success=True)
    @operation(
        "resendDeliveries", *ACCOUNT, *JSON_BODY, NothingToSendTo(), WebhookDisabled(), parameters=[X_ACCOUNT_ID]
    )
    def post(self, body: dict[str, Any]) -> Any:
        """Resend the deliveries that fit

        The oldest first, at most 10,000 a call: repeat it while `more`. Left out are deliveries with an attempt in
        flight, pending ones that a resend would change nothing about, those that have been erased, and those that
        have nowhere to go. The result of a call that was not answered can be seen with `dryRun`, and the call can be
        repeated.
        """
        dry_run = body.pop("dry_run", False)
        matched = resend.choose(connection(), Filter(account_id=account_id(), **body), now())
        resent = 0 if dry_run else sum(map(_resend, matched.batches()))
        return {"matched": len(matched.deliveries), "resent": resent, "more": matched.more}, 200 if dry_run else 202


def _resend(batch: Sequence[Chosen]) -> int:
    with transaction() as resending:
        return resend.some(resending, account_id(), batch, now())
