"""A delivery's next states. Pure."""

from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due


def end(due: Due, state: State, detail: str | None, attempts: int | None = None) -> Transition:
    """The delivery ends in this state, after so many attempts; without `attempts`, none has been made since."""
    return Transition(
        account_id=due.account_id,
        id=due.id,
        attempts=due.attempts if attempts is None else attempts,
        state=state,
        state_detail=detail,
        resent_at=due.resent_at,
    )


def put_off(due: Due, due_at: int, detail: str) -> Transition:
    """The delivery waits without an attempt, because of `detail`."""
    return Transition(
        account_id=due.account_id,
        id=due.id,
        attempts=due.attempts,
        state=State.PENDING,
        state_detail=detail,
        due_at=due_at,
        resent_at=due.resent_at,
    )


def wait(due: Due, body: bytes, attempts: int, due_at: int, detail: str | None = None) -> Transition:
    """The delivery waits for its next attempt, after so many; the body of the first one is kept."""
    return Transition(
        account_id=due.account_id,
        id=due.id,
        attempts=attempts,
        state=State.PENDING,
        state_detail=detail,
        due_at=due_at,
        body=body.decode() if due.body is None else None,
        resent_at=due.resent_at,
    )
