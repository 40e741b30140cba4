"""Whether calls that overlapped could have been made one at a time: Wing and Gong's search, with a memory."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Operation:
    """A call as its caller saw it: when it was sent, when it was answered, and what call and answer were."""

    sent: float
    answered: float
    call: Any
    answer: Any


def linearizable(
    history: Iterable[Operation], initial: State, follow: Callable[[State, Any, Any], Iterable[State]]
) -> bool:
    """Whether some order of the operations explains every answer, and puts none before one that was answered earlier.

    `follow(state, call, answer)` gives the states that the call may leave with that answer: none if it does not fit.
    """
    tried: set[tuple[frozenset[Operation], State]] = set()

    def explains(state: State, left: frozenset[Operation]) -> bool:
        if not left:
            return True
        if (left, state) in tried:
            return False
        tried.add((left, state))
        first_answer = min(operation.answered for operation in left)
        return any(
            explains(following, left - {operation})
            for operation in left
            # What was sent after another's answer cannot have happened before it.
            if operation.sent <= first_answer
            for following in follow(state, operation.call, operation.answer)
        )

    return explains(initial, frozenset(history))
