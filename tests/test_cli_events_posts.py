"""How `events send` calls the API: patiently, and careful with what only looks like it."""

import threading
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from webhook_admin.cli.events import events
from webhook_admin.cli.events.lines import batches
from webhook_admin.cli.events.posts import PAUSES, Client, Sending

Answer = tuple[int, dict[str, str], str]
"""A status, headers and a body; None stands for a connection that is closed instead."""


class Scripted(ThreadingHTTPServer):
    """An HTTP server that gives the answers that it is told, one after the other; it keeps the calls."""

    daemon_threads = True

    def __init__(self, *answers: Answer | None) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answers, self.bodies, self.headers = list(answers), list[bytes](), list[Message]()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Scripted

    def do_POST(self) -> None:
        self.server.headers.append(self.headers)
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.answers.pop(0)
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Starts a server with these answers."""
    servers: list[Scripted] = []

    def start(*answers: Answer | None) -> Scripted:
        servers.append(Scripted(*answers))
        threading.Thread(target=servers[-1].serve_forever, args=[0.01], daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


JSON = {"Content-Type": "application/json"}
ACCEPTED = (202, JSON, '{"accepted": 1, "duplicates": 0, "unrouted": 0}')
BUSY = (503, {"Retry-After": "30"}, "")


def test_a_service_that_is_away_is_waited_for(scripted: Callable[..., Scripted]) -> None:
    """503 and a lost connection are tried again with the same bytes, after no less than Retry-After."""
    server, pauses = scripted(BUSY, None, (502, {}, ""), (503, {"Retry-After": "9" * 9}, ""), ACCEPTED), list[float]()
    assert Client(server.url, "key", pauses.append).post([b"{}"]).status_code == 202
    assert pauses == [30, PAUSES[1], PAUSES[2], 60]
    assert server.bodies == [b'{"events":[{}]}'] * 5


@pytest.mark.parametrize(("answer", "sentence"), [(BUSY, "answered 503"), (None, "cannot be reached")])
def test_a_service_that_stays_away_is_one_sentence(
    scripted: Callable[..., Scripted], answer: Answer | None, sentence: str
) -> None:
    """After some tries it is given up, in a sentence."""
    server = scripted(*[answer] * 10)
    with pytest.raises(click.ClickException, match=sentence):
        Client(server.url, "key", lambda _: None).post([b"{}"])
    assert len(server.bodies) == len(PAUSES) + 1


def test_a_redirect_is_not_followed(scripted: Callable[..., Scripted]) -> None:
    """The key goes to no other host."""
    other = scripted(ACCEPTED)
    server = scripted((307, {"Location": f"{other.url}/events"}, ""))
    with pytest.raises(click.ClickException, match="answered 307"):
        Client(server.url, "key").post([b"{}"])
    assert other.bodies == []


def test_a_netrc_is_not_used(
    scripted: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A password that .netrc has for the host is not sent; the key is."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = scripted(ACCEPTED)
    Client(server.url, "key").post([b"{}"])
    assert (server.headers[0]["X-API-Key"], server.headers[0]["Authorization"]) == ("key", None)


@pytest.mark.parametrize("answer", [(202, {}, "Welcome"), (400, {}, "<html>"), (404, JSON, "{}"), (500, {}, "")])
def test_what_is_not_the_api_is_one_sentence(scripted: Callable[..., Scripted], answer: Answer) -> None:
    """What only looks like an answer of the API is not taken for one."""
    with pytest.raises(click.ClickException, match=f"answered {answer[0]}"):
        Client(scripted(answer).url, "key").post([b"{}"])


def test_a_proxy_with_a_lower_limit(scripted: Callable[..., Scripted]) -> None:
    """Where a call is too large for something on the way, smaller ones are made."""
    too_large = (413, {"Content-Type": "text/html"}, "<html>")
    server = scripted(too_large, ACCEPTED, too_large, ACCEPTED, too_large)
    refused = list[int]()
    sending = Sending(Client(server.url, "key"), lambda line, _: refused.append(line))
    sending.send(next(batches(BytesIO(b'"one"\n"two"\n"three"\n'))))
    assert server.bodies[1:] == [b'{"events":["one"]}', b'{"events":["two","three"]}', b'{"events":["two"]}',
                                 b'{"events":["three"]}']  # fmt: skip
    assert (sending.summary.accepted, refused) == (2, [3])


@pytest.mark.parametrize("url", ["ftp://localhost", "localhost", "http://", "http://a b", "http://[::1"])
def test_what_is_no_url_is_one_sentence(tmp_path: Path, url: str) -> None:
    """Exit status 1 and a sentence that names it."""
    (tmp_path / "file").write_text("{}")
    result = CliRunner().invoke(events, ["send", str(tmp_path / "file"), "--key", "x", "--url", url])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == f"Error: {url.rstrip('/')}/events is not a URL that can be called."
