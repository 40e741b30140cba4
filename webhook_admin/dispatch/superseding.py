"""Backlogs that shrink: in a lane whose webhook has been changed, what is superseded is skipped at once.

Without that, the backlog of a receiver that is down would be judged one delivery at a time, at its few attempts.
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

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


class _Begun(NamedTuple):
    """Where a lane's next call goes on, and the version of the webhook, its id and revision, at the call before."""

    after: Position
    version: tuple[str, int]


class Backlogs:
    """Where in each lane's backlog the next call goes on."""

    def __init__(self) -> None:
        self._lanes: dict[Key, _Begun] = {}

    def restart(self) -> None:
        """Nobody knows whether the last transaction was committed."""
        self._lanes.clear()

    def shrink(self, transaction: Transaction, keys: Collection[Key], now: int, conclude: Conclude) -> set[Key]:
        """Skip superseded deliveries of the lanes, whose marks must be locked; those lanes that are done."""
        # With the others, another dispatcher may have gone on.
        self._lanes = {key: self._lanes[key] for key in keys if key in self._lanes}
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
            self._lanes.pop(key, None)
        return done

    def _shrink(self, transaction: Transaction, key: Key, limit: int, now: int, conclude: Conclude) -> int:
        """Judge up to `limit` pending deliveries of the lane; how many there were."""
        begun = self._lanes.get(key)
        found = due_deliveries.pending(transaction, key, begun.after if begun else _FRONT, limit, now)
        webhook = found[0].webhook if found else None
        version = (webhook.id, webhook.revision) if webhook else None
        if found and begun and begun.version != version:
            # It was changed meanwhile.
            del self._lanes[key]
            return limit
        if not webhook or not version or webhook.superseded != Superseded.SKIP:
            return 0
        others = siblings.find(transaction, found)
        judged = [(due, decide.superseded(due, others[due.id])) for due in found]
        conclude([(due, skipped) for due, skipped in judged if skipped])
        self._lanes[key] = _Begun(Position(found[-1].due_at, found[-1].id), version)
        return len(found)
