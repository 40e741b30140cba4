"""The sender, against real receivers that do all that receivers do (contract, section 2)."""

import asyncio
import gc
import threading
import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.nameserver import Nameserver
from tests.receiver import (
    Behaviour,
    Receiver,
    after,
    answer,
    expired,
    hang,
    hold,
    in_turn,
    raw,
    untrusted,
    wrong_host,
)
from tests.receiver_process import ReceiverProcess
from tests.sender.sending import BAD, LOOPBACK, OK, request, send, send_one, sender
from tests.sender.test_answer import ANSWERS
from tests.waiting import wait_until
from webhook_admin.sender.request import Trouble
from webhook_admin.sender.resolver import Resolver
from webhook_admin.sender.sender import Opened, Outcome, Result

DEADLINE = 0.5
BLOCKED = Result(
    Outcome.BLOCKED_ADDRESS,
    detail="The URL leads to an address that is not allowed.",
    hint="Use a host on the internet.",
)


def test_nobody_listens(receiver: Receiver) -> None:
    """A refused connection is the outcome `connect`."""
    with Receiver() as gone:
        url = gone.url("/cb")
    assert send(receiver, request(url))[0].outcome is Outcome.CONNECT


# What goes out


TARGETS = [
    "/",
    "/a/../b//./c/",
    "/%7euser/%2F%2f/a%20b",
    "/?a=b&c=d",
    "/a?x=https://other.example/%3F",
    "/!$&'()*+,;=:@",
]


# Connections


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


def test_a_connection_waits_for_some_seconds_only(receiver: Receiver) -> None:
    """What nobody uses is closed, so that memory and sockets follow the load."""

    async def run() -> None:
        async with sender(receiver, idle_seconds=0.2) as open_sender:
            await asyncio.gather(*[open_sender.send(request(receiver.url("/cb"))) for _ in range(5)])
            assert receiver.open_connections() > 0
            await asyncio.to_thread(wait_until, lambda: receiver.open_connections() == 0)

    asyncio.run(run())


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
        (result,) = send(receiver, request(url), allowed_networks=(network,), nameservers=[nameserver.address])
        assert result.outcome is Outcome.DELIVERED
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
            options = {"nameservers": [nameserver.address], "connect_timeout": 2}
            async with sender(receiver, **options) as open_sender:
                hanging = [asyncio.create_task(open_sender.send(request(f"https://{name}/"))) for name in names]
                await asyncio.sleep(0)
                started = time.monotonic()
                assert (await open_sender.send(request(receiver.url("/cb")))).outcome is Outcome.DELIVERED
                return time.monotonic() - started, await asyncio.gather(*hanging)

        started = time.monotonic()
        delay, results = asyncio.run(run())
        assert {result.outcome for result in results} == {Outcome.DNS}
        assert delay < 1
        assert time.monotonic() - started < 5


def test_a_look_up_that_nobody_waits_for_fails_quietly() -> None:
    """Name servers may fail after the request's time is up: then there is nothing left to say, nor to log."""
    logged: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
        with Nameserver({}) as nameserver:
            resolver = Resolver(LOOPBACK, [nameserver.address])
            waiting = asyncio.create_task(resolver.look_up("one.example.com"))
            await asyncio.sleep(0)
            waiting.cancel()
            # Answered after the first one.
            with pytest.raises(Trouble):
                await resolver.look_up("two.example.com")
            await resolver.close()

    asyncio.run(run())
    gc.collect()
    assert logged == []


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
