"""Reads HTTP answers, one after another, with llhttp; never more of one than it needs."""

from http import HTTPStatus

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_KEPT = 2_048
"""Bytes of a body that are kept."""

MAX_READ = 65_536
"""Bytes of an answer that are read: a longer header section is an error, a longer body is cut off."""

_MAX_INTERIM = 20


class BadAnswer(Exception):
    """What came is no HTTP answer; the text says in one sentence why."""


class Answer:
    """The answer to one request after another: `reset` before each, then `feed` until `is_over`.

    `is_whole`: it came to its end. `has_head`: its status and headers are known. `is_reusable`: the connection can
    carry another request afterwards.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.reset()

    def reset(self) -> None:
        """Get ready for the next answer."""
        self.has_head = self.is_whole = self.is_reusable = False
        self.status = self.received = self._interim = 0
        self.location: str | None = None
        self.retry_after: str | None = None
        self._body = b""
        self._has_end = False

    def close(self) -> None:
        """Break the reference cycle with the parser."""
        del self._parser

    @property
    def is_over(self) -> bool:
        """Whether no more of it is needed."""
        return self.is_whole or (self.has_head and self.received >= MAX_READ)

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is the end of the body (RFC 9112, 6.3)."""
        return self.has_head and not self._has_end

    @property
    def text(self) -> str:
        """The beginning of the body, without NUL, which PostgreSQL cannot store."""
        return self._body.decode(errors="replace").replace("\0", "")

    def feed(self, data: memoryview) -> None:
        """Read what has come. Raises `BadAnswer`."""
        if not self.received and data[0] not in b"H\r\n":
            raise BadAnswer("The answer does not begin with HTTP/.")  # llhttp reads RTSP, too
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except (HttpParserError, HttpParserUpgrade) as error:
            # What follows an answer can spoil the connection, and not the answer.
            self.is_reusable = False
            if not self.is_whole:
                raise BadAnswer(f"The answer is not valid HTTP/1.1: {error}.") from error
        if self.received >= MAX_READ:
            self.is_reusable = False
            if not self.has_head:
                raise BadAnswer(f"The header section of the answer is longer than {MAX_READ // 1024} KiB.")

    def on_message_begin(self) -> None:
        """Called by the parser, as the methods below."""
        if self.is_whole:
            self.is_reusable = False
        else:
            # Nothing of an interim answer counts for the final one.
            self.location = self.retry_after = None
            self._has_end = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.has_head:
            return  # a trailer, or another answer
        name = name.lower()
        if name == b"content-length":
            self._has_end = True
        elif name == b"transfer-encoding":
            self._has_end = value.lower().rpartition(b",")[2].strip() == b"chunked"
        elif name == b"retry-after":
            self.retry_after = value.decode("latin-1").strip()
        elif name == b"location":
            self.location = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        if self.has_head:
            return
        status, version = self._parser.get_status_code(), self._parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            raise BadAnswer(f"The server answered with HTTP version {version}.")
        if status < HTTPStatus.CONTINUE or status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise BadAnswer(f"The server answered with the status {status:03}, which answers no POST.")
        if status >= HTTPStatus.OK:
            self.has_head, self.status = True, status
            return
        self._interim += 1
        if self._interim > _MAX_INTERIM:
            raise BadAnswer(f"The server sent more than {_MAX_INTERIM} interim answers (status 1xx).")

    def on_body(self, data: bytes) -> None:
        missing = MAX_KEPT - len(self._body)
        if missing and not self.is_whole:
            self._body += data[:missing]

    def on_message_complete(self) -> None:
        if self.has_head and not self.is_whole:
            self.is_whole = True
            self.is_reusable = self._parser.should_keep_alive()
