"""/portal/settings: the webhook, what its payload format looks like, and its end."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webhook_admin import formats, webhooks
from webhook_admin.errors import Conflict, PreconditionFailed, WebhookNotFound
from webhook_admin.events import Status
from webhook_admin.portal import forms, refusals, session
from webhook_admin.portal.forms import Form
from webhook_admin.web import problem_bodies
from webhook_admin.web.context import connection, now, parts, transaction
from webhook_admin.web.schemas import WebhookInput
from webhook_admin.webhook_enums import Ordering, Superseded
from webhook_admin.webhooks import NewWebhook, Webhook

blueprint = Blueprint("settings", __name__)
_schema = WebhookInput()
_DEFAULTS = {"payloadFormat": formats.DEFAULT, "ordering": Ordering.NONE, "superseded": Superseded.SEND}
_OTHER_ID = "This is not the account's id. Nothing has been deleted."


def webhook_if_any() -> Webhook | None:
    """The webhook of the account that is looked at; None if it has none."""
    try:
        return webhooks.get(connection(), session.account_id())
    except WebhookNotFound:
        return None


@blueprint.get("/settings")
def page() -> ResponseReturnValue:
    form = forms.read(_schema, request.args)
    return _page(form if "callbackUrl" in form.given else Form(form.given))


@blueprint.post("/settings")
def save() -> ResponseReturnValue:
    form = forms.read(_schema, request.form)
    if form.faults:
        return _page(form), 400
    try:
        saved = _save(form.values, forms.text(request.form, "etag"))
    except (Conflict, PreconditionFailed) as error:
        return _page(replace(form, trouble=refusals.words(error))), problem_bodies.status_of(type(error))
    if isinstance(saved, NewWebhook):
        return render_template("portal/shown_once.html", kind="signing secret", secret=saved.signing_secret)
    return redirect(url_for(".page", saved=1), 303)


@blueprint.post("/settings/delete")
def delete() -> ResponseReturnValue:
    if forms.text(request.form, "account_id") != session.account_id():
        return _page(Form({}, faults={"account_id": _OTHER_ID})), 400
    with transaction() as changing:
        webhooks.remove(changing, session.account_id(), now())
    return redirect(url_for(".page"), 303)


def _save(values: Any, etag: str) -> Webhook:
    """Change the webhook, unless it has been changed since its form had the `etag`; without one, make it."""
    try:
        with transaction() as changing:
            return webhooks.replace(changing, session.account_id(), now(), [etag] if etag else None, **values)
    except WebhookNotFound:
        return webhooks.register(connection(), parts().cipher, session.account_id(), now(), **values)


def _page(form: Form) -> str:
    webhook = webhook_if_any()
    typed = {**(_schema.dump(webhook) if webhook else _DEFAULTS), **form.given}
    shown = typed["payloadFormat"] if typed["payloadFormat"] in formats.FORMATS else formats.DEFAULT
    return render_template(
        "portal/settings.html",
        webhook=webhook,
        form=form,
        typed=typed,
        shown=shown,
        about=formats.description(shown),
        success=formats.success(shown),
        examples=formats.examples(shown),
        names=list(formats.FORMATS),
        statuses=list(Status),
    )
