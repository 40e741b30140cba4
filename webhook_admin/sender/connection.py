"""What the operating system says of a connection that libcurl holds."""

import select
import socket
import struct
from typing import NamedTuple

_TCP_INFO = getattr(socket, "TCP_INFO", None)
# Linux's struct tcp_info: tcpi_bytes_acked and tcpi_bytes_received.
_TRAFFIC = struct.Struct("=120x2Q")


class Traffic(NamedTuple):
    """Bytes of a connection so far: of those sent, the ones that are known to have arrived, and those received."""

    acknowledged: int
    received: int


def borrow(descriptor: int) -> socket.socket | None:
    """A socket to ask questions with, None if it is closed. To be detached, never closed: it is libcurl's."""
    try:
        # Whatever the family is: with one given, Python does not ask for it.
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    except OSError:
        return None


def is_quiet(connection: socket.socket) -> bool:
    """Whether nothing has come that nobody asked for: neither the other side's end of it, nor an answer too many."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return not poll.poll(0)


def traffic(connection: socket.socket) -> Traffic | None:
    """What has gone over an open connection; None where the operating system does not tell."""
    if _TCP_INFO is None:
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TRAFFIC.size)
    except OSError:
        return None
    if len(info) < _TRAFFIC.size:
        return None
    counts = Traffic(*_TRAFFIC.unpack(info))
    # TLS has been spoken, so a zero means that nobody counts.
    return counts if all(counts) else None


def local_port(connection: socket.socket) -> int | None:
    """Its port on this machine; None if it is closed."""
    try:
        return int(connection.getsockname()[1])
    except OSError:
        return None
