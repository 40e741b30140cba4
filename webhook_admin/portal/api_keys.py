"""/portal/keys: the account's API keys. Sessions of the platform make and revoke them, all others see them."""

from dataclasses import replace

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from webhook_admin import keys
from webhook_admin.errors import TooManyKeys
from webhook_admin.keys import ACTIVE_KEYS_PER_ACCOUNT
from webhook_admin.portal import forms, refusals, session
from webhook_admin.portal.forms import Form
from webhook_admin.web.context import connection, now, transaction
from webhook_admin.web.schemas import KeyInput

blueprint = Blueprint("api_keys", __name__)
_schema = KeyInput(only=["name"])
# More than an account has, but for those that have expired.
_LISTED = 100


@blueprint.get("/keys")
def page() -> ResponseReturnValue:
    return _page(Form({}))


@blueprint.post("/keys")
def create() -> ResponseReturnValue:
    _require_platform()
    form = forms.read(_schema, request.form)
    if form.faults:
        return _page(form), 400
    try:
        with transaction() as making:
            made = keys.create(making, session.account_id(), now(), **form.values)
    except TooManyKeys as error:
        return _page(replace(form, trouble=refusals.words(error))), 409
    return render_template("portal/shown_once.html", kind="API key", secret=made.key)


@blueprint.post("/keys/revoke")
def revoke() -> ResponseReturnValue:
    _require_platform()
    keys.revoke(connection(), forms.text(request.form, "key_id"), session.account_id())
    return redirect(url_for(".page"), 303)


def _page(form: Form) -> str:
    found = keys.list_keys(connection(), session.account_id(), None, _LISTED)
    return render_template("portal/keys.html", keys=found.items, form=form, now=now(), most=ACTIVE_KEYS_PER_ACCOUNT)


def _require_platform() -> None:
    """Raise `Forbidden` for all but the platform's sessions, as the API does."""
    who = session.current()
    if who is None or not who.is_platform:
        raise Forbidden("API keys are made and revoked by the platform alone. Ask it for one.")
