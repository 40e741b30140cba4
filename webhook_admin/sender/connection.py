"""A TLS connection that carries one request after another, each written at once and never a second time."""

import asyncio
import select
import ssl
from collections.abc import Callable
from typing import cast

from webhook_admin.sender import tls
from webhook_admin.sender.answer import Answer, BadAnswer
from webhook_admin.sender.exchange import Destination, Exchange
from webhook_admin.sender.verdict import (
    LOST,
    UNASKED,
    Verdict,
    of_answer,
    of_bad_answer,
    of_late_answer,
    of_late_send,
    of_loss,
)

Key = tuple[str, str]
"""The account and the origin that a connection belongs to."""

Told = Callable[["Connection"], None]


class Connection(asyncio.BufferedProtocol):
    """One request at a time: `attach` it, `send` it. What comes while none is in flight closes the connection.

    `buffer` is shared by all connections of the loop; as large as `MAX_READ`, so that a read which fills it, and may
    have left something behind, ends the connection. `keep` is told when it is free again, `closed` when it is closed.
    """

    def __init__(
        self, account_id: str, destination: Destination, address: str, buffer: memoryview, keep: Told, closed: Told
    ) -> None:
        self.key: Key = account_id, destination.origin
        self.address = address
        self._destination = destination
        self.idle_since: float | None = None
        self._buffer = buffer
        self._keep = keep
        self._closed = closed
        self._answer = Answer()
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._is_sent = False

    def attach(self, exchange: Exchange) -> None:
        """Take a request, without writing anything yet."""
        self._answer.reset()
        self._exchange = exchange
        self._is_sent = False
        exchange.attach(self)

    def is_usable(self) -> bool:
        """Whether a request can be sent: nothing has come since the last answer, neither data nor an end.

        Data that nobody has read yet could be taken for the answer to the next request. Before the first request that
        cannot be told: servers send TLS session tickets then.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        return self.idle_since is None or not self._poll.poll(0)

    def send(self) -> None:
        """Write the request. If the connection has died meanwhile, it ends, a little later."""
        if self._exchange is None:
            return
        if self._transport is None or not self.is_usable():
            asyncio.get_running_loop().call_soon(self.fail, LOST)
            return
        self._is_sent = True
        self._transport.write(self._exchange.message())

    def release(self) -> None:
        """Give the request up, and wait for another one."""
        self._exchange = None
        self._keep(self)

    def fail(self, verdict: Verdict) -> None:
        """End the request, if there is one, and the connection."""
        exchange, self._exchange = self._exchange, None
        self.close()
        if exchange:
            exchange.end(verdict, self._answer)

    def expire(self, seconds: float) -> None:
        """End the request, since its time is up."""
        if self._exchange:
            after = self._exchange.connected_after
            late = (
                of_late_answer(seconds, after, self._answer.received) if self._is_sent else of_late_send(seconds, after)
            )
            self.fail(late)

    def close(self) -> None:
        """Close the connection at once: a graceful end would wait for the other side's."""
        if self._transport is not None:
            self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport is None or self._transport.is_closing()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket"), select.POLLIN)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        exchange = self._exchange
        if exchange is None or not self._is_sent:
            self.fail(of_bad_answer(UNASKED, bytes(self._buffer[: min(nbytes, 4)])))
            return
        with exchange:
            try:
                self._answer.feed(self._buffer[:nbytes])
            except BadAnswer as error:
                self.fail(of_bad_answer(str(error), bytes(self._buffer[: min(nbytes, 4)])))
                return
            if self._answer.is_over:
                self._answered(exchange)

    def eof_received(self) -> None:
        """Called for TLS's own end only (close_notify), and not for every one."""
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)
        self._answer.close()
        self._closed(self)

    def _ended(self, error: Exception | None) -> None:
        exchange = self._exchange
        if exchange is None:
            self.close()
            return
        with exchange:
            if error is None and self._is_sent and self._answer.ends_with_connection:
                self._answered(exchange)
            elif isinstance(error, ssl.SSLError):
                self.fail(tls.of_error(error, self._destination.host, self._destination.port))
            elif self._is_sent:
                self.fail(of_loss(error, self._answer.received, has_head=self._answer.has_head))
            else:
                self.fail(LOST)

    def _answered(self, exchange: Exchange) -> None:
        answer = self._answer
        verdict = of_answer(answer.status, exchange.request.success, answer.location)
        self._exchange = None
        if answer.is_reusable:
            self._keep(self)
        else:
            self.close()
        exchange.end(verdict, answer)
