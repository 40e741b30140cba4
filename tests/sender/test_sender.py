"""The sender, against real receivers that do all that receivers do (contract, section 2)."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import wait_until
from nameserver import Nameserver
from receiver import (
    Behaviour,
    Receiver,
    after,
    answer,
    close,
    drip,
    endless,
    expired,
    hang,
    hold,
    in_turn,
    one_after_another,
    raw,
    raw_then_close,
    raw_then_reset,
    reset,
    untrusted,
    wrong_host,
)
from receiver_process import ReceiverProcess

from webhook_admin.sender.sender import Opened, Outcome, Request, Result, Sender

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HEADERS = {"Content-Type": "application/json", "User-Agent": "webhook-admin/test", "webhook-id": "dlv_1"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BAD = OK.replace(b"200", b"500")
DEADLINE = 0.5
BLOCKED = Result(
    Outcome.BLOCKED_ADDRESS,
    detail="The URL leads to an address that is not allowed.",
    hint="Use a host on the internet.",
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that the sender of these tests trusts."""
    with Receiver() as receiver:
        yield receiver


def sender(receiver: Receiver | ReceiverProcess, **options: Any) -> Sender:
    """A sender that may call loopback and trusts the receiver's authority."""
    chosen = {"request_timeout": 5, "connect_timeout": 5, "allowed_networks": LOOPBACK, "ca_bundle": receiver.ca_file}
    return Sender(**(chosen | options))


def request(url: str, **options: Any) -> Request:
    """A request like the dispatcher's."""
    chosen = {"body": b"{}", "headers": HEADERS, "account_id": "acme"}
    return Request(url, **(chosen | options))


def send(receiver: Receiver, *requests: Request, pause: float = 0, **options: Any) -> list[Result]:
    """Send the requests one after another, with a pause (seconds) between them."""

    async def run() -> list[Result]:
        results = []
        async with sender(receiver, **options) as open_sender:
            for number, one in enumerate(requests):
                await asyncio.sleep(pause if number else 0)
                results.append(await open_sender.send(one))
        return results

    return asyncio.run(run())


def send_one(receiver: Receiver, behaviour: Behaviour, **options: Any) -> Result:
    """Send one request to a receiver that behaves so."""
    return send(receiver, request(receiver.url("/cb", behaviour)), **options)[0]


# What came of it

ANSWERS = {
    "200": (answer(200), Outcome.DELIVERED, 200),
    "204": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), Outcome.DELIVERED, 204),
    "299": (answer(299), Outcome.DELIVERED, 299),
    "100-then-200": (raw(b"HTTP/1.1 100 Continue\r\n\r\n" + OK), Outcome.DELIVERED, 200),
    "103-then-200": (raw(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n", OK), Outcome.DELIVERED, 200),
    "103-then-500": (raw(b"HTTP/1.1 103 Early Hints\r\n\r\n", BAD), Outcome.HTTP_STATUS, 500),
    "103-then-close": (raw_then_close(b"HTTP/1.1 103 Early Hints\r\n\r\n"), Outcome.PROTOCOL, None),
    "301": (answer(301, headers={"Location": "/"}), Outcome.REDIRECT, 301),
    "302-nowhere": (answer(302), Outcome.REDIRECT, 302),
    "308": (answer(308, headers={"Location": "/"}), Outcome.REDIRECT, 308),
    "400": (answer(400), Outcome.HTTP_STATUS, 400),
    "410": (answer(410), Outcome.HTTP_STATUS, 410),
    "503": (answer(503), Outcome.HTTP_STATUS, 503),
    "600": (answer(600), Outcome.HTTP_STATUS, 600),
    "chunked": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        Outcome.DELIVERED,
        200,
    ),
    "until-close": (raw_then_close(b"HTTP/1.0 200 OK\r\n\r\nok"), Outcome.DELIVERED, 200),
    "gzip-garbage": (answer(200, b"garbage", {"Content-Encoding": "gzip"}), Outcome.DELIVERED, 200),
    "endless": (endless(), Outcome.DELIVERED, 200),
    "truncated": (raw_then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), Outcome.PROTOCOL, 200),
    "chunks-broken-off": (
        raw_then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        Outcome.PROTOCOL,
        200,
    ),
    "chunks-garbled": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello"),
        Outcome.PROTOCOL,
        200,
    ),
    "head-broken-off": (raw_then_close(b"HTTP/1.1 200 OK\r\nX: "), Outcome.PROTOCOL, None),
    "head-broken-off-after-line": (raw_then_close(b"HTTP/1.1 200 OK\r\nX: y\r\n"), Outcome.PROTOCOL, None),
    "status-broken-off": (raw_then_close(b"HTTP/1.1 20"), Outcome.PROTOCOL, None),
    "no-http": (raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), Outcome.PROTOCOL, None),
    "huge-header": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000), Outcome.PROTOCOL, None),
    "header-bomb": (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1_000), Outcome.PROTOCOL, None),
    "close": (close, Outcome.PROTOCOL, None),
    "reset": (reset, Outcome.PROTOCOL, None),
    "reset-after-head": (
        raw_then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        Outcome.PROTOCOL,
        200,
    ),
    "hang": (hang, Outcome.TIMEOUT, None),
    "101": (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), Outcome.PROTOCOL, None),
    "103-then-hang": (raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"), Outcome.TIMEOUT, None),
    "drip-status": (drip(), Outcome.TIMEOUT, None),
    "drip-body": (one_after_another(raw(OK.replace(b": 0", b": 9")), drip(b"123456789", 0.1)), Outcome.TIMEOUT, 200),
    "1xx-for-ever": (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), Outcome.PROTOCOL, None),
}


