"""What every request has: limits, a correlation id, a line in the log, few round trips; also in real processes."""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUnixStreamServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import URL, func, select

from tests.api import URL_1, URL_2, WEBHOOK, Api
from tests.processes import Process
from tests.waiting import wait_until
from webhook_admin.db import Database
from webhook_admin.models import api_keys

LIMIT = 64 * 1024
BODY = json.dumps({"callbackUrl": URL_1}).encode()
REPOSITORY = Path(__file__).parents[2]
SERVED = pytest.mark.parametrize(("store_url", "server"), [("sqlite", "serve")], indirect=True)
SERVED_BY_ANY = pytest.mark.parametrize(
    ("store_url", "server"), [("sqlite", "serve"), ("postgresql", "gunicorn")], indirect=True
)
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
CALLS: dict[str, dict[str, Any]] = {
    "POST": {"json": {"callbackUrl": URL_1}},
    "GET": {},
    "PUT": {"json": {"callbackUrl": URL_2}},
    "DELETE": {},
}
Start = Callable[..., Process]


@pytest.fixture
def server(
    request: pytest.FixtureRequest, environment: pytest.MonkeyPatch, start: Start, tmp_path: Path
) -> Iterator[Process]:
    """The service as a process: `serve`, or gunicorn with `wsgi.py`."""
    if request.param == "serve":
        yield start()
        return
    log = tmp_path / "gunicorn.log"
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "wsgi:app"]
    with log.open("w") as output:
        popen = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT, text=True)
    url = wait_until(lambda: re.search(r"Listening at: (\S+)", log.read_text()))[1]
    process = Process(url, popen, log)
    yield process
    process.stop()


def call(
    server: Process, key: str | bytes | None, method: str, path: str = WEBHOOK, **options: Any
) -> requests.Response:
    """A call of the process, with the bytes in `data` as JSON."""
    headers = {"X-API-Key": key, "Content-Type": "application/json"} | options.pop("headers", {})
    return requests.request(method, server.url + path, headers=headers, timeout=10, **options)


def key_id(api: Api) -> str:
    """The id of the key that the calls are made with."""
    return f"key_{str(api.key).split('_')[1]}"


def head(customer: Api, *lines: str, method: str = "POST") -> bytes:
    """The head of a request for the customer's webhook, with these header lines."""
    first = [f"{method} {WEBHOOK} HTTP/1.1", "Host: localhost", f"X-API-Key: {customer.key}"]
    return "\r\n".join([*first, "Content-Type: application/json", *lines, "", ""]).encode()


def dial(server: Process) -> socket.socket:
    """A connection to the process."""
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=10)


def answer(connection: socket.socket) -> bytes:
    """All that the process sends until it closes the connection."""
    with connection.makefile("rb") as stream:
        return stream.read()


# The size of a body


@SERVED_BY_ANY
def test_size_of_a_chunked_body(server: Process, customer: Api) -> None:
    """A body that does not say how long it is may have 64 KiB like any other; one byte more is 413 and not stored."""
    assert call(server, customer.key, "POST", data=iter([BODY])).status_code == 201
    assert call(server, customer.key, "PUT", data=iter([BODY.ljust(LIMIT)])).status_code == 200
    other = json.dumps({"callbackUrl": URL_2}).encode()
    for oversized in ([other.ljust(LIMIT), b" "], [other.ljust(LIMIT + 1)], [other, *[b" " * LIMIT] * 100]):
        assert call(server, customer.key, "PUT", data=iter(oversized)).status_code == 413
    assert customer("GET", WEBHOOK).json["callbackUrl"] == URL_1


@SERVED
def test_the_call_after_a_413(server: Process, customer: Api) -> None:
    """A client's next call is answered: on the connection of the 413, or on another if the 413 says that it closes."""
    headers = {"X-API-Key": str(customer.key), "Content-Type": "application/json"}
    statuses = []
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=10)) as connection:
        for body in (b" " * (LIMIT + 1), BODY, BODY.ljust(1_000_000), BODY):
            connection.request("POST", WEBHOOK, body, headers)
            with connection.getresponse() as response:
                response.read()
                statuses.append(response.status)
    assert statuses == [413, 201, 413, 409]


