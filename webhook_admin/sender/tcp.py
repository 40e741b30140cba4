"""TCP connections, to permitted addresses only."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from webhook_admin.callback_urls import Network, may_connect
from webhook_admin.sender.verdict import BLOCKED_ADDRESS, Failed, of_connect, of_slow_connect, peer


async def connect(
    addresses: Sequence[str], port: int, allowed: Sequence[Network], by: float
) -> tuple[socket.socket, str]:
    """A socket that is connected to one of the addresses, which are tried in turn, and that address.

    `by` is the deadline in the loop's time; each address gets an equal share of what is left. Raises `Failed`.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    failure = OSError()
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        # Judged here, too, where no look-up can come between: the address is the socket's.
        if not may_connect(address, allowed):
            raise Failed(BLOCKED_ADDRESS)
        now = loop.time()
        try:
            async with asyncio.timeout_at(now + (by - now) / left):
                return await _connect(address, port), address
        except OSError as error:
            failure = error
    where = peer(addresses[-1], port)
    is_late = isinstance(failure, TimeoutError) and failure.errno is None
    raise Failed(of_slow_connect(where, by - started) if is_late else of_connect(failure, where)) from failure


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as undo:
        connection = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
        undo.pop_all()
        return connection
