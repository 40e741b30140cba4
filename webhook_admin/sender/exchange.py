"""A request in flight, from its start until it is known what came of it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import NamedTuple, Protocol

import structlog

from webhook_admin.callback_urls import CallbackUrl
from webhook_admin.sender.answer import Answer
from webhook_admin.sender.request import BLOCKED, Outcome, Request, Result
from webhook_admin.sender.verdict import UNKNOWN, Verdict

Done = Callable[[Result], None]
log = structlog.get_logger()


class Destination(NamedTuple):
    """Where a request goes; `start` is its first bytes: request line and Host."""

    host: str
    port: int
    origin: str
    start: bytes

    @classmethod
    def of(cls, url: CallbackUrl) -> "Destination":
        """The destination that a URL names; its path and query go out byte for byte."""
        authority = url.origin.removeprefix("https://").removesuffix(":443")
        start = f"POST {url.target} HTTP/1.1\r\nHost: {authority}\r\n"
        return cls(url.host, url.port, url.origin, start.encode())


class Carrier(Protocol):
    """The connection of an exchange."""

    def send(self) -> None:
        """Write the request, now."""

    def release(self) -> None:
        """Wait for another request; this one is not sent."""

    def expire(self, seconds: float) -> None:
        """End the request and the connection, since the request's time is up."""

    def close(self) -> None:
        """Close the connection at once."""


class Exchange(AbstractContextManager["Exchange", bool]):
    """A request, and whom to tell what came of it. `done` is called once. Times are the loop's, in seconds.

    As a context manager it keeps a mistake, or the sender's end, to itself: when the block raises, the attempt ends
    with `unknown`, and its connection is closed.
    """

    __slots__ = (
        "_busy",
        "_done",
        "_loop",
        "by",
        "carrier",
        "connected_after",
        "destination",
        "late",
        "request",
        "started",
    )

    def __init__(
        self, request: Request, done: Done, loop: asyncio.AbstractEventLoop, seconds: float, busy: set["Exchange"]
    ) -> None:
        self.request = request
        self._done: Done | None = done
        self._loop = loop
        self._busy = busy
        self.destination: Destination
        self.started = loop.time()
        self.by = self.started + seconds
        self.carrier: Carrier | None = None
        self.connected_after: float | None = None
        self.late = UNKNOWN

    def attach(self, carrier: Carrier) -> None:
        """The connection is this request's from now on."""
        self.carrier = carrier
        self._busy.add(self)

    def message(self) -> bytes:
        """The request as it goes out."""
        request = self.request
        fields = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()]).encode()
        return b"%bContent-Length: %d\r\n%b\r\n%b" % (self.destination.start, len(request.body), fields, request.body)

    def end(self, verdict: Verdict, answer: Answer | None = None) -> None:
        """Tell what came of it, unless it has been told, or given up."""
        done = self._done
        if done is None:
            return
        self.drop()
        if verdict.outcome is Outcome.BLOCKED_ADDRESS:
            done(BLOCKED)
            return
        duration_ms = round((self._loop.time() - self.started) * 1_000)
        if answer is not None and answer.has_head:
            done(Result(verdict.outcome, answer.status, answer.text, answer.retry_after, duration_ms, *verdict[1:]))
        else:
            done(Result(verdict.outcome, None, None, None, duration_ms, *verdict[1:]))

    def drop(self) -> None:
        """Forget the request: nobody is told anything any more."""
        self._done = self.carrier = None
        self._busy.discard(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        if isinstance(error, Exception):
            log.error("sender_failed", exc_info=error)
        # Later, since `start` may be what raised.
        self._loop.call_soon(self.end, UNKNOWN)
        if self.carrier:
            self.carrier.close()
        return isinstance(error, Exception | asyncio.CancelledError)


class Opened:
    """A connection that is ready for a request of which nothing has been written yet."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange: Exchange | None = exchange

    def send(self) -> None:
        """Write the request now. Does nothing if it has ended meanwhile."""
        exchange, self._exchange = self._exchange, None
        if exchange and exchange.carrier:
            with exchange:
                exchange.carrier.send()

    def give_up(self) -> None:
        """Do not send the request, and tell nobody what came of it. The connection is kept for another one."""
        exchange, self._exchange = self._exchange, None
        if exchange and exchange.carrier:
            exchange.carrier.release()
            exchange.drop()
