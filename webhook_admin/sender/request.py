"""A request to a receiver, and what comes of it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What came of an attempt."""

    DELIVERED = "delivered"
    """The receiver answered that it has the notification."""
    HTTP_STATUS = "http_status"
    """The receiver answered with a status that is no success."""
    TIMEOUT = "timeout"
    """No connection, or no complete answer, came in time."""
    DNS = "dns"
    """The host name could not be resolved."""
    CONNECT = "connect"
    """No connection came about, or it was closed before the request was sent."""
    TLS = "tls"
    """The connection could not be secured: the certificate is not valid, or what answers speaks no TLS."""
    REDIRECT = "redirect"
    """The receiver pointed to another URL; it is not followed."""
    BLOCKED_ADDRESS = "blocked_address"
    """The callback URL leads to an address that notifications are not sent to."""
    PROTOCOL = "protocol"
    """The connection broke before a complete answer, or the answer was no proper HTTP."""
    UNKNOWN = "unknown"
    """The sender stopped before it saw an answer; the notification may have arrived."""


@dataclass(frozen=True, slots=True)
class Request:
    """One POST of an account's.

    `headers` are sent as they are, beside Host and Content-Length. Raises `ValueError` for text that no header holds.
    Requests of two accounts never share a connection. `success` holds the statuses that mean delivered.
    """

    url: str
    body: bytes
    headers: Mapping[str, str]
    account_id: str
    success: Container[int] = range(200, 300)

    def __post_init__(self) -> None:
        text = "".join([*self.headers, *self.headers.values()])
        if not text.isascii() or not text.isprintable():
            raise ValueError("A header holds printable ASCII only.")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request. Without an answer, status and texts are None.

    `response` is the beginning of the body as text, `retry_after` the header as it was sent. `detail` says in one
    sentence what went wrong, `hint` what to do about it; both are None for what was delivered.
    """

    outcome: Outcome
    status_code: int | None = None
    response: str | None = None
    retry_after: str | None = None
    duration_ms: int = 0
    detail: str | None = None
    hint: str | None = None


BLOCKED = Result(
    Outcome.BLOCKED_ADDRESS,
    detail="The callback URL leads to an address that notifications are not sent to.",
    hint="Use a host whose addresses are all public.",
)
"""One constant for all: nothing about the address is told, not even by the time it took."""
