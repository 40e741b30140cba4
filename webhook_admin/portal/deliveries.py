"""/portal/deliveries: the list, the newest first."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from webhook_admin.events import Channel, Status
from webhook_admin.portal.filters import asked
from webhook_admin.queue import history
from webhook_admin.queue.deliveries import State
from webhook_admin.web.context import connection

blueprint = Blueprint("deliveries", __name__)
_PER_PAGE = 50
_CHOICES = {"states": list(State), "statuses": list(Status), "channels": list(Channel)}


@blueprint.get("/deliveries")
def page() -> ResponseReturnValue:
    asks = asked(request.args)
    if asks.faults:
        return render_template("portal/deliveries.html", asks=asks, page=None, **_CHOICES), 400
    found = history.list_deliveries(connection(), asks.wanted, asks.after, _PER_PAGE)
    return render_template("portal/deliveries.html", asks=asks, page=found, **_CHOICES)
