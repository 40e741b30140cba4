"""Backlogs that shrink: in a lane whose webhook has been changed, what is superseded is skipped at once.

Without that, the backlog of a receiver that is down would be judged one delivery at a time, at its few attempts.
"""

from collections.abc import Callable, Collection, Sequence

from webhook_admin.db import Transaction
from webhook_admin.dispatch import decide
from webhook_admin.queue import due_deliveries, siblings
from webhook_admin.queue.deliveries import Transition
from webhook_admin.queue.due_deliveries import Due, Position
from webhook_admin.queue.lanes import WEBHOOK, Key
from webhook_admin.webhook_enums import Superseded

_LIMIT = 500
"""How many deliveries are judged in one call: it takes about 20 ms, in which the dispatcher does nothing else."""
_FRONT = Position(-1, "")
Conclude = Callable[[Sequence[tuple[Due, Transition]]], object]
"""Gives deliveries their next states."""


class Backlogs:
    """Where in each lane's backlog the next call goes on."""

    def __init__(self) -> None:
        self._after: dict[Key, Position] = {}

    def shrink(self, transaction: Transaction, keys: Collection[Key], now: int, conclude: Conclude) -> set[Key]:
        """Skip superseded deliveries of the lanes, whose marks must be locked; those lanes that are done."""
        done = set()
        left = _LIMIT
        for key in keys:
            if key.destination != WEBHOOK:
                done.add(key)
            elif left:
                found = self._shrink(transaction, key, left, now, conclude)
                if found < left:
                    done.add(key)
                left -= found
        for key in done:
            self._after.pop(key, None)
        return done

    def _shrink(self, transaction: Transaction, key: Key, limit: int, now: int, conclude: Conclude) -> int:
        """Judge up to `limit` pending deliveries of the lane; how many there were."""
        found = due_deliveries.pending(transaction, key, self._after.get(key, _FRONT), limit, now)
        if not found or found[0].webhook is None or found[0].webhook.superseded != Superseded.SKIP:
            return 0
        others = siblings.find(transaction, found)
        judged = [(due, decide.superseded(due, others[due.id])) for due in found]
        conclude([(due, skipped) for due, skipped in judged if skipped])
        self._after[key] = Position(found[-1].due_at, found[-1].id)
        return len(found)
