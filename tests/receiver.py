"""A receiver of notifications that can be told to misbehave: real HTTPS on loopback, in a thread of its own."""

import asyncio
import contextlib
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import trustme

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What happens once a request has been read; the connection stays open unless the behaviour closes it."""

# Linux's name, and that of macOS and the BSDs.
TCP_CORK: int = getattr(socket, "TCP_CORK", 0) or getattr(socket, "TCP_NOPUSH", 0)

HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Received:
    """A request as it came in; header names in lower case, `at` by the monotonic clock."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    connection: int


def answer(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """A proper answer."""
    fields = {"Content-Length": str(len(body))} | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return raw(f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + body)


def raw(*pieces: bytes) -> Behaviour:
    """These bytes, each piece in a TLS record of its own, and all in one packet where the operating system can."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        if connection is None:
            raise ConnectionResetError
        connection.setsockopt(socket.IPPROTO_TCP, TCP_CORK, 1)
        for piece in pieces:
            writer.write(piece)
        await writer.drain()
        connection.setsockopt(socket.IPPROTO_TCP, TCP_CORK, 0)

    return behave


def raw_then_close(*pieces: bytes) -> Behaviour:
    """These bytes, and the end of the connection."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        await raw(*pieces)(writer)
        await close(writer)

    return behave


def raw_then_reset(*pieces: bytes) -> Behaviour:
    """These bytes, and a connection reset."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        await raw(*pieces)(writer)
        await reset(writer)

    return behave


def endless(start: bytes = b"HTTP/1.1 200 OK\r\n\r\n", more: bytes = b"x" * 10_000) -> Behaviour:
    """`start`, and then more and more, as fast as it is read."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0)

    return behave


def drip(text: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", pause: float = 0.05) -> Behaviour:
    """The bytes, one by one, with a pause (seconds) before each."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        for byte in text:
            await asyncio.sleep(pause)
            writer.write(bytes([byte]))
            await writer.drain()

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One behaviour for each request, in their order; the last for all further ones."""
    remaining = list(behaviours)

    async def behave(writer: asyncio.StreamWriter) -> None:
        await (remaining.pop(0) if len(remaining) > 1 else remaining[0])(writer)

    return behave


def one_after_another(*behaviours: Behaviour) -> Behaviour:
    """All of the behaviours for each request."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        for behaviour in behaviours:
            await behaviour(writer)

    return behave


def after(seconds: float, behaviour: Behaviour) -> Behaviour:
    """The behaviour, that much later."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await behaviour(writer)

    return behave


async def hang(writer: asyncio.StreamWriter) -> None:
    """No answer, for as long as the client waits."""
    await writer.wait_closed()


async def close(writer: asyncio.StreamWriter) -> None:
    """The end of the connection."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def reset(writer: asyncio.StreamWriter) -> None:
    """The end of the connection, with RST."""
    # A socket that lingers for no time at all is closed with RST.
    linger = struct.pack("ii", 1, 0)
    connection = writer.get_extra_info("socket")
    if connection is None:
        raise ConnectionResetError
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


class hold:  # noqa: N801  it reads as a behaviour among the others, and is one
    """Keeps every request until `release` is called, and then answers it."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self._behaviour = behaviour or answer()
        self._released: Future[None] = Future()

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        await asyncio.shield(asyncio.wrap_future(self._released))
        await self._behaviour(writer)

    def release(self) -> None:
        """Let the kept requests be answered, and all that follow."""
        self._released.set_result(None)


class Authority:
    """A certificate authority of the tests' own, and what its certificates look like to a server."""

    def __init__(self) -> None:
        self.ca = trustme.CA()

    def write(self, file: Path) -> Path:
        """Write the authority's certificate as PEM."""
        self.ca.cert_pem.write_to_path(file)
        return file

    def server(self, *hosts: str, not_after: datetime | None = None) -> ssl.SSLContext:
        """The TLS side of a server with a certificate for the hosts."""
        certificate = self.ca.issue_cert(*(hosts or HOSTS), not_after=not_after)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        return context


AUTHORITY = Authority()


def wrong_host() -> ssl.SSLContext:
    """A good certificate, for somebody else."""
    return AUTHORITY.server("other.example.com")


def expired() -> ssl.SSLContext:
    """A certificate of the right authority that has run out."""
    return AUTHORITY.server(not_after=datetime(2021, 1, 1, tzinfo=UTC))


def untrusted() -> ssl.SSLContext:
    """A certificate of an authority that nobody knows."""
    return Authority().server()


class Receiver:
    """Listens on loopback. Each path behaves as `url` was told; any other answers 200.

    `port` comes back on one that was used before; `plain` speaks HTTP without TLS, and says 400 to everything;
    `greeting` is how each connection begins, before anything is read.
    """

    def __init__(
        self,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        *,
        plain: bool = False,
        greeting: Behaviour | None = None,
    ) -> None:
        self._tls = None if plain else tls or AUTHORITY.server()
        self._address = (host, port)
        self._behaviours: dict[str, Behaviour] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._greeting = greeting
        self.requests: list[Received] = []
        self.connections = 0
        self.behaved = 0
        """How many requests have been dealt with, to the end of their behaviour."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="receiver-")
        self.ca_file = AUTHORITY.write(Path(self._folder.name) / "ca.pem")
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,))
        self._thread.start()
        if not started.wait(10):
            raise TimeoutError("The receiver has not started.")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._folder.cleanup()

    @property
    def base_url(self) -> str:
        """`https://127.0.0.1:<port>`."""
        host, port = self._address
        return f"https://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def port(self) -> int:
        return self._address[1]

    def url(self, path: str = "/", behaviour: Behaviour | None = None) -> str:
        """The URL of a path, which behaves so from now on."""
        if behaviour is not None:
            self._behaviours[path] = behaviour
        return self.base_url + path

    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._writers)

    def disconnect(self) -> None:
        """Close every open connection, as a restart would."""
        asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result(10)

    async def _disconnect(self) -> None:
        for writer in list(self._writers):
            writer.close()

    def _run(self, started: threading.Event) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._stopped = asyncio.Event()
        listener = socket.create_server(
            self._address, family=socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET, backlog=2_000
        )
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._address = listener.getsockname()[:2]
        server = await asyncio.start_server(self._converse, sock=listener, ssl=self._tls, limit=2**20)
        started.set()
        await self._stopped.wait()
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        self._writers.add(writer)
        # A client that goes away, in whatever way, is nothing for a receiver to complain about.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if self._tls is None:
                await reader.read(1)
                await answer(400)(writer)
                await close(writer)
            if self._greeting is not None:
                await self._greeting(writer)
            while not writer.is_closing():
                request = await _read(reader, connection)
                self.requests.append(request)
                await self._behaviours.get(request.path, answer())(writer)
                self.behaved += 1
        self._writers.discard(writer)
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader, connection: int) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    at = time.monotonic()
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body, at, connection)
