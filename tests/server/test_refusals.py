"""What the server of `serve` refuses before it takes a thread, and what it does not let a client hold up."""

import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from select import select
from urllib.parse import urlsplit

import pytest
import requests

from tests.api import WEBHOOK
from tests.processes import Process
from tests.server.wire import Answer, exchange, request
from tests.waiting import wait_until
from webhook_admin import accounts, keys, open_files
from webhook_admin.db import Database
from webhook_admin.web.problems import EXAMPLES

MIB = 1024 * 1024
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())
# What a client begins HTTP/2 with (RFC 7540): preface and empty SETTINGS (3.5), or an Upgrade (3.2).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
UPGRADE = request("GET / HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
JSON = "Content-Type: application/json"


@pytest.fixture
def port(environment: pytest.MonkeyPatch, start: Callable[..., Process]) -> int:
    """Where `serve` listens."""
    return urlsplit(start().url).port or 0


@pytest.fixture
def platform_key(database: Database) -> str:
    """A platform key; there is an account `acme`."""
    with database.transaction() as connection:
        accounts.create(connection, "acme", datetime.now(UTC))
        return keys.create(connection, None, datetime.now(UTC)).key


@pytest.fixture
def account_key(database: Database, platform_key: str) -> str:
    """A key of the account."""
    with database.transaction() as connection:
        return keys.create(connection, "acme", datetime.now(UTC)).key


def post(path: str, key: str, length: int, body: bytes = b"{") -> bytes:
    """A POST that announces a body of this length, and brings this part of it."""
    return request(f"POST {path} HTTP/1.1", f"X-API-Key: {key}", JSON, f"Content-Length: {length}", body=body)


def require_problem(answer: Answer, status: int) -> None:
    """Fail unless the answer is a problem with the headers that every answer has."""
    headers = dict(answer.headers)
    assert answer.status == json.loads(answer.body)["status"] == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-correlation-id"]
    assert headers["cache-control"] == "no-store"


@ON_SQLITE
@pytest.mark.parametrize("opening", [PREFACE, UPGRADE], ids=["prior knowledge", "upgrade"])
def test_http_2_is_not_spoken(port: int, opening: bytes) -> None:
    """Whoever begins with HTTP/2 is answered in HTTP/1.1 without a change of protocols, or not at all."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(opening)
        answer = connection.recv(65536)
    assert answer[:9] in (b"", b"HTTP/1.1 ")
    assert answer[9:12] != b"101"


@ON_SQLITE
def test_silent_connections_shut_nobody_out(port: int) -> None:
    """With 1,500 connections that send nothing, others are served; the silent ones are closed after 10 s."""
    assert open_files.allow(2_000) == 2_000
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(1_500)]
        assert requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).ok
        for connection in silent:
            connection.settimeout(30)
            assert connection.recv(1) == b""


@ON_SQLITE
@pytest.mark.parametrize("chunked", [False, True])
def test_half_a_body_is_408(port: int, account_key: str, chunked: bool) -> None:
    """A body that is not complete within 10 s is refused, as the document shows it, and takes no thread meanwhile."""
    sent = post(WEBHOOK, account_key, 100)
    if chunked:
        sent = sent.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked").replace(
            b"\r\n\r\n{", b"\r\n\r\n1\r\n{\r\n"
        )
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(sent)
        assert exchange(port, request(f"GET {WEBHOOK} HTTP/1.1", f"X-API-Key: {account_key}")).status == 404
        answer = exchange(port, sent)
    require_problem(answer, 408)
    assert json.loads(answer.body) == EXAMPLES[408]
    described = DOCUMENT["paths"][WEBHOOK]["post"]["responses"]["408"]["content"]["application/problem+json"]
    assert described["examples"]["408"]["value"] == EXAMPLES[408]


@ON_SQLITE
@pytest.mark.parametrize(
    ("path", "key", "length", "status"),
    [
        pytest.param("/events", "whpk_wrong", MIB, 401, id="no key"),
        pytest.param("/events", "account", MIB, 403, id="an account key"),
        pytest.param("/events", "platform", 4 * MIB + 1, 413, id="too large"),
        pytest.param(WEBHOOK, "account", 64 * 1024 + 1, 413, id="too large elsewhere"),
    ],
)
def test_a_large_body_is_judged_before_it_is_read(
    port: int, platform_key: str, account_key: str, path: str, key: str, length: int, status: int
) -> None:
    """Whoever may not send a large body is told so at once: its room is for those who may."""
    chosen = {"platform": platform_key, "account": account_key}.get(key, key)
    require_problem(exchange(port, post(path, chosen, length)), status)


@ON_SQLITE
def test_large_bodies_at_once_are_limited(port: int, platform_key: str) -> None:
    """With 64 MiB of bodies on their way, another large one is 503, a small one is taken; afterwards both are."""
    headers = {"X-API-Key": platform_key, "Content-Type": "application/json"}
    event = {"accountId": "acme", "messageId": "m", "channel": "SMS", "status": "SENT"}
    body = json.dumps({"events": [event | {"timestamp": "2026-04-09T14:39:40Z"}]})

    def status(body: str) -> int:
        return requests.post(f"http://127.0.0.1:{port}/events", body, headers=headers, timeout=30).status_code

    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(17)]
        for connection in held:
            connection.sendall(post("/events", platform_key, 4 * MIB))
        (refused,), _, _ = select(held, [], [], 5)
        assert refused.recv(65536).startswith(b"HTTP/1.1 503 ")
        answer = exchange(port, post("/events", platform_key, MIB))
        require_problem(answer, 503)
        assert int(dict(answer.headers)["retry-after"]) > 0
        assert status(body) == 202
    wait_until(lambda: status(body.ljust(MIB)) == 202)


@ON_SQLITE
def test_a_crowd_is_slowed_down(port: int) -> None:
    """Of a caller's refusals many at once come one or two seconds late, one after the other at once."""
    sent = request(f"GET {WEBHOOK} HTTP/1.1", "X-API-Key: whak_wrong")
    started = time.monotonic()
    assert exchange(port, sent).status == 401
    assert time.monotonic() - started < 1
    with ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(100)]
        started = time.monotonic()
        for connection in crowd:
            connection.sendall(sent)
        late = 0
        for connection in crowd:
            assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
            late += time.monotonic() - started > 1
    assert late >= 50


@ON_SQLITE
def test_more_requests_than_may_wait_are_503(port: int, database: Database, account_key: str) -> None:
    """While the store is locked, requests queue up; those over the limit are told to come back, and none hangs."""
    sent = request(f"DELETE {WEBHOOK} HTTP/1.1", f"X-API-Key: {account_key}")
    with ExitStack() as stack:
        with database.transaction():
            connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(600)]
            for connection in connections:
                connection.sendall(sent)
            refused = exchange(port, sent)
            require_problem(refused, 503)
            assert dict(refused.headers)["retry-after"]
            assert requests.get(f"http://127.0.0.1:{port}/health/live", timeout=1).ok
        statuses = Counter(connection.recv(65536)[9:12] for connection in connections)
    assert statuses[b"503"] >= 90
    assert statuses[b"404"] >= 400
    assert statuses.total() == statuses[b"503"] + statuses[b"404"]
