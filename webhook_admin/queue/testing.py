"""Accepting a test event: a made-up one, which is attempted once, in a lane apart from real deliveries."""

from datetime import datetime

from sqlalchemy import insert, select

from webhook_admin import callback_urls
from webhook_admin.db import Transaction
from webhook_admin.errors import AccountNotFound
from webhook_admin.events import Event
from webhook_admin.ids import new_id
from webhook_admin.models import accounts, deliveries
from webhook_admin.queue import lanes
from webhook_admin.queue.clock import milliseconds
from webhook_admin.queue.deliveries import State
from webhook_admin.queue.lanes import Key


def accept_test(transaction: Transaction, event: Event, webhook_id: str | None, now: datetime) -> str:
    """Store the test event and wake the dispatchers; the id of its delivery. Raises `AccountNotFound`.

    Without `webhook_id`, it goes to the event's callback URL.
    """
    account_created_at = transaction.scalar(select(accounts.c.created_at).where(accounts.c.id == event.account_id))
    if account_created_at is None:
        raise AccountNotFound
    url = event.callback_url
    destination = lanes.TEST + (callback_urls.parse(url, callback_urls.EVERYWHERE).origin if url else lanes.WEBHOOK)
    delivery_id = new_id("dlv")
    transaction.execute(
        insert(deliveries).values(
            account_id=event.account_id,
            id=delivery_id,
            account_created_at=account_created_at,
            destination=destination,
            event_id=event.id,
            message_id=event.message_id,
            channel=event.channel,
            status=event.status,
            recipient=event.to,
            test=True,
            event=event.to_json(),
            webhook_id=webhook_id,
            callback_url=url,
            state=State.PENDING,
            due_at=milliseconds(now),
            attempts=0,
            recorded=0,
            created_at=milliseconds(now),
        )
    )
    key = Key(event.account_id, destination)
    lanes.end_pause(transaction, key)
    lanes.put(transaction, {key}, milliseconds(now))
    return delivery_id