@pytest.mark.parametrize(("behaviour", "outcome", "status"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_has_its_outcome_in_time(
    receiver: Receiver, behaviour: Behaviour, outcome: Outcome, status: int | None
) -> None:
    """Whatever a receiver does, an attempt ends within the deadline, and is delivered only by a whole 2xx answer."""
    started = time.monotonic()
    result = send_one(receiver, behaviour, request_timeout=DEADLINE)
    assert time.monotonic() - started < DEADLINE + 0.5
    assert (result.outcome, result.status_code) == (outcome, status)
    assert len(receiver.requests) == 1


def test_success_is_what_the_format_says(receiver: Receiver) -> None:
    """A format whose owner wants exactly 200 gets no success from 201."""
    url = receiver.url("/cb", in_turn(answer(201), answer(200)))
    results = send(receiver, request(url, success={200}), request(url, success={200}))
    assert [result.outcome for result in results] == [Outcome.HTTP_STATUS, Outcome.DELIVERED]


def test_nobody_listens(receiver: Receiver) -> None:
    """A refused connection is the outcome `connect`."""
    with Receiver() as gone:
        url = gone.url("/cb")
    assert send(receiver, request(url))[0].outcome is Outcome.CONNECT


def test_the_time_is_told(receiver: Receiver) -> None:
    """A result says how long the request took."""
    assert 100 <= send_one(receiver, after(0.1, answer())).duration_ms < 1_000


def test_2_kib_of_the_response_are_kept(receiver: Receiver) -> None:
    """A response is kept as text, cut to 2 KiB; the connection of a moderately long one stays good."""
    results = send(receiver, *[request(receiver.url("/cb", answer(500, b"a" * 9_000)))] * 2)
    assert [result.response for result in results] == ["a" * 2_048] * 2
    assert receiver.connections == 1


def test_the_response_is_text_without_nul(receiver: Receiver) -> None:
    """Bytes that are no UTF-8 are replaced and NUL is left out, so that every store can hold it."""
    assert send_one(receiver, answer(500, b"a\0b\xff\xc3\xbc\xc3")).response == "ab\ufffdü\ufffd"


def test_retry_after_comes_as_it_was_sent(receiver: Receiver) -> None:
    """The header is handed on untouched; how to understand it is not for the sender to say."""
    assert send_one(receiver, answer(503, headers={"RETRY-after": "next week"})).retry_after == "next week"
    assert send_one(receiver, answer(503)).retry_after is None


# What goes out


def test_nothing_is_added_to_the_headers(receiver: Receiver) -> None:
    """A request is a POST with the headers it was given, Host and Content-Length; nothing else."""
    send(receiver, request(receiver.url("/cb"), body=b'{"a": 1}'))
    sent = receiver.requests[0]
    expected = {name.lower(): value for name, value in HEADERS.items()}
    host = receiver.base_url.removeprefix("https://")
    assert (sent.method, sent.body) == ("POST", b'{"a": 1}')
    assert sent.headers == expected | {"host": host, "content-length": "8"}


@pytest.mark.parametrize("size", [1, 2_000, 1_000_000])
def test_a_body_arrives_whole(receiver: Receiver, size: int) -> None:
    """A body of any size goes out as it is, on new and on kept connections."""
    body = os.urandom(size)
    send(receiver, *[request(receiver.url("/cb"), body=body)] * 2)
    assert [one.body for one in receiver.requests] == [body] * 2


TARGETS = [
    "/",
    "/a/../b//./c/",
    "/%7euser/%2F%2f/a%20b",
    "/?a=b&c=d",
    "/a?x=https://other.example/%3F",
    "/!$&'()*+,;=:@",
]


@pytest.mark.parametrize("target", TARGETS)
def test_the_path_goes_out_byte_for_byte(receiver: Receiver, target: str) -> None:
    """What a customer registered is what is asked for: nothing is normalised, decoded or encoded."""
    assert send(receiver, request(receiver.base_url + target))[0].outcome is Outcome.DELIVERED
    assert receiver.requests[0].path == target


@pytest.mark.parametrize(("tail", "target"), [("", "/"), ("?a=1", "/?a=1")])
def test_an_empty_path_is_a_slash(receiver: Receiver, tail: str, target: str) -> None:
    """HTTP needs a path even where the URL has none."""
    send(receiver, request(receiver.base_url + tail))
    assert receiver.requests[0].path == target


@pytest.mark.parametrize("header", [("X", "a\r\nY: b"), ("X", "a\nb"), ("X: y\r\nZ", "a"), ("X", "a\0b"), ("X", "ü")])
def test_a_header_cannot_be_smuggled_in(header: tuple[str, str]) -> None:
    """What would break out of a header never becomes a request."""
    with pytest.raises(ValueError, match="printable ASCII"):
        Request("https://example.com/", b"{}", dict([header]), "acme")


def test_no_cookie_comes_back(receiver: Receiver) -> None:
    """What a receiver sets is not sent again."""
    url = receiver.url("/cb", answer(200, headers={"Set-Cookie": "a=b; Path=/"}))
    send(receiver, request(url), request(url))
    assert all("cookie" not in one.headers for one in receiver.requests)


def test_the_environment_is_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither proxies nor passwords come from the environment or from the home folder."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login platform password secret\n")
    with Receiver(plain=True) as proxy:
        for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url.replace("https", "http"))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(netrc))
        assert send_one(receiver, answer()).outcome is Outcome.DELIVERED
        assert proxy.connections == 0
    assert "authorization" not in receiver.requests[0].headers


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    """Nothing is ever sent to where a receiver points."""
    with Receiver() as other:
        for status in (301, 302, 303, 307, 308):
            send_one(receiver, answer(status, headers={"Location": other.url("/")}))
        assert other.connections == 0
    assert len(receiver.requests) == 5


