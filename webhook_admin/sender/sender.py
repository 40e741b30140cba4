"""Sends one POST after another, very many at a time. Network trouble comes back as a value, never as an exception."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

from webhook_admin.callback_urls import InvalidCallbackUrl, Network, parse
from webhook_admin.sender import hints, tls
from webhook_admin.sender.answer import MAX_READ
from webhook_admin.sender.connection import STOPPED, Connection, Done, Exchange
from webhook_admin.sender.pool import Pool
from webhook_admin.sender.request import BLOCKED, Outcome, Request, Result, Trouble
from webhook_admin.sender.resolver import Addresses, Resolver

__all__ = ["Opened", "Outcome", "Request", "Result", "Sender"]

Opened = Exchange  # what `connected` gets: its connection is open, and nothing has been written yet
Connected = Callable[[Opened], None]
_SWEEP_EVERY = 0.05  # seconds; a timer for each request would cost ten times as much


@dataclass(eq=False, repr=False)
class Sender:
    """Sends requests over kept-alive TLS connections, all in one event loop.

    Limits are in seconds: `connect_timeout` until there is a connection, `request_timeout` for everything. Addresses
    must be in `allowed_networks` or public. `ca_bundle` is a PEM file of authorities to trust instead of the system's
    and certifi's, `nameservers` (addresses, with `:port` if not 53) are asked instead of the system's.
    """

    connect_timeout: float
    request_timeout: float
    allowed_networks: Sequence[Network]
    ca_bundle: Path | None
    max_connections: int = 1_000
    idle_seconds: float = 60
    nameservers: Sequence[str] = ()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._context = tls.client_context(self.ca_bundle)
        self._parse = lru_cache(10_000)(partial(parse, allowed=self.allowed_networks))
        self._resolver = Resolver(self.allowed_networks, self.nameservers)
        self._pool = Pool(self.max_connections)
        self._buffer = memoryview(bytearray(MAX_READ))
        self._opening: dict[asyncio.Task[None], Exchange] = {}
        self._in_flight: set[Exchange] = set()
        self._sweeping = self._loop.call_later(_SWEEP_EVERY, self._sweep)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop. What has no answer yet ends with the outcome `unknown`."""
        self._sweeping.cancel()
        opening = dict(self._opening)
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for exchange in [*opening.values(), *self._in_flight]:
            exchange.end(STOPPED)
        await self._pool.close()
        await self._resolver.close()

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many are kept for later."""
        return self._pool.used, self._pool.idle

    async def send(self, request: Request) -> Result:
        """Send one request as soon as there is a connection; what came of it."""
        future: asyncio.Future[Result] = self._loop.create_future()
        self.start(request, lambda result: None if future.done() else future.set_result(result), Opened.send)
        return await future

    def start(self, request: Request, done: Done, connected: Connected) -> None:
        """Send one request over a kept connection; without one, open one, and let `connected` send it or give it up.

        `done` is told what came of it, once, unless it was given up. Both are called in the loop's thread, later.
        """
        exchange = Exchange(request, done, self._in_flight)
        try:
            url = exchange.url = self._parse(request.url)
        except InvalidCallbackUrl:
            self._loop.call_soon(exchange.end, Trouble(*BLOCKED))  # the rules have changed since it was registered
            return
        exchange.key = request.account_id, url.host, url.port
        addresses = self._resolver.known(url.host)
        connection = self._pool.take(exchange.key, addresses) if addresses else None
        if connection:
            self._in_flight.add(exchange)
            connection.send(exchange)
        else:
            task = self._loop.create_task(self._open(exchange, addresses, connected))
            self._opening[task] = exchange
            task.add_done_callback(self._opening.pop)

    async def _open(self, exchange: Exchange, addresses: Addresses, connected: Connected) -> None:
        host, pool, seconds = exchange.url.host, self._pool, min(self.connect_timeout, self.request_timeout)
        by = exchange.started + seconds
        try:
            async with asyncio.timeout_at(by):
                exchange.late = Outcome.DNS, f"No answer from the name servers for {host}", hints.NAME_SERVERS
                addresses = addresses or await self._resolver.look_up(host)
                exchange.connection = pool.take(exchange.key, addresses)
                if exchange.connection is None:
                    exchange.late = Outcome.TIMEOUT, "No connection of the dispatcher's became free", hints.BUSY
                    await pool.make_room()
                    exchange.connection = Connection(exchange.key, self._buffer, pool.put, pool.closed)
                    await exchange.connection.open(exchange, addresses, self.allowed_networks, self._context, by)
            exchange.late = Outcome.TIMEOUT, "Not sent", hints.BUSY
            self._in_flight.add(exchange)
            connected(exchange)
        except Trouble as trouble:
            exchange.end(trouble)
        except TimeoutError:
            exchange.expire(seconds)
        except BaseException:
            exchange.end(STOPPED)
            raise  # the sender's end, or a mistake, which the loop logs

    def _sweep(self) -> None:
        self._sweeping = self._loop.call_later(_SWEEP_EVERY, self._sweep)
        now = self._loop.time()
        for exchange in [one for one in self._in_flight if one.started + self.request_timeout <= now]:
            exchange.expire(self.request_timeout)
        self._pool.sweep(now - self.idle_seconds)
