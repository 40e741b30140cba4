"""Reads HTTP answers, one after another, and never more of one than is needed."""

import re
from collections.abc import Container
from http import HTTPStatus

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from webhook_admin.sender import hints
from webhook_admin.sender.request import Outcome, Trouble

MAX_KEPT = 2_048  # bytes of a body
MAX_READ = 65_536  # bytes of an answer: a longer header section is an error, a longer body is cut off
_MAX_HEADS = 20  # interim ones (1xx) included
_REFUSED = {*range(100), HTTPStatus.SWITCHING_PROTOCOLS}
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_HOST = re.compile(r"(?:[a-z]+:)?//(?:[^/?#]*@)?([^/?#]+)", re.IGNORECASE)  # what surrounds it may hold secrets
Parts = tuple[int | None, str | None, str | None]  # status, beginning of the body, Retry-After
NOTHING: Parts = None, None, None


class Answer:
    """The answer to one request after another: `feed` it until it is over, then `reset` it. The parser calls `on_…`."""

    is_reusable = False  # whether the connection can carry another request after the answer

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.reset()

    def reset(self) -> None:
        self.received = self._status = self._heads = 0
        self._has_head = self._is_whole = False
        self._fields: dict[bytes, str] = {}
        self._body = b""

    def close(self) -> None:
        del self._parser  # breaks a reference cycle

    @property
    def ends_with_connection(self) -> bool:
        coding = self._fields.get(b"transfer-encoding", "").lower().rpartition(",")[2].strip()
        return self._has_head and coding != "chunked" and b"content-length" not in self._fields  # RFC 9112, 6.3

    @property
    def parts(self) -> Parts:
        if not self._has_head:
            return NOTHING
        text = self._body.decode(errors="replace").replace("\0", "")  # PostgreSQL cannot store NUL
        return self._status, text, self._fields.get(b"retry-after")

    def judge(self, success: Container[int]) -> Trouble | None:
        """What a complete answer means; None if the notification is delivered."""
        if self._status in success:
            return None
        detail = f"The server answered {self._status} {_PHRASES.get(self._status, '')}".rstrip()
        if self._status // 100 != 3:
            hint = hints.SUCCESS if self._status // 100 == 2 else hints.STATUS.get(self._status, hints.LOG)
            return Trouble(Outcome.HTTP_STATUS, f"{detail}.", hint)
        target = _HOST.match(self._fields.get(b"location", ""))
        where = f"the host {target[1][:80]!r}" if target else "another path"  # quoted: without control characters
        return Trouble(Outcome.REDIRECT, f"{detail}, a redirect to {where}.", hints.REDIRECT)

    def feed(self, data: memoryview) -> bool:
        """Read what has come. Returns whether no more of the answer is needed. Raises `Trouble`."""
        if not self.received and data[0] not in b"H\r\n":
            raise bad_answer(data, "The answer is not HTTP.")  # llhttp would take RTSP, too
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.is_reusable = False
            if not self._is_whole:  # what follows an answer only spoils the connection
                raise error.__context__ or bad_answer(data, f"The answer is not valid HTTP/1.1: {error}.") from None
        is_long = self.received >= MAX_READ
        if is_long and not self._has_head:
            raise Trouble(Outcome.PROTOCOL, "The answer's header section is longer than 64 KiB.", hints.LOG)
        self.is_reusable &= not is_long
        return self._is_whole or is_long

    def on_message_begin(self) -> None:
        self.is_reusable = False  # nothing may follow an answer

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:
            self._fields[name.lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        if self._has_head:
            return
        self._status, version = self._parser.get_status_code(), self._parser.get_http_version()
        self._heads += 1
        if version not in {"1.1", "1.0"} or self._status in _REFUSED or self._heads > _MAX_HEADS:
            detail = f"The server answered HTTP/{version} with status {self._status:03}, and not with a final answer."
            raise Trouble(Outcome.PROTOCOL, detail, hints.HTTPS)
        self._has_head = self._status >= HTTPStatus.OK
        if not self._has_head:
            self._fields = {}

    def on_body(self, data: bytes) -> None:
        if len(self._body) < MAX_KEPT and not self._is_whole:
            self._body += data[: MAX_KEPT - len(self._body)]

    def on_message_complete(self) -> None:
        if self._has_head and not self._is_whole:
            self._is_whole, self.is_reusable = True, self._parser.should_keep_alive()


def bad_answer(data: memoryview, detail: str) -> Trouble:
    """Why data is no answer. A server of HTTP/2 begins with a SETTINGS frame: type 4 in byte 3 (RFC 9113, 3.4)."""
    is_http_2 = bytes(data[:1]) == b"\0" and bytes(data[3:4]) == b"\4"
    return Trouble(Outcome.PROTOCOL, "The server speaks HTTP/2 only." if is_http_2 else detail, hints.HTTPS)
