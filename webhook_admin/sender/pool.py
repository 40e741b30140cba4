"""All connections that are open, and those among them that wait for another request."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Container

from webhook_admin.sender.connection import Connection, Key


class Pool:
    """Connections by account and origin: at most `max_connections`, those in use included.

    One that has been idle for `idle_seconds` is closed; where there is no room, the one that has been idle for longest.
    """

    def __init__(self, max_connections: int, idle_seconds: float) -> None:
        self._max_connections = max_connections
        self._idle_seconds = idle_seconds
        self._opening = 0
        self._open: set[Connection] = set()
        # Both in the order in which they became idle.
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._idle_of: dict[Key, dict[Connection, None]] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()

    def take(self, key: Key, addresses: Container[str]) -> Connection | None:
        """An idle connection to one of the addresses, the one used last; others found on the way are closed."""
        while idle := self._idle_of.get(key):
            connection = next(reversed(idle))
            self._remove(connection)
            if connection.address in addresses and connection.is_usable():
                return connection
            connection.close()
        return None

    async def take_or_open(self, key: Key, addresses: Container[str]) -> Connection | None:
        """An idle connection as `take` finds it; or None, when there is room for a new one, which counts from now on.

        `opened` must be called then, whatever becomes of it.
        """
        while (connection := self.take(key, addresses)) is None:
            if len(self._open) + self._opening < self._max_connections:
                self._opening += 1
                return None
            self._close_first()
            await self._changed()
        return connection

    def opened(self, connection: Connection | None) -> None:
        """Say that the connection is open, or that none came about."""
        self._opening -= 1
        if connection is None or connection.is_closing():
            self._wake()
        else:
            self._open.add(connection)

    def put(self, connection: Connection) -> None:
        """Let a connection wait for another request."""
        if connection.is_closing():
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle[connection] = None
        self._idle_of.setdefault(connection.key, {})[connection] = None
        self._wake()

    def forget(self, connection: Connection) -> None:
        """Do not count a connection any more: it is closed."""
        self._open.discard(connection)
        self._remove(connection)
        self._wake()

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long; `now` is the loop's time."""
        while self._idle and (next(iter(self._idle)).idle_since or 0) <= now - self._idle_seconds:
            self._close_first()

    async def close(self) -> None:
        """Close all connections, and wait until they are."""
        while self._open:
            for connection in self._open:
                connection.close()
            await self._changed()

    def _close_first(self) -> None:
        connection = next(iter(self._idle), None)
        if connection:
            self._remove(connection)
            connection.close()

    def _remove(self, connection: Connection) -> None:
        if connection in self._idle:
            del self._idle[connection]
            idle = self._idle_of[connection.key]
            del idle[connection]
            if not idle:
                del self._idle_of[connection.key]

    async def _changed(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self._wake()  # the next one, since this one was meant and is gone
            raise

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
