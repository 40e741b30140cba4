"""Backlogs that shrink, in parts, and a webhook that is changed meanwhile."""

from collections.abc import Sequence

from tests.engine import LANE, LONG_AGO, Queue, event
from webhook_admin.dispatch.superseding import Backlogs
from webhook_admin.queue import clock, deliveries
from webhook_admin.queue.deliveries import Transition
from webhook_admin.queue.due_deliveries import Due

NOW = clock.milliseconds(LONG_AGO) + 3_600_000


def test_a_change_meanwhile_begins_anew(queue: Queue) -> None:
    """Orphans are looked for once, before the first part, and again after each change of the webhook."""
    queue.customer(superseded="skip")
    statuses = [
        event(number, message_id="msg", status=("SENT", "DELIVERED")[number == 1_099]) for number in range(1_100)
    ]
    queue.accept(*statuses[:600])
    queue.accept(*statuses[600:])
    backlogs = Backlogs()

    def shrink() -> set[object]:
        with queue.database.transaction() as transaction:

            def conclude(decided: Sequence[tuple[Due, Transition]]) -> object:
                return deliveries.conclude(transaction, [transition for _, transition in decided])

            return set(backlogs.shrink(transaction, [LANE], NOW, conclude))

    assert (shrink(), backlogs.begun) == (set(), {LANE})
    queue.put_webhook(superseded="skip")
    assert (shrink(), backlogs.begun) == (set(), set())
    for _ in range(3):
        done = shrink()
    assert (done, backlogs.begun) == ({LANE}, set())
    assert queue.states() == {"SKIPPED": 1_099, "PENDING": 1}
    queue.delete_webhook()
    backlogs.restart()
    assert shrink() == {LANE}
