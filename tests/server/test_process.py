"""Granian as it is set up here."""

import resource
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
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_is_nobody_elses() -> None:
    """Two services cannot listen on one port, whatever options either of them sets."""
    with closing(process.listen("127.0.0.1", 0)) as listener, pytest.raises(OSError, match="in use"):
        process.listen("127.0.0.1", listener.getsockname()[1])


@pytest.fixture
def file_limits() -> None:
    """Puts the limits of open files back as they were."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_of_open_files_is_raised(file_limits: None) -> None:
    """A soft limit of 256 files, as is usual, does not limit the connections."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert process.allow_connections() == process.MAX_CONNECTIONS
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (process.MAX_CONNECTIONS + 256, hard)
