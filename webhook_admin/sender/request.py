"""A request to a receiver, and what comes of it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    DELIVERED = "delivered"  # the receiver answered that it has the notification
    HTTP_STATUS = "http_status"  # the receiver answered with a status that is no success
    TIMEOUT = "timeout"  # no connection, or no complete answer, came in time
    DNS = "dns"  # the host name could not be resolved
    CONNECT = "connect"  # no connection came about, or it was closed before the request was sent
    TLS = "tls"  # the connection could not be secured: the certificate is not valid, or the port speaks no TLS
    REDIRECT = "redirect"  # the receiver pointed to another URL; it is not followed
    BLOCKED_ADDRESS = "blocked_address"  # the callback URL leads to an address that notifications are not sent to
    PROTOCOL = "protocol"  # the connection broke before a complete answer, or the answer was no proper HTTP
    UNKNOWN = "unknown"  # the sender stopped before it saw an answer; the notification may have arrived


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. `headers` go out beside Host and Content-Length; what does not fit into a header is a `ValueError`.

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
    """What came of one request. `detail` is a sentence about what went wrong, `hint` about what to do."""

    outcome: Outcome
    status_code: int | None = None
    response: str | None = None  # the beginning of the body
    retry_after: str | None = None  # as it was sent
    duration_ms: int = 0
    detail: str | None = None
    hint: str | None = None


# One constant for all: nothing about the address is told, not even by the time it took.
BLOCKED = Outcome.BLOCKED_ADDRESS, "The URL leads to an address that is not allowed.", "Use a host on the internet."


class Trouble(Exception):
    """Why an attempt failed: outcome, detail and hint are its `args`."""
