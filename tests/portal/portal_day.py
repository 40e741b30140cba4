"""What happened to deliveries, written to the store as a dispatcher would."""

from typing import Any

from tests.engine import Queue
from webhook_admin.models import attempts, deliveries
from webhook_admin.queue.history import Attempt


def conclude(queue: Queue, number: int, state: str, *made: Attempt, **values: Any) -> str:
    """Let the delivery of `event(number)` be in this state after these attempts; its id."""
    row = queue.delivery(number)
    due_at = row.due_at if state == "PENDING" else None
    changed = {"state": state, "due_at": due_at, "attempts": len(made), "recorded": len(made)} | values
    with queue.database.transaction() as transaction:
        transaction.execute(deliveries.update().where(deliveries.c.id == row.id).values(changed))
        for attempt in made:
            own = {"account_id": row.account_id, "delivery_id": row.id, "number": attempt.number}
            told = {
                name: getattr(attempt, name)
                for name in ("duration_ms", "outcome", "status_code", "response", "detail", "hint")
            }
            started_at = row.created_at + 11 * attempt.number
            transaction.execute(attempts.insert().values(own | told | {"started_at": started_at}))
    return str(row.id)
