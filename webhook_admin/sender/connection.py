"""A request in flight, and the TLS connection that carries one request after another, none of them twice."""

import asyncio
import errno
import os
import select
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhook_admin.callback_urls import CallbackUrl, Network, may_connect
from webhook_admin.sender import hints, tls
from webhook_admin.sender.answer import NOTHING, Answer, Parts, bad_answer
from webhook_admin.sender.request import BLOCKED, Outcome, Request, Result, Trouble
from webhook_admin.sender.resolver import Addresses

Done = Callable[[Result], None]
Key = tuple[str, str, int]  # what a connection belongs to: an account, and the host and port of its receiver
STOPPED = Trouble(Outcome.UNKNOWN, "The sender stopped before it saw an answer; it may have arrived.", hints.RETRY)
_LOST = Trouble(Outcome.CONNECT, "The server closed the connection before the request was sent.", hints.LOG)


class Exchange:
    """A request in flight, of which nothing is written before `send`; `done` is told what came of it, once."""

    connection: "Connection | None" = None
    late: tuple[Outcome, str, str]  # what to say if the time is up
    since = ""
    url: CallbackUrl
    key: Key

    def __init__(self, request: Request, done: Done, in_flight: set["Exchange"]) -> None:
        self.request = request
        self._done: Done | None = done
        self._in_flight = in_flight
        self._loop = asyncio.get_running_loop()
        self.started = self._loop.time()

    def send(self) -> None:
        """Write the request now, unless it has ended meanwhile. If the connection has, the request ends, too."""
        if (connection := self.connection) and connection.is_usable:
            connection.send(self)
        elif connection and not connection.exchange:
            self._loop.call_soon(self.end, connection.trouble)

    def give_up(self) -> None:
        """Do not send the request, and tell nobody what came of it; the connection is kept for another one."""
        if (connection := self.connection) and not connection.exchange:
            self._done = self.connection = None
            self.end(None)
            connection.on_free(connection) if connection.is_usable else connection.close()

    def expire(self, seconds: float) -> None:
        outcome, what, hint = self.late
        what = "No complete answer" if self.connection and self.connection.answer.received else what
        self.end(Trouble(outcome, f"{what} within {seconds:g} s{self.since}.", hint))

    def end(self, trouble: Trouble | None, parts: Parts = NOTHING) -> None:
        """Tell what came of it, unless it has been told or given up, and close the connection that still has it."""
        done, self._done, connection, self.connection = self._done, None, self.connection, None
        self._in_flight.discard(self)
        if connection:
            parts = connection.answer.parts
            connection.close()
        if done:
            outcome, detail, hint = trouble.args if trouble else (Outcome.DELIVERED, None, None)
            seconds = 0 if outcome is Outcome.BLOCKED_ADDRESS else self._loop.time() - self.started
            done(Result(outcome, *parts, round(seconds * 1_000), detail, hint))


