"""Why an attempt ended as it did: the outcome, the fact in one sentence, and what a person can do about it."""

import errno
import os
from collections.abc import Container
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from webhook_admin.sender.request import BLOCKED, Outcome


class Verdict(NamedTuple):
    """Outcome, detail and hint of a `Result`."""

    outcome: Outcome
    detail: str | None = None
    hint: str | None = None


class Failed(Exception):
    """No connection for the request; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


DELIVERED = Verdict(Outcome.DELIVERED)
BLOCKED_ADDRESS = Verdict(BLOCKED.outcome, BLOCKED.detail, BLOCKED.hint)
UNKNOWN = Verdict(
    Outcome.UNKNOWN,
    "The sender stopped before it saw an answer; the notification may have arrived.",
    "Nothing needs to be done: the delivery is attempted again.",
)

_BROKEN = "Look for crashes and time-outs in the log of the server, and of the proxies in front of it."
_SLOW = "Answer as soon as the notification is stored, and process it afterwards."
_UNREACHABLE = "Check that the server is running, and that its firewall lets connections from this service in."
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_HINTS = {
    401: "Let the callback URL accept requests without a login; verify the signature instead.",
    403: "Let the server accept these requests: a firewall, a bot filter or an access rule refuses them.",
    404: "Check the path of the callback URL.",
    405: "Let the callback URL accept POST.",
    410: "The server says that this URL is gone for good: register the new one.",
    413: "Raise the server's limit for the size of a request body.",
    429: "The server limits the rate of requests: raise its limit for this service.",
}
_CLASS_HINTS = {
    2: "The payload format of this webhook does not count this status as success: answer 200.",
    4: "Look into the server's log for why it refused the request.",
    5: "Look into the server's log: it failed while it processed the request.",
}


def printable(text: str, limit: int = 80) -> str:
    """The beginning of a text from outside, with its control characters replaced."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text[:limit])


def peer(address: str, port: int) -> str:
    """An address and a port, for a person."""
    return f"{address}, port {port}"


def of_answer(status: int, success: Container[int], location: str | None) -> Verdict:
    """What a complete answer means."""
    if status in success:
        return DELIVERED
    words = f"The server answered {status} {_PHRASES.get(status, '')}".rstrip()
    if status // 100 == 3:
        hint = "Redirects are not followed: register the URL that the redirect leads to."
        return Verdict(Outcome.REDIRECT, f"{words}, a redirect{_target(location)}.", hint)
    hint = _STATUS_HINTS.get(status) or _CLASS_HINTS.get(status // 100, "Answer with a status from 200 to 299.")
    return Verdict(Outcome.HTTP_STATUS, f"{words}.", hint)


def _target(location: str | None) -> str:
    """The host that a redirect leads to. Path and query can hold secrets."""
    if not location:
        return " that names no URL"
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    return f" to {printable(host)}" if host else " to another path"


def of_bad_answer(problem: str, data: bytes) -> Verdict:
    """What came is no answer; `data` is the read in which it was found out."""
    # A frame of HTTP/2: three bytes of length, then its type. A server begins with SETTINGS, type 4 (RFC 9113, 3.4).
    if data[:1] == b"\0" and data[3:4] == b"\x04":
        return HTTP_2_ONLY
    return Verdict(
        Outcome.PROTOCOL, problem, "Let a web server answer the request; compare with `curl -i -d '{}' URL`."
    )


HTTP_2_ONLY = Verdict(
    Outcome.PROTOCOL, "The server speaks HTTP/2 only.", "Let the server accept HTTP/1.1, too (ALPN http/1.1)."
)
UNASKED = "The server sent data before it got a request."


def of_loss(error: Exception | None, received: int, *, has_head: bool) -> Verdict:
    """The connection ended before the answer did."""
    how = "closed the connection" if error is None else "broke the connection off"
    if isinstance(error, ConnectionResetError):
        how = "reset the connection"
    if has_head:
        when = "before the end of the answer's body"
    else:
        when = "within the answer's header section" if received else "without an answer"
    return Verdict(Outcome.PROTOCOL, f"The server {how} {when}.", _BROKEN)


LOST = Verdict(Outcome.CONNECT, "The server closed the connection before the request was sent.", _BROKEN)


def of_late_answer(limit: float, connected_after: float | None, received: int) -> Verdict:
    """No complete answer in time; times in seconds, `connected_after` is None for a connection from before."""
    what = (
        f"No complete answer within {limit:g} s: {received} bytes came" if received else f"No answer within {limit:g} s"
    )
    if connected_after is None:
        return Verdict(Outcome.TIMEOUT, f"{what}; the connection was already open.", _SLOW)
    return Verdict(Outcome.TIMEOUT, f"{what}; connected after {connected_after:.1f} s.", _SLOW)


def of_late_send(limit: float, connected_after: float | None) -> Verdict:
    """The request was not written in time."""
    detail = f"Not sent within {limit:g} s; connected after {connected_after or 0:.1f} s."
    return Verdict(Outcome.TIMEOUT, detail, "The dispatcher is too busy: start another one.")


def of_no_room(limit: float) -> Verdict:
    """All connections were in use."""
    detail = f"No connection became free within {limit:g} s: all that this dispatcher may open were in use."
    return Verdict(Outcome.TIMEOUT, detail, "Start another dispatcher.")


def of_slow_handshake(where: str, limit: float) -> Verdict:
    """No TLS in time."""
    return Verdict(Outcome.TIMEOUT, f"Connected to {where}, but no TLS handshake within {limit:g} s.", _UNREACHABLE)


def of_slow_look_up(host: str, limit: float) -> Verdict:
    """No answer from the name servers in time."""
    hint = "Check the host's name servers: they, or those that this service asks, are down or slow."
    return Verdict(Outcome.DNS, f"No answer from the name servers for {host} within {limit:g} s.", hint)


def of_slow_connect(where: str, limit: float) -> Verdict:
    """No TCP connection in time."""
    return Verdict(Outcome.TIMEOUT, f"No connection to {where} within {limit:g} s.", _UNREACHABLE)


def of_connect(error: OSError, where: str) -> Verdict:
    """No TCP connection came about."""
    match error.errno:
        case errno.ECONNREFUSED:
            hint = "Check the port, that the server is running, and that its firewall lets this service in."
            return Verdict(Outcome.CONNECT, f"Connection refused by {where}.", hint)
        case errno.EMFILE | errno.ENFILE:
            detail = f"Too many open files: no socket could be opened to connect to {where}."
            return Verdict(Outcome.CONNECT, detail, "Raise the dispatcher's limit of open files (ulimit -n).")
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT if ":" in where:
            detail = f"The dispatcher's machine has no IPv6, and so no way to {where}."
            return Verdict(Outcome.CONNECT, detail, "Give the host name an IPv4 address, too.")
    reason = os.strerror(error.errno) if error.errno else "Connection failed"
    return Verdict(Outcome.CONNECT, f"{reason}: {where}.", _UNREACHABLE)
