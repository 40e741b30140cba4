"""What the operating system says of a connection that libcurl holds. Descriptors are borrowed, never closed."""

import select
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple, TypeVar

_TCP_INFO = getattr(socket, "TCP_INFO", None)
# Linux's struct tcp_info: tcpi_bytes_acked and tcpi_bytes_received.
_TRAFFIC = struct.Struct("=120x2Q")

T = TypeVar("T")


class Traffic(NamedTuple):
    """Bytes of a connection so far: of those sent, the ones that are known to have arrived, and those received."""

    acknowledged: int
    received: int


def is_quiet(descriptor: int) -> bool:
    """Whether nothing has come that nobody asked for: neither the other side's end of it, nor an answer too many."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


def traffic(descriptor: int) -> Traffic | None:
    """What has gone over an open connection; None where the operating system does not tell."""
    if _TCP_INFO is None:
        return None
    info = _ask(descriptor, lambda connection: connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TRAFFIC.size))
    if info is None or len(info) < _TRAFFIC.size:
        return None
    counts = Traffic(*_TRAFFIC.unpack(info))
    # TLS has been spoken, so a zero means that nobody counts.
    return counts if all(counts) else None


def local_port(descriptor: int) -> int | None:
    """Its port on this machine; None if it is closed."""
    return _ask(descriptor, lambda connection: int(connection.getsockname()[1]))


def _ask(descriptor: int, question: Callable[[socket.socket], T]) -> T | None:
    try:
        # Whatever the family is: with one given, Python does not ask for it.
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    except OSError:
        return None
    try:
        return question(connection)
    except OSError:
        return None
    finally:
        connection.detach()
