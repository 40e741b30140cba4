"""Granian as it is set up here: HTTP/1.1 only, and with a limit to everything that a client can make it keep."""

import socket
from collections.abc import Callable
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

# Connections of one worker; more wait in the backlog.
MAX_CONNECTIONS = 4_096
# Files that a worker has open besides: the store's, the log, the event loop's.
OTHER_FILES = 256
_BACKLOG = 4_096
_HEAD_SECONDS = 10
_MAX_HEAD = 64 * 1024  # bytes; also of answers that wait for a client that pipelines requests and does not read
# How long a client may leave what was sent to it unread; the kernel then drops the connection.
_UNREAD_SECONDS = 10
# How long requests in progress may take to finish when the server is told to stop.
_GRACE_SECONDS = 3

LoadApplication = Callable[[], Any]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, whose options the connections inherit. Raises `OSError`.

    Not Granian's own: that has no TCP_USER_TIMEOUT, and shares its port silently with whoever else has it.
    """
    is_ipv6 = ":" in host
    listener = socket.create_server(
        (host, port),
        family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
        backlog=_BACKLOG,
        dualstack_ipv6=is_ipv6 and socket.has_dualstack_ipv6(),
    )
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_SECONDS * 1_000)
    listener.set_inheritable(True)
    return listener


class Server(MPServer):
    """Workers that serve an RSGI application on one listening socket; a worker that dies is replaced."""

    # Where Granian keeps a listening socket that its workers share: that of a Unix socket, say.
    _sso: Any
    _sfd: Any
    _shd: Any

    def __init__(self, listener: socket.socket, workers: int = 1, max_connections: int = MAX_CONNECTIONS) -> None:
        """`max_connections` are those of each worker."""
        host, port = listener.getsockname()[:2]
        super().__init__(
            "webhook_admin",
            host,
            port,
            interface=Interfaces.RSGI,
            workers=workers,
            # HTTP/2 lets one client keep any number of requests and headers open at once.
            http=HTTPModes.http1,
            # It also ends connections that send nothing, and those that are idle.
            http1_settings=HTTP1Settings(header_read_timeout=_HEAD_SECONDS * 1_000, max_buffer_size=_MAX_HEAD),
            backlog=_BACKLOG,
            backpressure=max_connections,
            respawn_failed_workers=True,
            workers_kill_timeout=_GRACE_SECONDS,
            log_level=LogLevels.warning,
            websockets=False,
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        self._sso, self._sfd = self._listener, self._listener.fileno()
        self._shd = SocketHolder(self._sfd, False, _BACKLOG)  # type: ignore[call-arg]  # noqa: FBT003  not a Unix socket

    def run(self, load_application: LoadApplication) -> None:
        """Serve what `load_application` returns in each worker, until SIGINT or SIGTERM."""
        self.serve(target_loader=load_application, wrap_loader=False)
