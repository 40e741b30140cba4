"""Test events: what a customer tries a webhook with, or a callback URL before it is saved."""

from dataclasses import replace
from datetime import datetime

from webhook_admin import webhooks
from webhook_admin.db import Transaction
from webhook_admin.errors import WebhookDisabled
from webhook_admin.events import Channel, Event, Status
from webhook_admin.formats import samples
from webhook_admin.ids import new_id
from webhook_admin.queue import clock
from webhook_admin.queue.testing import accept_test
from webhook_admin.webhook_enums import WebhookStatus


def send(
    transaction: Transaction,
    account_id: str,
    now: datetime,
    **asked: str | None,
) -> str:
    """Send a made-up event to the account's webhook or to its callback URL; the id of its delivery.

    `asked` is that of `event`. It is attempted once. Raises `AccountNotFound`, and without a callback URL
    `WebhookNotFound` and `WebhookDisabled`.
    """
    made_up = event(account_id, now, **asked)
    webhook_id = None if made_up.callback_url else _active_webhook(transaction, account_id)
    return accept_test(transaction, made_up, webhook_id, now)


def event(
    account_id: str,
    now: datetime,
    *,
    status: str | None = None,
    channel: str | None = None,
    callback_url: str | None = None,
    payload_format: str | None = None,
) -> Event:
    """A made-up event, by default DELIVERED by SMS, as if it happened now to a message of its own.

    It goes to `callback_url` in `payload_format`, or else where and as the webhook's notifications do.
    """
    return replace(
        next(samples.of(Status(status or Status.DELIVERED))),
        id=new_id("evt"),
        account_id=account_id,
        message_id=new_id("test").replace("_", "-"),
        channel=str(channel or Channel.SMS),
        timestamp=clock.text(clock.milliseconds(now)),
        callback_url=callback_url,
        payload_format=payload_format,
    )


def _active_webhook(transaction: Transaction, account_id: str) -> str:
    webhook = webhooks.get(transaction, account_id)
    if webhook.status == WebhookStatus.DISABLED:
        raise WebhookDisabled
    return webhook.id
