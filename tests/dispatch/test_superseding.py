"""Backlogs that shrink, in parts, and a webhook that is changed meanwhile."""

from collections.abc import Sequence

from tests.engine import LANE, LONG_AGO, Queue, event
from webhook_admin.dispatch.superseding import Backlogs
from webhook_admin.queue import clock, deliveries
from webhook_admin.queue.deliveries import Transition
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.queue.lanes import Key

NOW = clock.milliseconds(LONG_AGO) + 3_600_000


def test_a_backlog_is_judged_in_parts(queue: Queue) -> None:
    """Each call judges a part; it begins anew after each change of the webhook, and where others may have gone on."""
    queue.customer(superseded="skip")
    statuses = [
        event(number, message_id="msg", status=("SENT", "DELIVERED")[number == 1_099]) for number in range(1_100)
    ]
    queue.accept(*statuses[:600])
    queue.accept(*statuses[600:])
    backlogs = Backlogs()

    def shrink(*keys: Key) -> set[Key]:
        with queue.database.transaction() as transaction:

            def conclude(decided: Sequence[tuple[Due, Transition]]) -> object:
                return deliveries.conclude(transaction, [transition for _, transition in decided])

            return set(backlogs.shrink(transaction, keys, NOW, conclude))

    assert shrink(LANE) == set()
    assert queue.states() == {"SKIPPED": 500, "PENDING": 600}
    queue.accept(event(2_000, message_id="msg", status="SENT"), now=LONG_AGO)
    queue.put_webhook(superseded="skip")
    assert [shrink(LANE) for _ in range(2)] == [set(), set()]
    assert shrink(LANE) == {LANE}
    assert queue.states() == {"SKIPPED": 1_100, "PENDING": 1}
    newer = [
        event(number, message_id="msg", status=("SENT", "READ")[number == 3_599]) for number in range(3_000, 3_600)
    ]
    queue.accept(*newer)
    assert shrink(LANE) == set()
    queue.accept(event(4_000, message_id="msg", status="SENT"), now=LONG_AGO)
    assert shrink() == set()
    assert shrink(LANE) == {LANE}
    assert queue.states() == {"SKIPPED": 1_701, "PENDING": 1}
