"""What the receiver for load does on one connection: it reads requests, logs them, and answers as their paths say."""

import asyncio
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
OK_ONCE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
FAIL = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
EMPTY = b"HTTP/1.1 %b Empty\r\n\r\n"
DRIP_PAUSE = 0.1  # seconds
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
DELIVERY = re.compile(rb"\r\nwebhook-id: *([^\r]*)", re.IGNORECASE)
EVENT = re.compile(rb'"eventId": ?"([^"]*)"')


class Log:
    """A file with one line for each request: time, `webhook-id`, event id, path. Written once per turn of the loop."""

    def __init__(self, file: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._loop = loop
        self._lines: list[bytes] = []

    def add(self, line: bytes) -> None:
        """Note a line."""
        if not self._lines:
            self._loop.call_soon(self._flush)
        self._lines.append(line)

    def _flush(self) -> None:
        os.write(self._descriptor, b"".join(self._lines))
        self._lines.clear()


class Conversation(asyncio.Protocol):
    """One connection. The time of a request is that of its first byte, by the monotonic clock."""

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        self._log = log
        self.loop = loop
        self.connection = connection
        self._unread = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is one, under TLS
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._unread:
            self._began = time.monotonic()
            if data.startswith(b"POST /eager"):
                self.transport.write(OK)
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            head = self._unread[:end]
            length = LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._unread) < whole:
                return
            self._note(head, self._unread[end:whole])
            self._unread = self._unread[whole:]
            name, _, argument = head.split(b" ", 2)[1].lstrip(b"/").partition(b"/")
            ANSWERS[name](self, argument.split(b"/")[0])

    def write_later(self, milliseconds: float, data: bytes) -> None:
        """Write when the time has passed, unless the connection has ended."""
        self.loop.call_later(milliseconds / 1_000, self._write, data)

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def _note(self, head: bytes, body: bytes) -> None:
        delivery, event = DELIVERY.search(head), EVENT.search(body)
        ids = delivery[1] if delivery else b"-", event[1] if event else b"-"
        self._log.add(b"%.6f %b %b %b\n" % (self._began, *ids, head.split(b" ", 2)[1]))


def _always(answer: bytes) -> Callable[[Conversation, bytes], None]:
    return lambda conversation, _: conversation.transport.write(answer)


def _once(conversation: Conversation, _: bytes) -> None:
    conversation.transport.write(OK_ONCE)
    conversation.transport.close()


def _slow(conversation: Conversation, milliseconds: bytes) -> None:
    conversation.write_later(int(milliseconds), OK)


def _hang(conversation: Conversation, _: bytes) -> None:
    """Never answer."""


def _drip(conversation: Conversation, _: bytes) -> None:
    for number in range(len(OK)):
        conversation.write_later(number * DRIP_PAUSE * 1_000, OK[number : number + 1])


def _reset(conversation: Conversation, _: bytes) -> None:
    # A socket that lingers for 0 s is closed with RST.
    conversation.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conversation.transport.abort()


def _late(conversation: Conversation, milliseconds: bytes) -> None:
    conversation.transport.write(OK)
    conversation.write_later(float(milliseconds), OK)


def _half(conversation: Conversation, milliseconds: bytes) -> None:
    conversation.transport.write(OK + OK[:20])
    conversation.write_later(float(milliseconds), OK[20:])


def _surplus(conversation: Conversation, status: bytes) -> None:
    conversation.transport.write(EMPTY % status + OK)


ANSWERS: Mapping[bytes, Callable[[Conversation, bytes], None]] = {
    b"ok": _always(OK),
    b"once": _once,
    b"fail": _always(FAIL),
    b"unavailable": _always(UNAVAILABLE),
    b"slow": _slow,
    b"hang": _hang,
    b"drip": _drip,
    b"reset": _reset,
    b"double": _always(OK + OK),
    b"late": _late,
    b"half": _half,
    b"surplus": _surplus,
    b"eager": _always(OK),
}
"""What the first part of a path says. The second part is the number of milliseconds, or the status of `surplus`."""
