"""Sends one POST after another, very many at a time. Network trouble comes back as a value, never as an exception."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Self

from webhook_admin.callback_urls import InvalidCallbackUrl, Network, parse
from webhook_admin.sender import tcp, tls
from webhook_admin.sender.answer import MAX_READ
from webhook_admin.sender.connection import Connection
from webhook_admin.sender.exchange import Destination, Done, Exchange, Opened
from webhook_admin.sender.pool import Pool
from webhook_admin.sender.request import BLOCKED, Outcome, Request, Result
from webhook_admin.sender.resolver import Resolved, Resolver
from webhook_admin.sender.verdict import (
    BLOCKED_ADDRESS,
    UNKNOWN,
    Failed,
    of_no_room,
    of_slow_handshake,
    of_slow_look_up,
    peer,
)

__all__ = ["BLOCKED", "Opened", "Outcome", "Request", "Result", "Sender"]

_SWEEP_EVERY = 0.05  # seconds; a timer for each request would cost more than all else that is done for it


class Sender:
    """Sends requests over kept-alive TLS connections, all in one event loop.

    Limits are in seconds: `connect_timeout` for the look-up, the connection and TLS, `request_timeout` for everything.
    Addresses are judged by `may_connect` with `allowed_networks`, when they are looked up and when they are connected
    to. `ca_bundle` is a PEM file of the authorities that receivers' certificates come from; without it, those that the
    system and certifi trust. A connection is closed when it has been idle for `idle_seconds`. `nameservers` (addresses,
    with `:port` if not 53) are asked instead of the system's.
    """

    def __init__(
        self,
        connect_timeout: float,
        request_timeout: float,
        allowed_networks: Sequence[Network],
        ca_bundle: Path | None,
        max_connections: int = 1_000,
        idle_seconds: float = 60,
        *,
        nameservers: Sequence[str] = (),
    ) -> None:
        self._connect_timeout = min(connect_timeout, request_timeout)
        self._request_timeout = request_timeout
        self._allowed = allowed_networks
        self._ca_bundle = ca_bundle
        self._pool = Pool(max_connections, idle_seconds)
        self._resolver = Resolver(allowed_networks, nameservers)
        self._destination = lru_cache(10_000)(lambda url: Destination.of(parse(url, allowed_networks)))
        self._opening: set[asyncio.Task[None]] = set()
        self._busy: set[Exchange] = set()
        self._buffer = memoryview(bytearray(MAX_READ))

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._context = tls.client_context(self._ca_bundle)
        await self._resolver.open()
        self._sweeping = self._loop.call_later(_SWEEP_EVERY, self._sweep)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop. What has no answer yet ends with the outcome `unknown`."""
        self._sweeping.cancel()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for exchange in list(self._busy):
            exchange.end(UNKNOWN)
        await self._pool.close()
        await self._resolver.close()

    async def send(self, request: Request) -> Result:
        """Send one request as soon as there is a connection; what came of it."""
        future: asyncio.Future[Result] = self._loop.create_future()
        self.start(request, lambda result: None if future.done() else future.set_result(result), Opened.send)
        return await future

    def start(self, request: Request, done: Done, connected: Callable[[Opened], None]) -> None:
        """Send one request over a connection that is kept; without one, open one, and ask first.

        Both are called in the event loop's thread, later. `connected` gets a connection on which nothing has been
        written yet: `send` the request then, or `give_up`. `done` is told what came of it, once, unless it is given up;
        that can come before either, when the time is up or the connection dies.
        """
        exchange = Exchange(request, done, self._loop, self._request_timeout, self._busy)
        with exchange:
            try:
                destination = exchange.destination = self._destination(request.url)
            except InvalidCallbackUrl:
                # The rules may have changed since the URL was registered.
                self._loop.call_soon(exchange.end, BLOCKED_ADDRESS)
                return
            known = self._resolver.known(destination.host)
            connection = self._pool.take((request.account_id, destination.origin), known.addresses) if known else None
            if connection:
                connection.attach(exchange)
                connection.send()
                return
            task = self._loop.create_task(self._open(exchange, connected))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, exchange: Exchange, connected: Callable[[Opened], None]) -> None:
        with exchange:
            try:
                async with asyncio.timeout_at(exchange.started + self._connect_timeout) as limit:
                    connection = await self._find(exchange, limit)
            except Failed as failed:
                exchange.end(failed.verdict)
            except TimeoutError:
                exchange.end(exchange.late)
            else:
                connection.attach(exchange)
                connected(Opened(exchange))

    async def _find(self, exchange: Exchange, limit: asyncio.Timeout) -> Connection:
        """A connection for the request, kept or new. Raises `Failed`. Time spent waiting for room does not count."""
        destination = exchange.destination
        exchange.late = of_slow_look_up(destination.host, self._connect_timeout)
        resolved = self._resolver.known(destination.host) or await self._resolver.look_up(destination.host)
        if not resolved.addresses:
            raise Failed(BLOCKED_ADDRESS)
        exchange.late = of_no_room(self._request_timeout)
        limit.reschedule(exchange.by)
        before = self._loop.time()
        key = exchange.request.account_id, destination.origin
        connection = await self._pool.take_or_open(key, resolved.addresses)
        if connection is None:
            by = min(self._loop.time() - before + exchange.started + self._connect_timeout, exchange.by)
            limit.reschedule(by)
            try:
                connection = await self._connect(exchange, resolved, by)
            finally:
                self._pool.opened(connection)
            exchange.connected_after = self._loop.time() - exchange.started
        return connection

    async def _connect(self, exchange: Exchange, resolved: Resolved, by: float) -> Connection:
        destination = exchange.destination
        sock, address = await tcp.connect(resolved.addresses, destination.port, self._allowed, by)
        exchange.late = of_slow_handshake(peer(address, destination.port), self._connect_timeout)
        account_id, pool = exchange.request.account_id, self._pool
        connection = Connection(account_id, destination, address, self._buffer, pool.put, pool.forget)
        host = destination.host.removesuffix(".")
        with ExitStack() as undo:
            undo.callback(connection.close)
            try:
                await self._loop.create_connection(
                    lambda: connection, ssl=self._context, sock=sock, server_hostname=host
                )
            except OSError as error:
                raise Failed(tls.of_error(error, host, destination.port)) from error
            undo.pop_all()
        return connection

    def _sweep(self) -> None:
        self._sweeping = self._loop.call_later(_SWEEP_EVERY, self._sweep)
        now = self._loop.time()
        for exchange in [exchange for exchange in self._busy if exchange.by <= now]:
            with exchange:
                if exchange.carrier:
                    exchange.carrier.expire(self._request_timeout)
        self._pool.sweep(now)
