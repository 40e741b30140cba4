"""The HTTP server that Prometheus scrapes."""

import socket
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from webhook_admin.errors import Misconfigured


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds, for a request to arrive

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Log no scrapes."""


class MetricsServer(ThreadingWSGIServer):
    """Serves a registry on a socket that listens already; each scrape has a thread."""

    def __init__(self, listener: socket.socket, registry: CollectorRegistry) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        self.set_app(make_wsgi_app(registry))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `Misconfigured`."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise Misconfigured(
            f"Cannot listen for scrapes on {host}, port {port}: {reason}. Give each command that runs on this machine "
            "a WEBHOOK_ADMIN_METRICS_PORT of its own that is free."
        ) from None
