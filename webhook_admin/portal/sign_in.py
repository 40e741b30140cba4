"""/portal/sign-in: from an API key to a session."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webhook_admin import keys, portal_sessions
from webhook_admin.errors import Unauthenticated
from webhook_admin.portal import refusals, session
from webhook_admin.web.context import connection, now, parts

blueprint = Blueprint("sign_in", __name__)


@blueprint.get("/sign-in")
def page() -> ResponseReturnValue:
    return render_template("portal/sign_in.html", sought=request.args.get("sought", ""))


@blueprint.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    parts().sign_ins.take(request.remote_addr or "")
    sought = request.form.get("sought", "")
    try:
        caller = keys.authenticate(connection(), request.form.get("key", "").strip(), now())
    except Unauthenticated as error:
        return render_template("portal/sign_in.html", sought=sought, fault=refusals.words(error)), 401
    session.begin(portal_sessions.open_with_key(connection(), caller, now()))
    parts().last_used.note(caller, now())
    return redirect(_own(sought) or url_for("portal.overview.page"), 303)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    session.end()
    return redirect(url_for("portal.sign_in.page"), 303)


def _own(sought: str) -> str | None:
    """The address of the page that was sought, if it is one of these pages."""
    return request.script_root + sought if sought.startswith("/portal/") else None