# Connections


def test_a_connection_is_kept(receiver: Receiver) -> None:
    """One request after another takes one TLS handshake."""
    results = send(receiver, *[request(receiver.url("/cb"))] * 5)
    assert {result.outcome for result in results} == {Outcome.DELIVERED}
    assert receiver.connections == 1


def test_a_failed_delivery_keeps_its_connection(receiver: Receiver) -> None:
    """An answer that is no success is an answer all the same."""
    send(receiver, *[request(receiver.url("/cb", answer(500, b"no")))] * 3)
    assert receiver.connections == 1


def test_a_connection_serves_its_origin_only(receiver: Receiver) -> None:
    """All requests to one origin share its connections; another name is another origin, even of the same machine."""
    one, other = receiver.url("/one"), receiver.url("/other")
    elsewhere = one.replace("127.0.0.1", "localhost")
    send(receiver, request(one), request(other), request(elsewhere), request(one))
    assert [sent.connection for sent in receiver.requests] == [1, 1, 2, 1]
    assert [sent.path for sent in receiver.requests] == ["/one", "/other", "/one", "/one"]


def test_a_connection_is_kept_for_a_time_only(receiver: Receiver) -> None:
    """When the time is over, the next request makes a new connection, so that a changed address counts soon."""
    send(receiver, *[request(receiver.url("/cb"))] * 3, idle_seconds=0, pause=0.15)
    assert receiver.connections == 3


def test_a_connection_closed_meanwhile_costs_no_attempt(receiver: Receiver) -> None:
    """What the receiver has closed is seen before anything is sent on it."""

    async def run() -> list[Result]:
        async with sender(receiver) as open_sender:
            first = await open_sender.send(request(receiver.url("/cb")))
            await asyncio.to_thread(receiver.disconnect)
            return [first, await open_sender.send(request(receiver.url("/cb")))]

    assert [result.outcome for result in asyncio.run(run())] == [Outcome.DELIVERED] * 2
    assert [sent.connection for sent in receiver.requests] == [1, 2]


