"""/portal: how the webhook does, what waits and why, and the last 24 hours."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from webhook_admin import accounts, webhooks
from webhook_admin.errors import WebhookNotFound
from webhook_admin.portal import charts, session, trouble
from webhook_admin.queue import statistics
from webhook_admin.queue.clock import HOUR, milliseconds, moment
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
        trouble=trouble.find(account) if waiting.pending else None,
        total=statistics.total(by_hour),
        kinds=Kind,
        chart=charts.draw(by_hour),
        first_hour=moment(min(by_hour) * HOUR),
    )


def _webhook(account_id: str) -> Webhook | None:
    try:
        return webhooks.get(connection(), account_id)
    except WebhookNotFound:
        return None
