"""Why deliveries wait: what the latest attempt of the oldest one came to."""

from dataclasses import dataclass
from datetime import datetime

from webhook_admin.accounts import Account
from webhook_admin.queue import history
from webhook_admin.queue.deliveries import State
from webhook_admin.queue.selection import Filter
from webhook_admin.sender.request import Outcome
from webhook_admin.web.context import connection


@dataclass(frozen=True, slots=True)
class Trouble:
    """The delivery that has waited longest, and what its latest attempt failed by; `hint` says what to do."""

    delivery_id: str
    url: str | None
    attempted_at: datetime
    detail: str | None
    hint: str | None


def find(account: Account) -> Trouble | None:
    """What the account's oldest pending delivery waits for, unless it has not been attempted yet."""
    pending = Filter(account_id=account.id, account_created_at=account.created_at, states=[State.PENDING])
    oldest = history.list_deliveries(connection(), pending, None, 1, oldest_first=True).items
    if not oldest or oldest[0].last_outcome in (None, Outcome.DELIVERED):
        return None
    delivery = history.get(connection(), oldest[0].id, account.id)
    last = delivery.attempts[-1]
    return Trouble(delivery.id, delivery.callback_url, last.started_at, last.detail, last.hint)
