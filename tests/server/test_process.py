"""Granian as it is set up here."""

import socket
from contextlib import closing

import pytest

from webhook_admin.server import process


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_inherit_what_the_listening_socket_has(host: str) -> None:
    """A client that does not read what it was sent is dropped by the kernel after 10 s; small answers leave at once."""
    with closing(process.listen(host, 0)) as listener, socket.create_connection(listener.getsockname()[:2]):
        connection, _ = listener.accept()
        with connection:
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_is_nobody_elses() -> None:
    """Two services cannot listen on one port, whatever options either of them sets."""
    with closing(process.listen("127.0.0.1", 0)) as listener, pytest.raises(OSError, match="in use"):
        process.listen("127.0.0.1", listener.getsockname()[1])
