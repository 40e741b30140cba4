"""HTTP/1.1 as bytes on a connection, for what no HTTP client sends."""

import socket
from http.client import HTTPResponse
from typing import NamedTuple


class Answer(NamedTuple):
    """What came back; of the headers, those that are not the server's own."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def exchange(port: int, request: bytes, *, then_close: bool = False) -> Answer:
    """Send the bytes on a connection of their own, close our side if so asked, and read one answer."""
    method = request.split(b" ", 1)[0].decode()
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(request)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
        response = HTTPResponse(connection, method=method)
        response.begin()
        body = response.read()
    own = {"server", "date", "connection", "transfer-encoding", "content-length", "via"}
    headers = [(name.lower(), value) for name, value in response.getheaders() if name.lower() not in own]
    return Answer(response.status, sorted(headers), body)


def request(line: str, *headers: str, body: bytes = b"", host: str | None = "localhost") -> bytes:
    """The bytes of a request."""
    lines = [line, *([f"Host: {host}"] if host else []), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
