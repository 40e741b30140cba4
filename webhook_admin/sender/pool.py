"""How many connections are open, and which of them wait for another request."""

import asyncio
from collections import OrderedDict
from collections.abc import Container

from webhook_admin.sender.connection import Connection, Key


class Pool:
    """At most `max_connections`, those in use included; where there is no room, the one idle for longest is closed."""

    def __init__(self, max_connections: int) -> None:
        self._room = asyncio.Semaphore(max_connections)
        self._stuck = self._open = 0
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._idle_of: dict[Key, dict[Connection, None]] = {}

    @property
    def used(self) -> int:
        """How many connections carry a request, or are being opened for one."""
        return self._open - len(self._idle)

    @property
    def idle(self) -> int:
        """How many connections wait for another request."""
        return len(self._idle)

    def take(self, key: Key, addresses: Container[str]) -> Connection | None:
        """An idle connection to one of the addresses, the one used last; others that are found are closed."""
        while idle := self._idle_of.get(key):
            connection = self._remove(next(reversed(idle)))
            if connection.address in addresses and connection.is_usable:
                return connection
            connection.close()
        return None

    def put(self, connection: Connection) -> None:
        """Keep a connection for another request, unless somebody waits for room and no idle one could make it."""
        if self._stuck:
            connection.close()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle[connection] = None
        self._idle_of.setdefault(connection.key, {})[connection] = None

    async def make_room(self) -> None:
        """Wait until another connection may be opened. It counts from now on, until it is `closed`."""
        is_stuck = self._room.locked() and not self._close_first()
        self._stuck += is_stuck
        try:
            await self._room.acquire()
            self._open += 1
        finally:
            self._stuck -= is_stuck

    def closed(self, connection: Connection) -> None:
        if connection in self._idle:
            self._remove(connection)
        connection.answer.close()
        self._room.release()
        self._open -= 1

    def sweep(self, before: float) -> None:
        while self._idle and (next(iter(self._idle)).idle_since or 0) <= before:
            self._close_first()

    async def close(self) -> None:
        while self._close_first():
            pass
        await asyncio.sleep(0)  # the loop tells them then

    def _close_first(self) -> bool:
        first = next(iter(self._idle), None)
        if first:
            self._remove(first).close()
        return first is not None

    def _remove(self, connection: Connection) -> Connection:
        del self._idle[connection]
        del self._idle_of[connection.key][connection]
        if not self._idle_of[connection.key]:
            del self._idle_of[connection.key]
        return connection
