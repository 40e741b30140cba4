"""One HTTP request after another on one libcurl handle, and what came of each."""

import io
import itertools
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pycurl

from webhook_admin.callback_urls import CallbackUrl, Network, may_connect
from webhook_admin.sender.connection import Traffic, borrow, is_quiet, local_port, traffic
from webhook_admin.sender.request import BLOCKED, Outcome, Request, Result

MAX_KEPT = 2_048
"""Bytes of a response that are kept."""

MAX_READ = 65_536
"""Bytes of a response that are read; who sends more has answered, and the connection is closed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for every transfer. Times are in seconds: to connect, for a whole request, for a kept connection."""

    connect: float
    request: float
    keep: int
    allowed: Sequence[Network]
    ca_file: Path


_names = itertools.count(1)


class Transfer:
    """A handle for one origin with a connection of its own, which is kept from one request to the next.

    `prepare` it, let it run, take the `result`; then, if it `is_kept`, prepare it again, else `close` it.
    """

    def __init__(self, url: CallbackUrl, addresses: Sequence[str], limits: Limits) -> None:
        self.curl = pycurl.Curl()
        self._share = _own_connections()
        self.curl.setopt(pycurl.SHARE, self._share)
        self._limits = limits
        self.is_kept = True
        self._opened: list[int] = []
        self._opened_at = 0.0
        self._socket: socket.socket | None = None
        for option, value in [*_FIXED, *self._callbacks(), *self._connection(url, addresses)]:
            self.curl.setopt(option, value)

    def prepare(self, request: Request, target: str, elapsed: float) -> None:
        """Set the handle up for a request that began `elapsed` seconds ago."""
        self._success = request.success
        self._body = io.BytesIO(request.body)
        self._received = bytearray()
        self._length = 0
        self._retry_after: str | None = None
        self._has_whole_head = False
        self._is_refused = False
        self._before: Traffic | None = None
        set_option = self.curl.setopt
        # Beside the URL, because libcurl writes %7e in a URL as %7E.
        set_option(pycurl.REQUEST_TARGET, target)
        set_option(pycurl.HTTPHEADER, _lines(request.headers))
        set_option(pycurl.POSTFIELDSIZE, len(request.body))
        set_option(pycurl.CONNECTTIMEOUT_MS, _milliseconds(self._limits.connect - elapsed))
        set_option(pycurl.TIMEOUT_MS, _milliseconds(self._limits.request - elapsed))

    def result(self, error: int, duration_ms: int) -> Result:
        """What came of it; `error` is libcurl's code, or 0."""
        if self._is_refused:
            self.is_kept = False
            return BLOCKED
        if self._opened:
            self._find_connection(self.curl.getinfo(pycurl.LOCAL_PORT))
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        outcome = self._outcome(error, status)
        # After an error libcurl may not be done with the handle.
        self.is_kept &= not error and self._has_whole_head and self._socket is not None
        if not self._has_whole_head or status < HTTPStatus.OK:
            return Result(outcome, duration_ms=duration_ms)
        response = self._received.decode(errors="replace").replace("\0", "")
        return Result(outcome, status, response, self._retry_after, duration_ms)

    def is_reusable(self) -> bool:
        """Whether the kept connection is still good: young enough, not closed by the other side, and nothing on it.

        libcurl looks too, but only once a second.
        """
        is_young = time.monotonic() < self._opened_at + self._limits.keep
        return is_young and self._socket is not None and is_quiet(self._socket)

    def close(self) -> None:
        """Give the handle back to libcurl, and close its connection."""
        self._let_go()
        self.curl.close()
        self._share.close()

    def _find_connection(self, port: int) -> None:
        """Of the sockets that have been opened meanwhile, the one that is in use has this port on this machine."""
        self._let_go()
        for descriptor in self._opened:
            candidate = borrow(descriptor)
            if candidate and not self._socket and local_port(candidate) == port:
                self._socket = candidate
            elif candidate:
                candidate.detach()
        self._opened.clear()

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    def _callbacks(self) -> list[tuple[int, Any]]:
        return [
            (pycurl.OPENSOCKETFUNCTION, self._open_socket),
            # Read by callback and without a way back, so that libcurl cannot send a request a second time when a kept
            # connection dies under it: that request would be on no record.
            (pycurl.READFUNCTION, self._read),
            (pycurl.WRITEFUNCTION, self._write),
            (pycurl.HEADERFUNCTION, self._header),
        ]

    def _connection(self, url: CallbackUrl, addresses: Sequence[str]) -> list[tuple[int, Any]]:
        # libcurl keeps connections by the name that it connects to, so each transfer has a name of its own, which
        # nobody ever looks up (RFC 6761, 6.4). Host, SNI and certificate are those of the URL.
        name = f"{next(_names)}.invalid"
        return [
            (pycurl.URL, url.origin),
            (pycurl.CONNECT_TO, [f"::{name}:"]),
            (pycurl.RESOLVE, [f"+{name}:{url.port}:{','.join(addresses)}"]),
            (pycurl.DNS_CACHE_TIMEOUT, 2 * self._limits.keep + 60),
            (pycurl.MAXAGE_CONN, self._limits.keep),
            (pycurl.CAINFO, str(self._limits.ca_file)),
        ]

    def _outcome(self, error: int, status: int) -> Outcome:
        # A broken answer carries a status too, so the error is judged first.
        if error and not (error == pycurl.E_WRITE_ERROR and self._length > MAX_READ):
            return _OUTCOMES.get(error, Outcome.PROTOCOL)
        # libcurl takes a header section that breaks off for a whole one, and a 103 without more for an answer.
        if not self._has_whole_head or status < HTTPStatus.OK:
            return Outcome.PROTOCOL
        if status in self._success:
            return Outcome.DELIVERED
        return Outcome.REDIRECT if status // 100 == 3 else Outcome.HTTP_STATUS

    def _open_socket(self, _purpose: int, address: Any) -> int:
        if not may_connect(address.addr[0], self._limits.allowed):
            self._is_refused = True
            return _NO_SOCKET
        try:
            descriptor = socket.socket(address.family, address.socktype, address.protocol).detach()
        except OSError:
            # Too many open files, or a machine without IPv6.
            return _NO_SOCKET
        self._opened.append(descriptor)
        self._opened_at = time.monotonic()
        return descriptor

    def _read(self, size: int) -> bytes:
        # As late as can be: from here libcurl sends without asking anybody.
        if self._socket is not None and not self._before:
            self._before = traffic(self._socket)
        return self._body.read(size)

    def _write(self, data: bytes) -> int | None:
        self._length += len(data)
        if len(self._received) < MAX_KEPT:
            self._received += data[: MAX_KEPT - len(self._received)]
        return 0 if self._length > MAX_READ else None

    def _header(self, line: bytes) -> int | None:
        if line.startswith(b"HTTP/"):
            self._has_whole_head = False
            return 0 if self._is_left_over() else None
        if line in {b"\r\n", b"\n"}:
            self._has_whole_head = True
        elif line[:12].lower() == b"retry-after:":
            self._retry_after = line[12:].decode("latin-1").strip()
        return None

    def _is_left_over(self) -> bool:
        """Whether what comes on a kept connection cannot be the answer to the request that was sent last.

        An answer brings bytes that were not here before the request, and it brings word that the request has arrived.
        libcurl asks neither: it takes what OpenSSL has read ahead, or what crossed the request on its way.
        """
        before, self._before = self._before, None
        if before is None or self._socket is None or self._opened:
            return False
        now = traffic(self._socket)
        return now is not None and (now.received == before.received or now.acknowledged == before.acknowledged)


