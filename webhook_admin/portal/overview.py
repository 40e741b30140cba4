"""/portal: how the webhook does, what waits and why, and the last 24 hours."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from webhook_admin import accounts, webhooks
from webhook_admin.accounts import Account
from webhook_admin.errors import WebhookNotFound
from webhook_admin.portal import session
from webhook_admin.portal.charts import chart
from webhook_admin.queue import history, statistics
from webhook_admin.queue.clock import HOUR, milliseconds, moment
from webhook_admin.queue.deliveries import State
from webhook_admin.queue.history import DeliveryWithAttempts
from webhook_admin.queue.selection import Filter
from webhook_admin.queue.statistics import MAX_PENDING, Kind
from webhook_admin.web.context import connection, now
from webhook_admin.webhooks import Webhook

blueprint = Blueprint("overview", __name__)
_HOURS = 24


@blueprint.get("")
def page() -> ResponseReturnValue:
    account = accounts.get(connection(), session.account_id())
    current = milliseconds(now()) // HOUR
    by_hour = statistics.by_hour(connection(), account.id, range(current - _HOURS + 1, current + 1))
    waiting = statistics.waiting(connection(), account.id, milliseconds(now()))
    since = waiting.oldest_pending_since
    return render_template(
        "portal/overview.html",
        webhook=_webhook(account.id),
        waiting=waiting,
        max_pending=MAX_PENDING,
        waits_since=None if since is None else moment(since),
        next_in=None if waiting.next_due is None else max(waiting.next_due - milliseconds(now()), 0),
        oldest=_oldest_attempted(account) if waiting.pending else None,
        total=statistics.total(by_hour),
        hours={moment(hour * HOUR): counts for hour, counts in by_hour.items()},
        kinds=Kind,
        chart=chart(by_hour),
    )


def _webhook(account_id: str) -> Webhook | None:
    try:
        return webhooks.get(connection(), account_id)
    except WebhookNotFound:
        return None


def _oldest_attempted(account: Account) -> DeliveryWithAttempts | None:
    """The account's oldest pending delivery, whose latest attempt says why it waits; None if it has none yet."""
    pending = Filter(account_id=account.id, account_created_at=account.created_at, states=[State.PENDING])
    oldest = history.list_deliveries(connection(), pending, None, 1, oldest_first=True).items
    if not oldest or oldest[0].last_outcome is None:
        return None
    return history.get(connection(), oldest[0].id, account.id)