@pytest.mark.parametrize("end", [close, reset], ids=["close", "reset"])
def test_no_request_is_sent_twice(receiver: Receiver, end: Behaviour) -> None:
    """When a kept connection dies under a request, the attempt fails: the receiver has seen it, and sees no other."""
    url = receiver.url("/cb", in_turn(answer(), end))
    results = send(receiver, request(url), request(url))
    assert [result.outcome for result in results] == [Outcome.DELIVERED, Outcome.PROTOCOL]
    assert [sent.connection for sent in receiver.requests] == [1, 1]


SURPLUS = {
    "in-one-record": raw(OK + BAD),
    "in-the-next-record": raw(OK, BAD),
    "a-body-too-long": raw(OK, b"surplus"),
}


@pytest.mark.parametrize("behaviour", SURPLUS.values(), ids=SURPLUS)
def test_an_answer_too_many_counts_for_no_other_request(receiver: Receiver, behaviour: Behaviour) -> None:
    """A second answer to one request is never taken for the answer to the next, which costs no attempt."""
    url = receiver.url("/cb", in_turn(behaviour, after(0.05, answer(201))))
    results = send(receiver, *[request(url)] * 3)
    assert [(one.outcome, one.status_code) for one in results] == [
        (Outcome.DELIVERED, 200),
        (Outcome.DELIVERED, 201),
        (Outcome.DELIVERED, 201),
    ]
    assert [sent.connection for sent in receiver.requests] == [1, 2, 2]


def test_a_late_answer_too_many_closes_the_connection(receiver: Receiver) -> None:
    """What comes on an idle connection unasked makes it useless, and costs no attempt."""

    async def late(writer: asyncio.StreamWriter) -> None:
        await raw(OK)(writer)
        await asyncio.sleep(0.01)
        await raw(BAD)(writer)

    url = receiver.url("/cb", in_turn(late, answer(201)))
    results = send(receiver, request(url), request(url), pause=0.1)
    assert [result.status_code for result in results] == [200, 201]
    assert receiver.connections == 2


def test_idle_connections_are_bounded(receiver: Receiver) -> None:
    """However many webhooks there are, no more connections are open than allowed."""

    async def run() -> None:
        async with sender(receiver, max_connections=3) as open_sender:
            urls = [receiver.url("/cb"), receiver.url("/cb").replace("127.0.0.1", "localhost")]
            for _ in range(5):
                await asyncio.gather(*[open_sender.send(request(url)) for url in urls * 4])
            await asyncio.to_thread(wait_until, lambda: receiver.open_connections() <= 3)

    asyncio.run(run())
    assert len(receiver.requests) == 40


def test_a_connection_waits_for_some_seconds_only(receiver: Receiver) -> None:
    """What nobody uses is closed, so that memory and sockets follow the load."""

    async def run() -> None:
        async with sender(receiver, idle_seconds=0.2) as open_sender:
            await asyncio.gather(*[open_sender.send(request(receiver.url("/cb"))) for _ in range(5)])
            assert receiver.open_connections() > 0
            await asyncio.to_thread(wait_until, lambda: receiver.open_connections() == 0)

    asyncio.run(run())


def test_more_requests_than_connections_wait_their_turn(receiver: Receiver) -> None:
    """Where all connections are in use, a request waits for one, within its deadline."""

    async def run() -> list[Result]:
        async with sender(receiver, max_connections=2) as open_sender:
            url = receiver.url("/cb", after(0.05, answer()))
            return await asyncio.gather(*[open_sender.send(request(url)) for _ in range(8)])

    assert {result.outcome for result in asyncio.run(run())} == {Outcome.DELIVERED}


# TLS


@pytest.mark.parametrize("tls", [wrong_host, expired, untrusted])
def test_a_certificate_must_hold(tls: Any) -> None:
    """Wrong host, out of date, from an authority that nobody knows: no notification is shown to such a receiver."""
    with Receiver(tls=tls()) as receiver:
        assert send_one(receiver, answer()).outcome is Outcome.TLS
        assert receiver.requests == []


def test_plain_http_is_no_tls() -> None:
    """A receiver that speaks HTTP on its HTTPS port gets nothing."""
    with Receiver(plain=True) as receiver:
        assert send_one(receiver, answer()).outcome is Outcome.TLS
        assert receiver.requests == []


