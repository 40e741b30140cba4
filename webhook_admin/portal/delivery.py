"""/portal/deliveries/{id}: one delivery, its way, its request, and its resend."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from webhook_admin.portal import notifications, session, way
from webhook_admin.queue import history, resend
from webhook_admin.web.context import connection, now, transaction

blueprint = Blueprint("delivery", __name__)


@blueprint.get("/deliveries/<delivery_id>")
def page(delivery_id: str) -> ResponseReturnValue:
    delivery = history.get(connection(), delivery_id, session.account_id())
    kept = history.kept(connection(), delivery)
    return render_template(
        "portal/delivery.html",
        delivery=delivery,
        steps=way.steps(delivery, kept.resent_at),
        request_sent=notifications.of(delivery, kept.body),
        now=now(),
    )


@blueprint.post("/deliveries/<delivery_id>/resend")
def send_again(delivery_id: str) -> ResponseReturnValue:
    with transaction() as resending:
        resend.one(resending, session.account_id(), delivery_id, now())
    return redirect(url_for(".page", delivery_id=delivery_id), 303)
