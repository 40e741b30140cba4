"""The transfers that wait with an open connection for the next request."""

from collections import OrderedDict
from collections.abc import Hashable

from webhook_admin.delivery.transfer import Transfer


class Pools:
    """Keeps at most so many transfers; where one more would be too many, the pool unused for longest gives one up."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._waiting: OrderedDict[Hashable, list[Transfer]] = OrderedDict()

    def take(self, pool: Hashable) -> Transfer | None:
        """A transfer of the pool that can be used again; the others found on the way are closed."""
        while pool in self._waiting:
            transfer = self._remove(pool, -1)
            if transfer.is_reusable():
                return transfer
            transfer.close()
        return None

    def put(self, pool: Hashable, transfer: Transfer) -> None:
        """Let a transfer wait for the pool's next request."""
        self._waiting.setdefault(pool, []).append(transfer)
        self._waiting.move_to_end(pool)
        self._count += 1
        if self._count > self._most:
            self._remove(next(iter(self._waiting)), 0).close()

    def close(self) -> None:
        """Close them all."""
        while self._waiting:
            self._remove(next(iter(self._waiting)), 0).close()

    def _remove(self, pool: Hashable, index: int) -> Transfer:
        transfers = self._waiting[pool]
        transfer = transfers.pop(index)
        if not transfers:
            del self._waiting[pool]
        self._count -= 1
        return transfer
