"""Sends one POST after another, very many at a time. Network trouble comes back as a value, never as an exception."""

import asyncio
import ssl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, Self

import certifi
import pycurl
import structlog

from webhook_admin.callback_urls import CallbackUrl, InvalidCallbackUrl, Network, parse
from webhook_admin.sender.pool import Pools
from webhook_admin.sender.request import BLOCKED, Outcome, Request, Result
from webhook_admin.sender.resolver import Answer, LookupFailed, Resolver
from webhook_admin.sender.transfer import Limits, Transfer

__all__ = ["Outcome", "Request", "Result", "Sender"]

Done = Callable[[Result], None]
log = structlog.get_logger()
# Seconds that a connection may wait for its next request: it takes memory, and a retry is to look the name up again.
_IDLE = 3.0


class Exchange(NamedTuple):
    """A request under way since `started`, by the loop's clock."""

    request: Request
    done: Done
    started: float


class Sender:
    """Sends requests over kept-alive TLS connections, all in one event loop.

    Limits are in seconds: `connect_timeout` for the look-up and the connection, `request_timeout` for everything.
    Addresses are judged by `may_connect` with `allowed_networks`, when they are looked up and when a socket is opened.
    `ca_bundle` is a PEM file of the authorities that receivers' certificates come from; without it, those that the
    system and certifi trust. A connection serves at most `pool_seconds`, so that a changed address counts soon.
    `nameservers` (addresses, with `:port` if not 53) are asked instead of the system's.
    """

    def __init__(
        self,
        connect_timeout: float,
        request_timeout: float,
        allowed_networks: Sequence[Network],
        ca_bundle: Path | None,
        max_connections: int = 1_000,
        pool_seconds: int = 60,
        *,
        nameservers: Sequence[str] = (),
    ) -> None:
        self._connect_timeout = connect_timeout
        self._request_timeout = request_timeout
        self._allowed = allowed_networks
        self._ca_bundle = ca_bundle
        self._max_connections = max_connections
        self._pool_seconds = pool_seconds
        self._nameservers = nameservers
        self._pools = Pools(max_connections, _IDLE)
        self._parse = lru_cache(10_000)(partial(parse, allowed=allowed_networks))
        self._connecting: set[asyncio.Task[None]] = set()
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        folder = Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="webhook-admin-")))
        ca_file = self._ca_bundle or _default_authorities(folder)
        self._limits = Limits(self._connect_timeout, self._request_timeout, self._pool_seconds, self._allowed, ca_file)
        self._resources.callback(self._pools.close_all)
        self._multi = await self._resources.enter_async_context(pycurl.AsyncCurlMulti())
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, self._max_connections)
        self._multi.setopt(pycurl.M_MAXCONNECTS, self._max_connections)
        self._sweep()
        self._resources.callback(self._stop_sweeping)
        self._resolver = await self._resources.enter_async_context(Resolver(self._allowed, self._nameservers))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop. What has no answer yet ends with the outcome `unknown`."""
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        await self._resources.aclose()
        # The transfers that the multi has cancelled tell it in the loop's next round.
        await asyncio.sleep(0)

    async def send(self, request: Request) -> Result:
        """Send one request; what came of it."""
        future: asyncio.Future[Result] = self._loop.create_future()
        self.start(request, lambda result: None if future.done() else future.set_result(result))
        return await future

    def start(self, request: Request, done: Done) -> None:
        """Send one request; `done` is called in the event loop's thread, later, with what came of it."""
        exchange = Exchange(request, done, self._loop.time())
        with self._ending(exchange):
            try:
                url = self._parse(request.url)
            except InvalidCallbackUrl:
                # The rules may have changed since the URL was registered.
                self._loop.call_soon(done, BLOCKED)
                return
            transfer = self._pools.take(url.origin)
            if transfer is not None:
                self._perform(transfer, url, exchange)
                return
            task = self._loop.create_task(self._connect(url, exchange))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, url: CallbackUrl, exchange: Exchange) -> None:
        with self._ending(exchange):
            try:
                answer = self._resolver.known(url.host) or await self._look_up(url.host)
            except (LookupFailed, TimeoutError):
                exchange.done(Result(Outcome.DNS, duration_ms=self._since(exchange)))
            except asyncio.CancelledError:
                exchange.done(Result(Outcome.UNKNOWN, duration_ms=self._since(exchange)))
            else:
                if answer.addresses:
                    transfer = self._pools.add(Transfer(url, answer.addresses, self._limits))
                    self._perform(transfer, url, exchange)
                else:
                    exchange.done(BLOCKED)

    async def _look_up(self, host: str) -> Answer:
        async with asyncio.timeout(self._connect_timeout):
            return await self._resolver.look_up(host)

    def _perform(self, transfer: Transfer, url: CallbackUrl, exchange: Exchange) -> None:
        transfer.prepare(exchange.request, url.target, self._loop.time() - exchange.started)
        future = self._multi.add_handle(transfer.curl)
        future.add_done_callback(partial(self._performed, transfer, url.origin, exchange))

    def _performed(
        self, transfer: Transfer, origin: str, exchange: Exchange, future: asyncio.Future[pycurl.Curl]
    ) -> None:
        with self._ending(exchange):
            if future.cancelled():
                self._pools.close(transfer)
                exchange.done(Result(Outcome.UNKNOWN, duration_ms=self._since(exchange)))
                return
            error = future.exception()
            is_kept = False
            try:
                result = transfer.result(error.args[0] if error else pycurl.E_OK, self._since(exchange))
                is_kept = transfer.is_kept
            finally:
                if is_kept:
                    self._pools.put(origin, transfer)
                else:
                    self._pools.close(transfer)
            exchange.done(result)

    @contextmanager
    def _ending(self, exchange: Exchange) -> Iterator[None]:
        try:
            yield
        except Exception:
            # Nothing is known here that could go wrong. But a request that does not end would keep its place for ever.
            log.exception("sender_failed")
            exchange.done(Result(Outcome.UNKNOWN, duration_ms=self._since(exchange)))

    def _sweep(self) -> None:
        self._pools.sweep()
        self._sweeping = self._loop.call_later(_IDLE / 2, self._sweep)

    def _stop_sweeping(self) -> None:
        self._sweeping.cancel()

    def _since(self, exchange: Exchange) -> int:
        return round((self._loop.time() - exchange.started) * 1_000)


def _default_authorities(folder: Path) -> Path:
    """Whom the system and certifi trust, in one file: libcurl keeps what it has read of a file, but not of a folder."""
    file = folder / "authorities.pem"
    system = ssl.get_default_verify_paths().cafile
    sources = [Path(certifi.where()), *([Path(system)] if system else [])]
    file.write_text("\n".join(source.read_text() for source in sources))
    return file
