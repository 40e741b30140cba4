"""A load generator: one thread, prebuilt requests, a few kept-alive connections, each with one request in flight.

It checks every answer, and still sends about twice as much as a bare Flask view can answer.
"""

import random
import re
import selectors
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from statistics import quantiles
from typing import NamedTuple

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_PATIENCE = 30  # seconds


class Call(NamedTuple):
    """A request, and what its answer must begin with and contain."""

    request: bytes
    status: bytes
    content: bytes = b""


Exchange = Sequence[Call]
"""Calls to be made one after another on one connection, and never left half done."""


class Figures(NamedTuple):
    """What a round has measured; `busy` is the part of its time that the load generator itself was at work."""

    per_second: float
    p50_ms: float
    p99_ms: float
    busy: float


def run(port: int, exchanges: Sequence[Exchange], seconds: float, connections: int = 8) -> Figures:
    """Make the exchanges in random order, as fast as the server answers, until the time is up.

    No two connections share an exchange, so there must be at least as many. Raises `AssertionError` at the first answer
    that is not the expected one.
    """
    order = random.sample(exchanges, len(exchanges))
    latencies: list[float] = []
    started, worked = time.perf_counter(), time.process_time()
    with selectors.DefaultSelector() as selector:
        for number in range(connections):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = _talk(connection, cycle(order[number::connections]), started + seconds, latencies)
            selector.register(connection, selectors.EVENT_READ, talk)
            next(talk)
        while selector.get_map():
            ready = selector.select(_PATIENCE)
            assert ready, f"no answer within {_PATIENCE} s"
            for key, _ in ready:
                if next(key.data, "finished"):
                    selector.unregister(key.fileobj)
    elapsed, busy = time.perf_counter() - started, time.process_time() - worked
    percentiles = quantiles(latencies, n=100)
    return Figures(len(latencies) / elapsed, percentiles[49] * 1000, percentiles[98] * 1000, busy / elapsed)


def _talk(
    connection: socket.socket, exchanges: Iterable[Exchange], until: float, latencies: list[float]
) -> Iterator[None]:
    """Yield whenever there is something to wait for."""
    with connection:
        for exchange in exchanges:
            for call in exchange:
                sent = time.perf_counter()
                connection.sendall(call.request)
                answer = b""
                while not _is_complete(answer):
                    yield
                    received = connection.recv(65536)
                    assert received, f"closed in the middle of {answer!r}"
                    answer += received
                latencies.append(time.perf_counter() - sent)
                assert answer.startswith(call.status), answer
                assert call.content in answer, answer
            if time.perf_counter() > until:
                return


def _is_complete(answer: bytes) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    length = _CONTENT_LENGTH.search(answer, 0, head + 2)
    return len(answer) == head + 4 + (int(length[1]) if length else 0)
