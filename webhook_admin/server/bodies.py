"""Bodies, read on the event loop: whole, within a deadline, and only as many large ones at once as memory allows."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from granian._granian import RSGIHTTPProtocol, RSGIProtocolClosed

_SECONDS = 10  # as `problems.NOT_IN_TIME` says
LARGE = 64 * 1024
"""Bytes. Larger bodies are counted."""
_MAX_TOTAL = 64 * 1024 * 1024  # bytes, of all large bodies


class NoRoom(Exception):
    """Large bodies take up as much memory as they may."""


class Budget:
    """The memory for large bodies, from their first byte until they are answered. All methods are the event loop's."""

    def __init__(self, total: int = _MAX_TOTAL) -> None:
        self._left = total

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Keep room for a body while the block runs, if it is a large one. Raises `NoRoom`."""
        counted = size if size > LARGE else 0
        if counted > self._left:
            raise NoRoom
        self._left -= counted
        try:
            yield
        finally:
            self._left += counted


async def receive(protocol: RSGIHTTPProtocol, request: Mapping[str, Any], max_size: int) -> bytes:
    """The body of the request; of one that has more than `max_size` bytes, as many as show that.

    A body that breaks off is empty here, and so is one with trailer fields, which RSGI does not tell from it: neither
    can be mistaken for a shorter body that is complete. Raises `TimeoutError`.
    """
    async with asyncio.timeout(_SECONDS):
        if "HTTP_TRANSFER_ENCODING" in request:
            return await _chunks(protocol, max_size)
        try:
            return await protocol()
        except RSGIProtocolClosed:
            return b""


async def _chunks(protocol: RSGIHTTPProtocol, max_size: int) -> bytes:
    body, ends = bytearray(), 0
    async for chunk in protocol:
        body += chunk
        # The end comes as an empty chunk, and so does the error before it.
        ends += not chunk
        if len(body) > max_size:
            return bytes(body)
    return bytes(body) if ends == 1 else b""


class Wanted(BaseException):
    """The application wants to read the body. Not an `Exception`: the application would make it its own failure."""


class Unread:
    """A `wsgi.input` that has not been read yet."""

    def read(self, *_arguments: object) -> NoReturn:
        """Raise `Wanted`."""
        raise Wanted

    readline = readlines = __iter__ = read
