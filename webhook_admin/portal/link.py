"""/portal/link: from a portal link to a session.

Mail programs and chats open links to show what is behind them. Looking at a link therefore uses up nothing; the button
on its page does.
"""

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webhook_admin import portal_sessions
from webhook_admin.portal import session
from webhook_admin.web.context import connection, now, parts

blueprint = Blueprint("link", __name__)


@blueprint.get("/link")
def page() -> ResponseReturnValue:
    return _page(request.args.get("token", ""))


@blueprint.post("/link")
def open_link() -> ResponseReturnValue:
    parts().sign_ins.take(request.remote_addr or "")
    token = request.form.get("token", "")
    opened = portal_sessions.open_link(connection(), token, now())
    if opened is None:
        return _page(token)
    session.begin(opened)
    return redirect(url_for("portal.overview.page"), 303)


def _page(token: str) -> Response:
    is_valid = portal_sessions.is_link(connection(), token, now())
    text = render_template("portal/link.html", token=token, is_valid=is_valid)
    response = make_response(text, 200 if is_valid else 410)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
