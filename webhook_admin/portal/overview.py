"""/portal: how the webhook does, and what waits."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

blueprint = Blueprint("overview", __name__)


@blueprint.get("")
def page() -> ResponseReturnValue:
    return render_template("portal/overview.html")
