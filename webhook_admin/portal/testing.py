"""/portal/test: a test event, shown before it is sent, and watched then."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webhook_admin import formats, testing
from webhook_admin.dispatch.notification import destination
from webhook_admin.errors import DeliveryNotFound, WebhookDisabled, WebhookNotFound
from webhook_admin.events import Channel, Status
from webhook_admin.ids import new_id
from webhook_admin.portal import forms, notifications, refusals, session, way
from webhook_admin.portal.forms import Form
from webhook_admin.portal.notifications import Notification
from webhook_admin.portal.settings import webhook_if_any
from webhook_admin.queue import history
from webhook_admin.queue.history import DeliveryWithAttempts
from webhook_admin.web import problem_bodies
from webhook_admin.web.context import connection, now, transaction
from webhook_admin.web.testing import TestInput
from webhook_admin.webhooks import Webhook

blueprint = Blueprint("test", __name__)
_schema = TestInput()
_CHOICES = {"status": list(Status), "channel": list(Channel), "payloadFormat": list(formats.FORMATS)}


@blueprint.get("/test")
def page() -> ResponseReturnValue:
    return _page(forms.read(_schema, request.args))


@blueprint.post("/test")
def send() -> ResponseReturnValue:
    form = forms.read(_schema, request.form)
    if form.faults:
        return _page(form), 400
    asked = _asked(form.values, webhook_if_any())
    try:
        with transaction() as accepting:
            delivery_id = testing.send(accepting, session.account_id(), now(), **asked)
    except (WebhookNotFound, WebhookDisabled) as error:
        return _page(replace(form, trouble=refusals.words(error))), problem_bodies.status_of(type(error))
    return redirect(url_for(".watch", delivery_id=delivery_id), 303)


@blueprint.get("/test/<delivery_id>")
def watch(delivery_id: str) -> ResponseReturnValue:
    sent = history.get(connection(), delivery_id, session.account_id())
    if not sent.test:
        raise DeliveryNotFound
    url, status, channel = (each or "" for each in (sent.callback_url, sent.status, sent.channel))
    given = {"callbackUrl": url, "status": status, "channel": channel, "payloadFormat": sent.payload_format}
    return _page(Form(given), sent)


def _asked(values: Mapping[str, Any], webhook: Webhook | None) -> dict[str, Any]:
    """What to send; the webhook's own URL is no candidate, so that a test of it does what a notification does."""
    own = webhook.callback_url if webhook else None
    return {name: value for name, value in values.items() if name != "callback_url" or value != own}


def _page(form: Form, sent: DeliveryWithAttempts | None = None) -> str:
    webhook = webhook_if_any()
    return render_template(
        "portal/test.html",
        form=form,
        typed={**_usual(webhook), **form.given},
        choices=_CHOICES,
        webhook=webhook,
        notification=_sent(sent) if sent else None if form.faults else _preview(form.values, webhook),
        sent=sent,
        steps=way.steps(sent, None) if sent else (),
        now=now(),
    )


def _usual(webhook: Webhook | None) -> dict[str, str]:
    url, payload_format = (webhook.callback_url, webhook.payload_format) if webhook else ("", formats.DEFAULT)
    return {"callbackUrl": url, "status": Status.DELIVERED, "channel": Channel.SMS, "payloadFormat": payload_format}


def _sent(delivery: DeliveryWithAttempts) -> Notification | None:
    return notifications.of(delivery, history.kept(connection(), delivery).body)


def _preview(values: Mapping[str, Any], webhook: Webhook | None) -> Notification | None:
    """The request that sending would make now; None if the payload format cannot express the status."""
    event = testing.event(session.account_id(), now(), **values)
    own = (webhook.callback_url, webhook.payload_format) if webhook else (None, None)
    url, payload_format = destination(event, *own)
    body = formats.render(payload_format, event)
    if body is None:
        return None
    return notifications.signed(event.account_id, url, payload_format, body, new_id("dlv"), test=True)
