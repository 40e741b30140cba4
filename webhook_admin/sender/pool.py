"""The transfers that wait with an open connection for the next request."""

import time
from collections import OrderedDict

from webhook_admin.sender.transfer import Transfer


class Pools:
    """Connections by origin: at most `most`, those in use included, of which each waits for at most `idle` seconds.

    The one that has been unused for longest makes room. Who is to use a connection next does not matter: what a server
    can do to it, it can do to its own requests only.
    """

    def __init__(self, most: int, idle: float) -> None:
        self._most = most
        self._idle = idle
        self._total = 0
        # Of each origin, when it was last used, and its transfers; the one unused for longest comes first.
        self._waiting: OrderedDict[str, tuple[float, list[Transfer]]] = OrderedDict()

    def take(self, origin: str) -> Transfer | None:
        """A transfer that can be used again; the others found on the way are closed."""
        while origin in self._waiting:
            transfer = self._remove(origin, -1)
            if transfer.is_reusable():
                return transfer
            self.close(transfer)
        return None

    def add(self, transfer: Transfer) -> Transfer:
        """Count a transfer that has just been made."""
        self._total += 1
        if self._total > self._most and self._waiting:
            self._close_first()
        return transfer

    def put(self, origin: str, transfer: Transfer) -> None:
        """Let a transfer wait for the origin's next request."""
        _, transfers = self._waiting.get(origin, (0, []))
        transfers.append(transfer)
        self._waiting[origin] = time.monotonic(), transfers
        self._waiting.move_to_end(origin)

    def close(self, transfer: Transfer) -> None:
        """Close a transfer that is not to wait."""
        transfer.close()
        self._total -= 1

    def sweep(self) -> None:
        """Close what has waited for too long."""
        long_ago = time.monotonic() - self._idle
        while self._waiting and next(iter(self._waiting.values()))[0] < long_ago:
            self._close_first()

    def close_all(self) -> None:
        """Close all that wait."""
        while self._waiting:
            self._close_first()

    def _close_first(self) -> None:
        self.close(self._remove(next(iter(self._waiting)), 0))

    def _remove(self, origin: str, index: int) -> Transfer:
        _, transfers = self._waiting[origin]
        transfer = transfers.pop(index)
        if not transfers:
            del self._waiting[origin]
        return transfer
