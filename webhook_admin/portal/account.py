"""/portal/account: for the platform's support: accounts, messages of all accounts, and webhooks in trouble."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from webhook_admin import accounts, portal_sessions, webhooks
from webhook_admin.errors import AccountNotFound
from webhook_admin.portal import forms, refusals, session
from webhook_admin.queue import history
from webhook_admin.queue.selection import Filter
from webhook_admin.web.context import connection
from webhook_admin.web.event_schemas import recipient
from webhook_admin.web.records import Record
from webhook_admin.webhook_enums import WebhookStatus

blueprint = Blueprint("account", __name__)
_PER_PAGE = 20
_TROUBLE: dict[str, tuple[WebhookStatus | None, bool | None]] = {
    "failing": (None, True),
    "disabled": (WebhookStatus.DISABLED, None),
}


class _Sought(Record):
    to = recipient(required=True)


@blueprint.get("/account")
def page() -> ResponseReturnValue:
    return _accounts(forms.text(request.args, "beginning"))


@blueprint.post("/account")
def choose() -> ResponseReturnValue:
    sought, delivery_id = forms.text(request.form, "account_id"), forms.text(request.form, "delivery_id")
    try:
        account = accounts.get(connection(), sought)
    except AccountNotFound as error:
        return _accounts(sought, refusals.words(error)), 404
    portal_sessions.choose_account(connection(), session.token(), account.id)
    if history.is_id(delivery_id):
        return redirect(url_for("portal.delivery.page", delivery_id=delivery_id), 303)
    return redirect(url_for("portal.overview.page"), 303)


@blueprint.get("/account/messages")
def messages() -> ResponseReturnValue:
    sought = forms.text(request.args, "messageId")
    wanted = Filter(message_id=sought)
    return _page("deliveries", history.list_deliveries(connection(), wanted, _after(), _PER_PAGE), message_id=sought)


@blueprint.get("/account/recipients")
def recipients() -> ResponseReturnValue:
    form = forms.read(_Sought(), request.args)
    sought = form.given.get("to", "")
    if not form.values:
        return _page("recipients", None, to=sought, to_fault=form.faults.get("to")), 400
    found = history.list_deliveries(connection(), Filter(recipient=form.values["to"]), _after(), _PER_PAGE)
    return _page("recipients", found, to=sought)


@blueprint.get("/account/webhooks/<kind>")
def in_trouble(kind: str) -> ResponseReturnValue:
    if kind not in _TROUBLE:
        raise NotFound
    found = webhooks.list_webhooks(connection(), *_TROUBLE[kind], _after(), _PER_PAGE)
    return _page(kind, found, kind=kind)


def _accounts(beginning: str, fault: str | None = None) -> str:
    found = accounts.list_accounts(connection(), _after(), _PER_PAGE, beginning)
    return _page("accounts", found, sought=beginning, fault=fault)


def _page(listed: str, found: Any, **values: Any) -> str:
    return render_template("portal/account.html", listed=listed, found=found, **values)


def _after() -> str | None:
    return forms.text(request.args, "after") or None