def test_the_system_and_certifi_are_trusted_by_default(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a bundle of one's own, whom the system trusts counts, and nobody else."""
    assert send_one(receiver, answer(), ca_bundle=None).outcome is Outcome.TLS
    monkeypatch.setenv("SSL_CERT_FILE", str(receiver.ca_file))
    assert send_one(receiver, answer(), ca_bundle=None).outcome is Outcome.DELIVERED


# Addresses and names

PLANTED = [
    "https://169.254.169.254/",
    "https://10.0.0.5/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://localhost/",
    "http://93.184.216.34/",
    "ftp://93.184.216.34/",
    "https://user@93.184.216.34/",
    "",
]


@pytest.mark.parametrize("url", PLANTED)
def test_registration_is_not_trusted(receiver: Receiver, url: str) -> None:
    """A URL that would not be accepted today is not called, whoever put it into the store; and nothing more is said."""
    assert send(receiver, request(url), allowed_networks=()) == [BLOCKED]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_localhost_is_loopback_where_that_is_allowed(host: str) -> None:
    """`localhost` needs no look-up, and means the loopback addresses that are allowed."""
    with Receiver(host=host) as receiver, Nameserver({}) as nameserver:
        network = ip_network(f"{host}/128" if ":" in host else "127.0.0.0/8")
        url = f"https://localhost:{receiver.port}/cb"
        options = {"allowed_networks": (network,), "nameservers": [nameserver.address]}
        assert send(receiver, request(url), **options)[0].outcome is Outcome.DELIVERED
        assert nameserver.questions == []


def test_a_name_is_looked_up(receiver: Receiver) -> None:
    """A name leads to its address; Host and certificate are judged by the name, and the next attempt asks anew."""
    with Nameserver({"hooks.example.com": [["127.0.0.1"]]}) as nameserver, Receiver(tls=wrong_host()) as other:
        url = f"https://hooks.example.com:{other.port}/cb"
        good = f"https://other.example.com:{other.port}/cb"
        assert send(receiver, request(url), nameservers=[nameserver.address])[0].outcome is Outcome.TLS
        assert send(receiver, request(good), nameservers=[nameserver.address])[0].outcome is Outcome.DNS
    with Nameserver({"other.example.com": [["127.0.0.1"]]}) as nameserver, Receiver(tls=wrong_host()) as other:
        good = f"https://other.example.com:{other.port}/cb"
        results = send(receiver, *[request(good)] * 2, nameservers=[nameserver.address])
        assert [result.outcome for result in results] == [Outcome.DELIVERED] * 2
        assert nameserver.asked("other.example.com") == 2
        assert other.requests[0].headers["host"] == f"other.example.com:{other.port}"


def test_an_answer_is_kept_as_long_as_it_says(receiver: Receiver) -> None:
    """A name server is not asked again before its answer is out of date, nor twice at once."""
    with Nameserver({"other.example.com": [["127.0.0.1"]]}, ttl=60) as nameserver, Receiver(tls=wrong_host()) as other:
        url = f"https://other.example.com:{other.port}/cb"

        async def run() -> None:
            async with sender(receiver, nameservers=[nameserver.address]) as open_sender:
                await asyncio.gather(*[open_sender.send(request(url)) for _ in range(5)])
                await open_sender.send(request(url))

        asyncio.run(run())
        assert len(other.requests) == 6
        assert nameserver.asked("other.example.com") == 1


def test_the_socket_is_judged_too(receiver: Receiver) -> None:
    """An address is judged when its socket is opened, even if it passed when it was looked up."""
    allowed = list(LOOPBACK)
    with Nameserver({"other.example.com": [["127.0.0.1"]]}, ttl=60) as nameserver, Receiver(tls=wrong_host()) as other:
        url = f"https://other.example.com:{other.port}/cb"

        async def run() -> list[Result]:
            options = {"nameservers": [nameserver.address], "allowed_networks": allowed}
            async with sender(receiver, **options) as open_sender:
                first = await open_sender.send(request(url))
                allowed.clear()
                await asyncio.to_thread(other.disconnect)
                return [first, await open_sender.send(request(url))]

        first, second = asyncio.run(run())
        assert first.outcome is Outcome.DELIVERED
        assert second == BLOCKED
        assert other.connections == 1


def test_a_silent_nameserver_delays_nobody_else(receiver: Receiver) -> None:
    """However many look-ups hang, others are sent at once; the hanging ones end in time, as `dns`."""
    names = {f"silent-{number}.example.com": None for number in range(100)}
    with Nameserver(names) as nameserver:

        async def run() -> tuple[float, list[Result]]:
            options = {"nameservers": [nameserver.address], "connect_timeout": 0.5}
            async with sender(receiver, **options) as open_sender:
                hanging = [asyncio.create_task(open_sender.send(request(f"https://{name}/"))) for name in names]
                await asyncio.sleep(0)
                started = time.monotonic()
                assert (await open_sender.send(request(receiver.url("/cb")))).outcome is Outcome.DELIVERED
                return time.monotonic() - started, await asyncio.gather(*hanging)

        started = time.monotonic()
        delay, results = asyncio.run(run())
        assert {result.outcome for result in results} == {Outcome.DNS}
        assert delay < 0.3
        assert time.monotonic() - started < 2


# Many at once, and the end


def test_a_thousand_at_once(tmp_path: Path) -> None:
    """A thousand receivers that take their time delay each other by nothing."""

    async def run(receiver: ReceiverProcess) -> list[Result]:
        async with sender(receiver, connect_timeout=20, request_timeout=20) as open_sender:
            url = f"{receiver.base_url}/slow/500"
            return await asyncio.gather(*[open_sender.send(request(url)) for _ in range(1_000)])

    with ReceiverProcess(tmp_path) as receiver:
        started = time.monotonic()
        results = asyncio.run(run(receiver))
        assert {result.outcome for result in results} == {Outcome.DELIVERED}
        assert len(receiver.seen()) == 1_000
        assert time.monotonic() - started < 20, "and not the 500 s that they would take one by one"


def test_an_attempt_ends_whatever_goes_wrong(receiver: Receiver) -> None:
    """A mistake of ours costs its own attempt a known outcome, and no other attempt anything."""
    mistaken = request(receiver.url("/cb"), success="200")  # no numbers in it
    results = send(receiver, mistaken, request(receiver.url("/cb")), mistaken)
    assert [result.outcome for result in results] == [Outcome.UNKNOWN, Outcome.DELIVERED, Outcome.UNKNOWN]
    assert receiver.connections == 2


def test_nothing_is_left_behind(receiver: Receiver) -> None:
    """After many bad answers, and after the end, no descriptor and no thread is left over."""
    process = psutil.Process()
    bad = [receiver.url(f"/{name}", behaviour) for name, (behaviour, *_) in ANSWERS.items()]

    async def run() -> None:
        async with sender(receiver, request_timeout=0.2) as open_sender:
            for _ in range(3):
                await asyncio.gather(*[open_sender.send(request(url)) for url in bad])

    before = process.num_fds(), threading.active_count()
    asyncio.run(run())
    wait_until(lambda: receiver.open_connections() == 0)
    wait_until(lambda: (process.num_fds(), threading.active_count()) <= before)


def test_the_end_leaves_nobody_waiting(receiver: Receiver) -> None:
    """Requests that the sender's end overtakes have the outcome `unknown`: they may have arrived."""

    async def run() -> list[Result]:
        with Nameserver({"silent.example.com": None}) as nameserver:
            async with sender(receiver, nameservers=[nameserver.address]) as open_sender:
                urls = [receiver.url("/cb", hang), "https://silent.example.com/"]
                tasks = [asyncio.create_task(open_sender.send(request(url))) for url in urls]
                await asyncio.to_thread(wait_until, lambda: receiver.requests and nameserver.questions)
            return await asyncio.wait_for(asyncio.gather(*tasks), 1)

    assert [result.outcome for result in asyncio.run(run())] == [Outcome.UNKNOWN] * 2


def test_results_come_in_the_loops_thread(receiver: Receiver) -> None:
    """Whoever starts a request hears of it in the event loop, after `start` has returned."""
    held = hold()

    async def run() -> None:
        heard: list[tuple[Result, int]] = []
        async with sender(receiver) as open_sender:
            for url in (receiver.url("/cb", held), "https://10.0.0.1/"):
                open_sender.start(
                    request(url), lambda result: heard.append((result, threading.get_ident())), Opened.send
                )
            assert heard == []
            await asyncio.to_thread(wait_until, lambda: receiver.requests)
            held.release()
            await asyncio.to_thread(wait_until, lambda: len(heard) == 2)
        assert {thread for _, thread in heard} == {threading.get_ident()}

    asyncio.run(run())
