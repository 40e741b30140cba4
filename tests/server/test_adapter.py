"""The adapter calls a WSGI application as any other WSGI server does, and sends what it returns."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.server.wire import exchange, request
from tests.waiting import wait_until

CHECKOUT = Path(__file__).parents[2]
CHUNKED = "Transfer-Encoding: chunked"
SERVERS = {
    "adapter": "-m tests.server.serve_echo",
    "gunicorn": "-m gunicorn --threads 2 --log-level critical tests.server.echo:application --bind",
}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """Ports of the same application behind the adapter, and behind gunicorn."""
    ports: dict[str, int] = {}
    with ExitStack() as stack:
        for name, command in SERVERS.items():
            with socket.create_server(("127.0.0.1", 0)) as probe:
                ports[name] = probe.getsockname()[1]
            address = f"127.0.0.1:{ports[name]}" if name == "gunicorn" else str(ports[name])
            arguments = [sys.executable, *command.split(), address]
            popen = stack.enter_context(subprocess.Popen(arguments, cwd=CHECKOUT, stderr=subprocess.DEVNULL))
            stack.callback(popen.terminate)
        for port in ports.values():
            wait_until(partial(listens, port), 20)
        yield ports


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request("GET / HTTP/1.1"), id="GET"),
        pytest.param(request("GET /a%20b%2Fc/%C3%A9?q=%C3%A9&q HTTP/1.1"), id="escapes"),
        pytest.param(request("GET / HTTP/1.0", host=None), id="HTTP/1.0 without Host"),
        pytest.param(request("OPTIONS * HTTP/1.1"), id="asterisk"),
        pytest.param(request("BREW /pot HTTP/1.1"), id="another method"),
        pytest.param(request("GET / HTTP/1.1", "X-A: 1", "X-B: 2", "X-A: 3"), id="header twice"),
        pytest.param(request("GET / HTTP/1.1", "X_API_Key: 1", "X-API-Key: 2"), id="name with _"),
        pytest.param(request("GET / HTTP/1.1", "X-Empty:", "X-Padded:   a b  "), id="header empty, and padded"),
        pytest.param(request("POST / HTTP/1.1", "Content-Length: 3", body=b"abc"), id="body"),
        pytest.param(request("POST / HTTP/1.1", "Content-Length: 0", "Content-Type: text/x"), id="empty body"),
        pytest.param(request("GET / HTTP/1.1", "Content-Length: 3", body=b"abc"), id="body of a GET"),
        pytest.param(request("POST / HTTP/1.1", "Content-Length: 70000", body=b"x" * 70_000), id="large body"),
        pytest.param(request("POST /events HTTP/1.1", CHUNKED, body=b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), id="chunks"),
        pytest.param(request("POST / HTTP/1.1", CHUNKED, body=b"0\r\n\r\n"), id="no chunk"),
        pytest.param(
            request("POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 3", body=b"abc"), id="100-continue"
        ),
        pytest.param(request("GET /generator HTTP/1.1"), id="generator"),
        pytest.param(request("GET /write HTTP/1.1"), id="write()"),
        pytest.param(request("GET /cookies HTTP/1.1"), id="header of the answer twice"),
        pytest.param(request("GET /nothing HTTP/1.1"), id="204"),
        pytest.param(request("GET /head HTTP/1.1"), id="GET of a HEAD"),
        pytest.param(request("HEAD /head HTTP/1.1"), id="HEAD"),
        pytest.param(request("GET /file HTTP/1.1"), id="file"),
    ],
)
def test_it_does_what_any_wsgi_server_does(ports: dict[str, int], sent: bytes) -> None:
    """The application sees the same request, and the client the same answer, as with gunicorn."""
    assert exchange(ports["adapter"], sent) == exchange(ports["gunicorn"], sent)


@pytest.mark.parametrize("path", ["/fail", "/fail-late"])
def test_a_failure_is_500(ports: dict[str, int], path: str) -> None:
    """An application that raises is answered for with 500, as with gunicorn, and the server goes on."""
    statuses = {name: exchange(port, request(f"GET {path} HTTP/1.1")).status for name, port in ports.items()}
    assert statuses["adapter"] == 500
    # gunicorn has sent the head before an iterable fails.
    assert path == "/fail-late" or statuses["gunicorn"] == 500
    assert exchange(ports["adapter"], request("GET / HTTP/1.1")).status == 200


def test_what_the_application_returns_is_closed(ports: dict[str, int]) -> None:
    """An iterable is closed, even one that fails."""

    def closed() -> int:
        return int(exchange(ports["adapter"], request("GET /closed HTTP/1.1")).body)

    before = closed()
    exchange(ports["adapter"], request("GET /fail-late HTTP/1.1"))
    assert closed() == before + 1


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request("POST / HTTP/1.1", "Content-Length: 10", body=b"abc"), id="shorter than announced"),
        pytest.param(request("POST / HTTP/1.1", CHUNKED, body=b"3\r\nabc\r\n"), id="no last chunk"),
        pytest.param(request("POST / HTTP/1.1", CHUNKED, body=b"3\r\nabc\r\n9\r\nab"), id="broken-off chunk"),
        pytest.param(request("POST / HTTP/1.1", CHUNKED, body=b"3\r\nabc\r\nzz\r\n"), id="no chunk size"),
    ],
)
def test_a_body_that_breaks_off_is_not_taken_for_a_complete_one(ports: dict[str, int], sent: bytes) -> None:
    """The application sees none of it."""
    assert json.loads(exchange(ports["adapter"], sent, then_close=True).body)["body"] == ""


def test_a_body_with_trailer_fields_is_not_taken_either(ports: dict[str, int]) -> None:
    """RSGI does not tell trailer fields from a body that breaks off."""
    sent = request("POST / HTTP/1.1", CHUNKED, body=b"3\r\nabc\r\n0\r\nX: 1\r\n\r\n")
    assert json.loads(exchange(ports["adapter"], sent).body)["body"] == ""


def test_an_answer_can_be_replaced_before_it_is_sent(ports: dict[str, int]) -> None:
    """`start_response` with `exc_info` drops the answer that the application had begun (gunicorn mixes both)."""
    answer = exchange(ports["adapter"], request("GET /twice HTTP/1.1"))
    assert answer == (418, [("content-type", "text/plain")], b"another answer")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request("POST / HTTP/1.1", "Content-Length: 3", "Content-Length: 4", body=b"abcd"), id="lengths"),
        pytest.param(request("GET  HTTP/1.1"), id="no target"),
        pytest.param(request("POST / HTTP/1.1", "Content-Length: -1"), id="negative length"),
        pytest.param(request("POST / HTTP/1.1", "Content-Length: +1", body=b"a"), id="signed length"),
        pytest.param(request("GET / HTTP/1.1", "X A: 1"), id="space in a name"),
    ],
)
def test_what_is_not_http_is_refused(ports: dict[str, int], sent: bytes) -> None:
    """A request that can be read in more than one way is 400, and never reaches the application."""
    assert exchange(ports["adapter"], sent) == (400, [], b"")


@pytest.mark.parametrize("value", [b"\xc3\xa9", b"\xe9", b"a\x80"])
def test_a_header_that_is_not_ascii_is_there(ports: dict[str, int], value: bytes) -> None:
    """Of a value that RSGI cannot express, the application sees at least that the header was sent."""
    sent = request("GET / HTTP/1.1", "X-A: ?").replace(b"?", value)
    assert json.loads(exchange(ports["adapter"], sent).body)["environ"]["HTTP_X_A"] == ""