_NO_SOCKET: int = pycurl.SOCKET_BAD

_FIXED = (
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTPS),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.POST, 1),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.NOSIGNAL, 1),
    # The smallest that libcurl has; its own 64 KiB stay with every connection.
    (pycurl.UPLOAD_BUFFERSIZE, 16_384),
    # What the environment or a home folder says about proxies and passwords is not meant for receivers.
    (pycurl.PROXY, ""),
    (pycurl.NOPROXY, "*"),
    (pycurl.NETRC, pycurl.NETRC_IGNORED),
)

_OUTCOMES = {
    pycurl.E_OPERATION_TIMEDOUT: Outcome.TIMEOUT,
    pycurl.E_COULDNT_RESOLVE_HOST: Outcome.DNS,
    pycurl.E_COULDNT_CONNECT: Outcome.CONNECT,
    pycurl.E_SSL_CONNECT_ERROR: Outcome.TLS,
    pycurl.E_SSL_CIPHER: Outcome.TLS,
    pycurl.E_SSL_INVALIDCERTSTATUS: Outcome.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Outcome.TLS,
}


def _own_connections() -> pycurl.CurlShare:
    """A cache of connections and addresses for one handle, which is emptied when it is closed: no other one is."""
    share = pycurl.CurlShare()
    share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_CONNECT)
    share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
    return share


def _lines(headers: Mapping[str, str]) -> list[str]:
    """The headers as libcurl takes them; those that it would add are switched off."""
    return [*[f"{name}: {value}" for name, value in headers.items()], "Accept:", "Expect:"]


def _milliseconds(seconds: float) -> int:
    # 0 would mean no limit at all.
    return max(1, round(seconds * 1_000))
