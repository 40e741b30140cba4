"""/portal/deliveries/resend: all deliveries that fit are sent again, counted before, and watched then."""

from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from webhook_admin.portal import session
from webhook_admin.portal.filters import Asked, asked
from webhook_admin.queue import resend, statistics
from webhook_admin.queue.clock import milliseconds
from webhook_admin.queue.resend import DEFAULT_STATES, MAX_RESENT, Matched
from webhook_admin.queue.selection import Chosen
from webhook_admin.queue.statistics import MAX_PENDING
from webhook_admin.web.context import connection, now, transaction

blueprint = Blueprint("resends", __name__)


@blueprint.get("/deliveries/resend")
def page() -> ResponseReturnValue:
    asks = asked(request.args)
    return render_template(
        "portal/resend.html", asks=asks, matched=_matched(asks), most=MAX_RESENT, default_states=DEFAULT_STATES
    )


@blueprint.post("/deliveries/resend")
def send_again() -> ResponseReturnValue:
    asks = asked(request.form)
    matched = _matched(asks)
    count = sum(map(_resend, matched.batches()))
    return redirect(url_for(".progress", count=count, more=int(matched.more), **asks.filter_fields), 303)


@blueprint.get("/deliveries/resent")
def progress() -> ResponseReturnValue:
    waiting = statistics.waiting(connection(), session.account_id(), milliseconds(now())).pending
    count = max(0, min(request.args.get("count", 0, int), MAX_RESENT))
    return render_template(
        "portal/resent.html",
        asks=asked(request.args),
        count=count,
        more=request.args.get("more") == "1",
        waiting=waiting,
        max_pending=MAX_PENDING,
    )


def _matched(asks: Asked) -> Matched:
    """What can be resent of what is asked for. Raises `BadRequest`, `NothingToSendTo`, `WebhookDisabled`."""
    if asks.faults:
        raise BadRequest("The filter has a mistake: " + " ".join(asks.faults.values()))
    return resend.choose(connection(), asks.wanted, now())


def _resend(batch: Sequence[Chosen]) -> int:
    with transaction() as resending:
        return resend.some(resending, session.account_id(), batch, now())
