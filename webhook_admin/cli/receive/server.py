"""An HTTPS server that takes notifications, and says of each whether it is genuine."""

import re
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from queue import SimpleQueue
from socketserver import BaseServer, ThreadingTCPServer
from typing import Any

from webhook_admin.cli.receive.certificate import Certificate
from webhook_admin.cli.receive.verify import find_fault

LOOPBACK = "127.0.0.1"
UNVERIFIABLE = "no secret given"
# How often a server looks whether it is to end, in seconds; the half that is the default would be felt.
_LOOK_EVERY = 0.02
# Up to 999,999 bytes; a notification has a few hundred.
_LENGTH = re.compile("[0-9]{1,6}")
# RFC 9110, section 8.6.
_WITHOUT_LENGTH = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request, `at` a moment of the monotonic clock; why it is not verified, if it is not; the status in answer.

    Names of headers are in lower case.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    fault: str | None
    status: int

    @property
    def id(self) -> str:
        """The same on every attempt: by it, a receiver knows a notification that it has had before."""
        return self.headers.get("webhook-id", "")

    @property
    def signature(self) -> str:
        """One or several, as they came."""
        return self.headers.get("webhook-signature", "")


class Receiver(ThreadingTCPServer):
    """Listens on loopback, on any free port if `port` is 0, and puts every request into `arrivals`.

    Notifications are verified with what `signing_secret` returns, if anything. `status` is the answer, after `delay`
    seconds; to one that is not genuine, it is 401. `failed` is called with the reason if TLS fails on a connection.
    """

    allow_reuse_address = True

    def __init__(self, certificate: Certificate, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        # The handshake is for each connection's own thread.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://{LOOPBACK}:{self.server_address[1]}/delivery-status"
        self.certificate = certificate.file
        self.signing_secret: Callable[[], str | None] = lambda: None
        self.status: int = HTTPStatus.OK
        self.delay = 0.0
        self.failed: Callable[[str], None] = lambda _reason: None
        self.arrivals: SimpleQueue[Arrival] = SimpleQueue()

    def judge(self, path: str, headers: Mapping[str, str], body: bytes, at: float) -> Arrival:
        """Verify a request and choose the answer."""
        secret = self.signing_secret()
        if secret is None:
            return Arrival(path, headers, body, at, UNVERIFIABLE, self.status)
        fault = find_fault(secret, headers, body, time.time())
        return Arrival(path, headers, body, at, fault, HTTPStatus.UNAUTHORIZED if fault else self.status)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a failed handshake; a connection that is reset needs no report, and all else is a mistake of ours."""
        error = sys.exception()
        if isinstance(error, ssl.SSLError):
            self.failed((error.reason or "connection closed").lower().replace("_", " "))
        elif not isinstance(error, OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Let the server serve, in a thread, as long as the context lasts."""
    # A daemon: a second Ctrl-C that interrupts the shutdown ends the process, too.
    thread = threading.Thread(target=server.serve_forever, args=(_LOOK_EVERY,), name=type(server).__name__, daemon=True)
    with server:
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    # An answer is one small packet, which must not wait until the other side has confirmed what came before it.
    disable_nagle_algorithm = True
    server: Receiver

    def do_POST(self) -> None:
        at = time.monotonic()
        length = self.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(length):
            self.send_error(HTTPStatus.LENGTH_REQUIRED, explain="Send a Content-Length below 1,000,000.")
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        arrival = self.server.judge(self.path, headers, body, at)
        time.sleep(self.server.delay)
        self.send_response_only(arrival.status)
        if arrival.status not in _WITHOUT_LENGTH:
            self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.arrivals.put(arrival)

    def log_message(self, *_: Any) -> None:
        """Nothing: whoever takes the arrivals shows them."""
