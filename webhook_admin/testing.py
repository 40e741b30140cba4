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
from webhook_admin.webhooks import WebhookStatus


def send(
    transaction: Transaction,
    account_id: str,
    now: datetime,
    *,
    status: str = Status.DELIVERED,
    channel: str = Channel.SMS,
    callback_url: str | None = None,
    payload_format: str | None = None,
) -> str:
    """Send a made-up event to the account's webhook or to `callback_url`; the id of its delivery.

    It is written in `payload_format`, or else as the webhook's notifications, and is attempted once. Raises
    `AccountNotFound`, and without a callback URL `WebhookNotFound` and `WebhookDisabled`.
    """
    webhook_id = None if callback_url else _active_webhook(transaction, account_id)
    event = _event(Status(status), account_id, now)
    event = replace(event, channel=str(channel), callback_url=callback_url, payload_format=payload_format)
    return accept_test(transaction, event, webhook_id, now)


def _active_webhook(transaction: Transaction, account_id: str) -> str:
    webhook = webhooks.get(transaction, account_id)
    if webhook.status == WebhookStatus.DISABLED:
        raise WebhookDisabled
    return webhook.id


def _event(status: Status, account_id: str, now: datetime) -> Event:
    """The event of the status that the documentation shows, as if it happened now to a message of its own."""
    return replace(
        next(samples.of(status)),
        id=new_id("evt"),
        account_id=account_id,
        message_id=new_id("test").replace("_", "-"),
        timestamp=clock.text(clock.milliseconds(now)),
    )