@SERVED_BY_ANY
def test_a_body_that_breaks_off(server: Process, customer: Api) -> None:
    """A body that ends before its length is refused, even if what has come is JSON, and nothing is stored."""
    with dial(server) as connection:
        connection.sendall(head(customer, f"Content-Length: {len(BODY) + 1}") + BODY)
        connection.shutdown(socket.SHUT_WR)
        assert answer(connection).startswith(b"HTTP/1.1 400 ")
    assert customer("GET", WEBHOOK).status_code == 404


@SERVED
def test_a_client_that_waits_to_be_asked(server: Process, customer: Api) -> None:
    """With `Expect: 100-continue` the body is asked for when it is wanted."""
    with dial(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(head(customer, f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        connection.sendall(BODY)
        assert stream.readline().startswith(b"HTTP/1.1 201 ")


@SERVED
def test_a_length_over_the_limit(server: Process, customer: Api) -> None:
    """A body that says it is longer than 64 KiB is 413 before any of it has come, or been asked for."""
    for expect in ([], ["Expect: 100-continue"]):
        with dial(server) as connection:
            connection.sendall(head(customer, f"Content-Length: {LIMIT + 1}", "Connection: close", *expect))
            assert answer(connection).startswith(b"HTTP/1.1 413 ")


# What servers are sent


@SERVED
def test_what_is_not_http(server: Process) -> None:
    """What is not HTTP, or too much of it, is refused with 4xx, and the service goes on."""
    for request in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-API-Key: a\x00b\r\n\r\n",
        b"GET /%b HTTP/1.1\r\n\r\n" % (b"a" * 70_000),
        b"GET / HTTP/1.1\r\n%b\r\n" % b"".join(b"X-%d: x\r\n" % number for number in range(1_000)),
    ):
        with dial(server) as connection:
            connection.sendall(request)
            assert re.match(rb"HTTP/1\.[01] 4\d\d ", answer(connection)), request
    assert call(server, None, "GET", "/health/live").status_code == 200


@SERVED
def test_methods(server: Process, customer: Api) -> None:
    """HEAD is answered without a body, and a method that there is not with 405 and Allow, over the wire too."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    get, head = (call(server, customer.key, method) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", get.headers["ETag"])
    patch = call(server, customer.key, "PATCH", data=b"{")
    assert (patch.status_code, patch.headers["Content-Type"]) == (405, "application/problem+json")
    assert set(patch.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"}


@SERVED
def test_bytes_outside_ascii(server: Process, platform: Api) -> None:
    """Bytes that are no text, in paths, parameters and headers, are refused like any other unknown value."""
    statuses = [
        call(server, platform.key, "GET", "/accounts/%FF%C3%28").status_code,
        call(server, platform.key, "GET", "/webhooks?limit=%FF").status_code,
        call(server, platform.key, "GET", headers={"X-Account-Id": b"\xff\xfe"}).status_code,
        call(server, b"\xff\xfe", "GET").status_code,
    ]
    assert statuses == [404, 400, 400, 401]


# Headers of every answer


def test_headers_of_every_answer(anyone: Api, customer: Api, platform: Api) -> None:
    """Every answer, good or bad, forbids storing and guessing its type, and has a correlation id of its own."""
    posted = customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    answers = [
        posted,
        customer("GET", WEBHOOK),
        customer("GET", WEBHOOK, headers={"If-None-Match": posted.headers["ETag"]}),
        customer("PUT", WEBHOOK, json={}),
        anyone("GET", WEBHOOK),
        customer("GET", "/accounts"),
        anyone("GET", "/nothing"),
        customer("PATCH", WEBHOOK),
        customer("POST", WEBHOOK, json={"callbackUrl": URL_1}),
        customer("DELETE", WEBHOOK),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 304, 400, 401, 403, 404, 405, 409, 204]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert {answer.headers["X-Content-Type-Options"] for answer in answers} == {"nosniff"}
    assert len({answer.headers["X-Correlation-Id"] for answer in answers}) == len(answers)


@ON_SQLITE
def test_correlation_id_that_is_proposed(anyone: Api) -> None:
    """A correlation id that the caller sends in X-Correlation-Id is used, whatever becomes of the request."""
    for proposed in ("a", "A-b_9.z", "x" * 64):
        for path in ("/health/live", WEBHOOK, "/nothing"):
            response = anyone("GET", path, headers={"X-Correlation-Id": proposed})
            assert response.headers["X-Correlation-Id"] == proposed


@ON_SQLITE
def test_correlation_id_that_is_replaced(anyone: Api) -> None:
    """A correlation id of more than 64 of `A-Za-z0-9._-`, or of others, is replaced by one of ours."""
    for proposed in ("", "x" * 65, "a b", "a\tb", 'a"b', "a=b", "a/b", "\xfc", "a,b"):
        response = anyone("GET", "/health/live", headers={"X-Correlation-Id": proposed})
        assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Correlation-Id"]), proposed


# The log


def logged(server: Process) -> list[dict[str, Any]]:
    """The lines that a process with LOG_FORMAT=json has logged until its end."""
    server.stop()
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


@ON_SQLITE
def test_every_request_is_logged_in_json(
    environment: pytest.MonkeyPatch, customer: Api, platform: Api, start: Start
) -> None:
    """LOG_FORMAT=json: a line for each request says what was asked, by whom and for whom, and what came of it."""
    environment.setenv("WEBHOOK_ADMIN_LOG_FORMAT", "json")
    server = start()
    call(server, customer.key, "GET", f"{WEBHOOK}?q=sesame", headers={"X-Correlation-Id": "mine"})
    call(server, platform.key, "POST", headers={"X-Account-Id": "acme"}, data=BODY)
    call(server, None, "DELETE")
    lines = [line for line in logged(server) if line.get("path") == WEBHOOK]
    names = ["event", "level", "method", "status", "account_id", "key_id"]
    assert [[line[name] for name in names] for line in lines] == [
        ["request", "info", "GET", 404, "acme", key_id(customer)],
        ["request", "info", "POST", 201, "acme", key_id(platform)],
        ["request", "info", "DELETE", 401, None, None],
    ]
    assert lines[0]["correlation_id"] == "mine"
    assert all(0 < line["duration_ms"] < 10_000 and line["timestamp"].endswith("Z") for line in lines)
    assert "sesame" not in server.log.read_text()


@ON_SQLITE
def test_every_request_is_logged_in_text(environment: pytest.MonkeyPatch, customer: Api, start: Start) -> None:
    """LOG_FORMAT=text, the default: the same in `name=value` pairs."""
    server = start()
    call(server, customer.key, "GET", headers={"X-Correlation-Id": "mine"})
    server.stop()
    line = next(line for line in server.log.read_text().splitlines() if "correlation_id=mine" in line)
    assert re.fullmatch(
        r"timestamp=\S+Z level=info event=request method=GET path=/webhooks/delivery-status status=404"
        rf" duration_ms=[\d.]+ account_id=acme key_id={key_id(customer)}"
        r" correlation_id=mine",
        line,
    )


@ON_SQLITE
def test_no_line_can_be_forged(environment: pytest.MonkeyPatch, start: Start) -> None:
    """Line breaks of any kind, quotes and control characters in a path stay within the path's own value."""
    server = start()
    breaks = (
        "%0A",
        "%0D%0A",
        "%0D",
        "%0B",
        "%0C",
        "%1C",
        "%1E",
        "%C2%85",
        "%E2%80%A8",
        "%E2%80%A9",
        "%22%0A",
        "%5C%22%0A",
    )
    for break_ in breaks:
        call(server, None, "GET", f"/x{break_}level=error{break_}event=forged%22%20%1B%5B2K")
    server.stop()
    lines = [line for line in server.log.read_text().splitlines() if not line.startswith("timestamp=")]
    assert [line.partition(" is at ")[0] for line in lines] == ["The API", "The page for customers and support"]
    assert "\x1b" not in server.log.read_text()


@ON_SQLITE
def test_a_failure_is_logged_under_its_correlation_id(
    environment: pytest.MonkeyPatch, customer: Api, database: Database, start: Start
) -> None:
    """Where the answer is a 500, the log has the traceback, found by the answer's correlation id."""
    environment.setenv("WEBHOOK_ADMIN_LOG_FORMAT", "json")
    server = start()
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    with database.connect() as connection:
        connection.exec_driver_sql("UPDATE webhooks SET created_at = 'never'")
    correlation_id = call(server, customer.key, "GET").json()["correlationId"]
    failures = [line for line in logged(server) if "exception" in line]
    assert [line.get("correlation_id") for line in failures] == [correlation_id]
    assert "Traceback" in failures[0]["exception"]


# Round trips


class Proxy(ThreadingUnixStreamServer):
    """Between a client and PostgreSQL's socket; counts how often the client asks for an answer."""

    daemon_threads = True

    def __init__(self, folder: Path, target: str) -> None:
        self.target, self.round_trips = target, 0
        super().__init__(str(folder / ".s.PGSQL.5432"), Relay)


class Relay(BaseRequestHandler):
    """One connection through the proxy."""

    server: Proxy

    def handle(self) -> None:
        """Pass on what the client says, message by message, and meanwhile what the server says."""
        with socket.socket(socket.AF_UNIX) as database, self.request.makefile("rb") as client:
            database.connect(f"{self.server.target}/.s.PGSQL.5432")
            threading.Thread(target=self.pass_back, args=[database], daemon=True).start()
            kind = b""  # The first message, and only that, has none.
            while length := client.read(4):
                # Query and Sync are what PostgreSQL answers; all other messages go with the Sync after them.
                self.server.round_trips += kind in (b"Q", b"S")
                database.sendall(kind + length + client.read(int.from_bytes(length) - 4))
                kind = client.read(1)

    def pass_back(self, database: socket.socket) -> None:
        """Pass on what the server says as it comes."""
        with suppress(OSError):  # The server may say goodbye to a client that has gone.
            while said := database.recv(65_536):
                self.request.sendall(said)


@pytest.fixture
def proxy(environment: pytest.MonkeyPatch, store_url: URL, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy that counts, as the store of the settings."""
    proxied = store_url.update_query_dict({"host": str(tmp_path)})
    environment.setenv("WEBHOOK_ADMIN_DATABASE_URL", proxied.render_as_string(hide_password=False))
    with Proxy(tmp_path, str(store_url.query["host"])) as proxy:
        threading.Thread(target=proxy.serve_forever, args=[0.05], daemon=True).start()
        yield proxy
        proxy.shutdown()


@ON_POSTGRESQL
def test_a_request_costs_few_round_trips(proxy: Proxy, customer: Api, database: Database) -> None:
    """Each call on the webhook asks PostgreSQL twice: for the key, and for the webhook.

    PUT and DELETE are a transaction that marks the account's lane too, and wakes the dispatchers: four more.
    """
    customer("GET", WEBHOOK)

    def all_used() -> bool:
        with database.connect() as connection:
            unused = select(func.count()).where(api_keys.c.last_used_at.is_(None))
            return connection.execute(unused).scalar_one() == 0

    # That a key has been used is written in the background, once a minute: it is no part of the calls that follow.
    wait_until(all_used)
    for _ in range(8):  # psycopg prepares what it has sent five times, which then costs a round trip once
        costs = {}
        for method, options in CALLS.items():
            before = proxy.round_trips
            assert customer(method, WEBHOOK, **options).status_code < 300
            costs[method] = proxy.round_trips - before
    assert costs == {"GET": 2, "POST": 2, "PUT": 6, "DELETE": 6}
