"""What a customer runs: an HTTPS server that takes notifications, and believes only those that are signed.

Written from the specification, with the standard library alone, and knowing nothing of the service's own signing:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from queue import SimpleQueue
from socketserver import ThreadingTCPServer

from webhook_admin.cli.demo.certificate import Certificate

# As long as a signature may be on its way; an older one may have been recorded by somebody, and played back.
_TOLERANCE = 5 * 60  # seconds
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request, `at` a moment of the monotonic clock; what is wrong with it, if anything; the status in answer."""

    headers: Mapping[str, str]
    body: bytes
    at: float
    fault: str | None
    status: HTTPStatus

    @property
    def id(self) -> str:
        """The same on every attempt: what a receiver knows a notification by that it has had before."""
        return self.headers.get("webhook-id", "")

    @property
    def signature(self) -> str:
        """One or several, as they came."""
        return self.headers.get("webhook-signature", "")


class Receiver(ThreadingTCPServer):
    """Listens on a free port of the address, and puts every request into `arrivals`.

    While it `is_overloaded`, it answers 503.
    """

    # Wait for the connections to end when the server does.
    daemon_threads = False

    def __init__(self, address: str, certificate: Certificate) -> None:
        super().__init__((address, 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        # The handshake is for each connection's own thread.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://{address}:{self.server_address[1]}/delivery-status"
        self.certificate = certificate.file
        self.signing_secret = ""
        self.is_overloaded = False
        self.arrivals: SimpleQueue[Arrival] = SimpleQueue()

    def judge(self, headers: Mapping[str, str], body: bytes, at: float) -> Arrival:
        """What to make of a request."""
        fault = find_fault(self.signing_secret, headers, body, time.time())
        if fault:
            status = HTTPStatus.UNAUTHORIZED
        else:
            status = HTTPStatus.SERVICE_UNAVAILABLE if self.is_overloaded else HTTPStatus.NO_CONTENT
        return Arrival(headers, body, at, fault, status)


def find_fault(signing_secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str | None:
    """Why a notification is not to be believed at the Unix time `now`; None for one that is."""
    timestamp = headers.get("webhook-timestamp", "")
    if not _SECONDS.fullmatch(timestamp) or abs(now - int(timestamp)) > _TOLERANCE:
        return "timestamp is not recent"
    key = base64.b64decode(signing_secret.removeprefix("whsec_"))
    content = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, content, "sha256"))
    signatures = headers.get("webhook-signature", "").encode().split()
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        return "signature does not match"
    return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    # An answer is one small packet, which must not wait until the other side has confirmed what came before it.
    disable_nagle_algorithm = True
    server: Receiver

    def do_POST(self) -> None:
        at = time.monotonic()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        arrival = self.server.judge(headers, body, at)
        self.send_response_only(arrival.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.arrivals.put(arrival)