@dataclass(eq=False, repr=False)
class Connection(asyncio.BufferedProtocol):
    """`open` it, then `send` one request at a time. What comes while none is in flight closes the connection.

    All connections share one `buffer`, of `MAX_READ` bytes: a read that fills it ends the connection. `on_free` is
    called when another request can be sent, `on_closed` when the connection is closed.
    """

    key: Key
    buffer: memoryview
    on_free: Callable[["Connection"], None]
    on_closed: Callable[["Connection"], None]
    address: str = ""
    exchange: Exchange | None = None
    idle_since: float | None = None
    trouble: Trouble = _LOST
    answer: Answer = field(default_factory=Answer)
    _transport: Any = None  # an asyncio.Transport

    async def open(
        self, exchange: Exchange, addresses: Addresses, allowed: Sequence[Network], context: ssl.SSLContext, by: float
    ) -> None:
        """Connect to the first address that answers; each has an equal share of the time. Raises `Trouble`."""
        loop, url, failure = asyncio.get_running_loop(), exchange.url, OSError()
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            if not may_connect(address, allowed):  # judged again: from here, the address is the socket's
                raise Trouble(*BLOCKED)
            self.address, where = address, f"{address}, port {url.port}"
            exchange.late = Outcome.TIMEOUT, f"No connection to {where},", hints.UP
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                with socket.socket(family, proto=socket.IPPROTO_TCP) as sock:
                    sock.settimeout(0)
                    async with asyncio.timeout_at(loop.time() + (by - loop.time()) / left):
                        await loop.sock_connect(sock, (address, url.port))
                    tcp = socket.socket(fileno=sock.detach())
                break
            except OSError as error:
                failure = error.with_traceback(None)  # whose frame refers to it: a cycle
        else:
            if failure.errno is None:
                raise failure  # the time is up
            what = "Connection refused by" if failure.errno == errno.ECONNREFUSED else f"{os.strerror(failure.errno)}:"
            hint = hints.OPEN_FILES if failure.errno in {errno.EMFILE, errno.ENFILE} else hints.UP
            raise Trouble(Outcome.CONNECT, f"{what} {where}.", hint) from failure
        exchange.since = f"; connected after {loop.time() - exchange.started:.1f} s"
        exchange.late = Outcome.TIMEOUT, f"No TLS handshake with {where},", hints.HTTPS
        try:
            await loop.create_connection(lambda: self, ssl=context, sock=tcp, server_hostname=url.host.rstrip("."))
        except OSError as error:
            raise tls.trouble(error) from error

    @property
    def is_usable(self) -> bool:
        # Unread data would be taken for the next answer; before the first, it may be TLS session tickets.
        is_open = not self.exchange and self._transport and not self._transport.is_closing()
        return bool(is_open) and (self.idle_since is None or not self._poll.poll(0))

    def send(self, exchange: Exchange) -> None:
        """Write a request, path and query byte for byte as registered. The connection must be usable."""
        self.exchange, exchange.connection = exchange, self
        exchange.late = Outcome.TIMEOUT, "No answer", hints.SLOW
        request, url, host = exchange.request, exchange.url, exchange.url.origin.removeprefix("https://")
        fields = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()])
        head = f"POST {url.target} HTTP/1.1\r\nHost: {host.removesuffix(':443')}\r\n{fields}"
        head = f"{head}Content-Length: {len(request.body)}\r\n\r\n"
        self._transport.write(head.encode() + request.body)

    def close(self) -> None:
        # At once: a graceful end would wait for the server's.
        self._transport.abort() if self._transport else self.on_closed(self)

    # What the event loop calls. A mistake that these raise comes back to `connection_lost`, and is logged.
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket"), select.POLLIN)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self.buffer[:nbytes]
        try:
            if self.exchange is None:
                raise bad_answer(data, "The server sent data before it got the request.")
            if self.answer.feed(data):
                self._answered(self.exchange)
        except Trouble as trouble:
            self._fail(trouble)

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, answer = self.exchange, self.answer
        try:
            if exchange and exc is None and answer.ends_with_connection:
                self._answered(exchange)
            elif isinstance(exc, ssl.SSLError):
                self._fail(tls.trouble(exc))
            elif exchange and isinstance(exc, OSError | None):
                what = f"{'reset' if exc else 'closed'} the connection before {'all' if answer.received else 'any'}"
                self._fail(Trouble(Outcome.PROTOCOL, f"The server {what} of its answer came.", hints.LOG))
        finally:
            if exchange:
                exchange.end(STOPPED)  # a mistake, if it has not ended yet
            self._transport = None  # else a cycle keeps 80 KB of TLS state until the garbage collector comes by
            self.on_closed(self)
            self.on_closed = lambda _: None  # once

    def _fail(self, trouble: Trouble) -> None:
        self.trouble = trouble.with_traceback(None)  # whose frames refer to this connection
        self.exchange.end(trouble) if self.exchange else self.close()

    def _answered(self, exchange: Exchange) -> None:
        trouble, parts = self.answer.judge(exchange.request.success), self.answer.parts
        self.exchange = exchange.connection = None
        self.answer.reset()
        self.on_free(self) if self.answer.is_reusable else self.close()
        exchange.end(trouble, parts)
