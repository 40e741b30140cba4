"""Orphans: pending deliveries that have nowhere to go any more are cancelled, whenever they are due."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests.engine import LANE, LONG_AGO, URL, Queue, event
from webhook_admin import accounts
from webhook_admin.queue import attempts, clock, due_deliveries, orphans
from webhook_admin.queue.attempts import Begun
from webhook_admin.queue.due_deliveries import Due, Wanted
from webhook_admin.queue.lanes import Key

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
ORIGIN = "https://orders.example.com:443"
OWN = "https://orders.example.com/order-1"
NEW_URL = "https://new.example.com/"


def find(queue: Queue, limit: int = 10) -> list[Due]:
    """What is due in the lane of acme's webhook."""
    with queue.database.transaction() as transaction:
        return due_deliveries.due(transaction, [Wanted(LANE, limit, ())], clock.milliseconds(LONG_AGO))


def start_first(queue: Queue) -> None:
    """Count the first due delivery's attempt, as a dispatcher does before it sends."""
    (due,) = find(queue, limit=1)
    begun = Begun(
        account_id=due.account_id, id=due.id, attempts=1, begun_at=0, callback_url=URL, payload_format="standard"
    )
    with queue.database.transaction() as transaction:
        assert attempts.begin(transaction, [begun])


def orphan(queue: Queue) -> None:
    """Deliveries for a webhook that is gone, one in flight, one per-message, one of today's webhook."""
    queue.customer()
    queue.accept(event(1), event(2), event(3, callback_url=OWN), now=LONG_AGO)
    start_first(queue)
    queue.delete_webhook()
    with queue.database.connect() as connection:
        queue.register(connection, "acme", NEW_URL)
    queue.accept(event(4), now=LONG_AGO)


def test_what_waits_for_a_webhook_that_is_gone_is_cancelled(queue: Queue) -> None:
    """All of it at once, whenever it is due; not those in flight, nor those with another way to go."""
    orphan(queue)
    with queue.database.transaction() as connection:
        assert orphans.cancel(connection, [LANE]) == ({"acme": 1}, True)
    states = {row.event_id: row.state for row in queue.deliveries()}
    assert states == {"evt_1": "PENDING", "evt_2": "CANCELLED", "evt_3": "PENDING", "evt_4": "PENDING"}
    assert queue.delivery(2).state_detail == "The webhook has been deleted."


@ON_POSTGRESQL
def test_cancelling_waits_for_nobody(queue: Queue) -> None:
    """A delivery that somebody else is dealing with is left to them, and found again later."""
    queue.customer()
    queue.accept(event(1), event(2), now=LONG_AGO)
    queue.delete_webhook()
    with queue.database.transaction() as other:
        other.execute(text("SELECT 1 FROM deliveries WHERE event_id = 'evt_1' FOR UPDATE"))
        with queue.database.transaction() as connection:
            orphans.cancel(connection, [LANE])
    assert [queue.delivery(number).state for number in (1, 2)] == ["PENDING", "CANCELLED"]


def test_what_waits_for_an_account_that_is_gone_is_cancelled(queue: Queue) -> None:
    """Also if there is an account of that name again, with a webhook: it is another one."""
    queue.customer()
    queue.accept(event(1), event(2, callback_url=OWN), now=LONG_AGO)
    with queue.database.transaction() as connection:
        accounts.remove(connection, "acme", LONG_AGO)
        accounts.create(connection, "acme", datetime.now(UTC))
        queue.register(connection, "acme", NEW_URL)
    assert [due.has_account for due in find(queue)] == [False]
    with queue.database.transaction() as connection:
        orphans.cancel(connection, [LANE, Key("acme", ORIGIN)])
    assert queue.states() == {"CANCELLED": 2}
