"""/portal/account: which account a session of the platform looks at."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webhook_admin import accounts, portal_sessions
from webhook_admin.errors import AccountNotFound
from webhook_admin.portal import refusals, session
from webhook_admin.web.context import connection

blueprint = Blueprint("account", __name__)


@blueprint.get("/account")
def page() -> ResponseReturnValue:
    return render_template("portal/account.html")


@blueprint.post("/account")
def choose() -> ResponseReturnValue:
    sought = request.form.get("account_id", "").strip()
    try:
        account = accounts.get(connection(), sought)
    except AccountNotFound as error:
        return render_template("portal/account.html", sought=sought, fault=refusals.words(error)), 404
    portal_sessions.choose_account(connection(), session.token(), account.id)
    return redirect(url_for("portal.overview.page"), 303)
