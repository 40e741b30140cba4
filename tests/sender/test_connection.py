"""Connections: whom each serves, and that no answer is ever taken for another request's."""

import asyncio
import gc
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import pytest

from tests.receiver import (
    Behaviour,
    Receiver,
    after,
    answer,
    close,
    hang,
    in_turn,
    one_after_another,
    raw,
    raw_then_close,
    raw_then_reset,
    reset,
)
from tests.sender.sending import BAD, OK, outcomes, request, run, send, sender
from tests.waiting import wait_until
from webhook_admin.sender.answer import Answer
from webhook_admin.sender.connection import Connection
from webhook_admin.sender.sender import Outcome, Result

DELIVERED, HTTP_STATUS, PROTOCOL = Outcome.DELIVERED, Outcome.HTTP_STATUS, Outcome.PROTOCOL


def test_a_connection_is_kept(receiver: Receiver, loop: str) -> None:
    """One request after another takes one TLS handshake, also those that are no success."""
    url = receiver.url("/cb", in_turn(answer(), answer(500, b"no"), answer(302), answer()))
    send(receiver, *[request(url)] * 4, loop=loop)
    assert receiver.connections == 1


def test_a_connection_serves_one_account_and_origin(receiver: Receiver) -> None:
    """Paths of an origin share its connections; another name or another account has connections of its own."""
    one, other = receiver.url("/one"), receiver.url("/other")
    elsewhere = one.replace("127.0.0.1", "localhost")
    urls = [(one, "acme"), (other, "acme"), (elsewhere, "acme"), (one, "initech"), (one, "acme"), (other, "initech")]
    send(receiver, *[request(url, account_id=account) for url, account in urls])
    assert [sent.connection for sent in receiver.requests] == [1, 1, 2, 3, 1, 3]
    assert [sent.path for sent in receiver.requests] == ["/one", "/other", "/one", "/one", "/one", "/other"]


def test_a_receiver_cannot_answer_for_another_accounts(receiver: Receiver) -> None:
    """One account's endpoint that answers twice, early or late, never makes another's failures a success."""
    bad = receiver.url("/b", answer(503))
    tricks = [raw(OK + OK), raw(OK, OK), one_after_another(raw(OK), after(0.004, raw(OK))), raw(OK + OK[:20])]
    good = receiver.url("/a", in_turn(*[trick for trick, _ in zip(cycle(tricks), range(100))]))

    async def main() -> tuple[list[Result], list[Result]]:
        async with sender(receiver) as open_sender:
            return await asyncio.gather(
                _one_after_another(open_sender, good, "acme"), _one_after_another(open_sender, bad, "initech")
            )

    tricked, honest = run(main())
    assert {result.outcome for result in honest} == {HTTP_STATUS}
    assert {result.outcome for result in tricked} <= {DELIVERED, PROTOCOL}
    assert len(receiver.requests) == 200, "every request was sent once"


async def _one_after_another(open_sender: Any, url: str, account_id: str, times: int = 100) -> list[Result]:
    return [await open_sender.send(request(url, account_id=account_id)) for _ in range(times)]


# A first answer, and bytes that nobody asked for: in the same read, and just after it.
SURPLUS = {
    "another-answer": (OK, BAD),
    "half-a-head": (OK, BAD[:20]),
    "one-byte": (OK, b"H"),
    "a-body-too-long": (OK, b"surplus"),
    "after-204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"surplus"),
    "after-304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", b"surplus"),
    "after-chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", OK),
}


def tricky(first: bytes, surplus: bytes, pause: float | None) -> Behaviour:
    """Both in one packet, or the surplus after a pause (seconds); then proper answers."""
    trick = raw(first + surplus) if pause is None else one_after_another(raw(first), after(pause, raw(surplus)))
    return in_turn(trick, answer(201))


@pytest.mark.parametrize("pause", [None, 0.02], ids=["at-once", "late"])
@pytest.mark.parametrize(("first", "surplus"), SURPLUS.values(), ids=SURPLUS)
def test_what_nobody_asked_for_closes_the_connection(
    receiver: Receiver, loop: str, first: bytes, surplus: bytes, pause: float | None
) -> None:
    """The first answer counts, the surplus is nobody's answer, and the next request costs no attempt."""
    url = receiver.url("/cb", tricky(first, surplus, pause))

    async def main() -> list[Result]:
        async with sender(receiver) as open_sender:
            results = [await open_sender.send(request(url))]
            await asyncio.to_thread(wait_until, lambda: receiver.open_connections() == 0)
            return [*results, await open_sender.send(request(url))]

    assert [result.status_code for result in run(main(), loop)] == [int(first[9:12]), 201]
    assert [sent.connection for sent in receiver.requests] == [1, 2]


@pytest.mark.parametrize(("first", "surplus"), SURPLUS.values(), ids=SURPLUS)
def test_what_has_come_unread_is_seen_before_a_write(
    receiver: Receiver, loop: str, first: bytes, surplus: bytes
) -> None:
    """Surplus that waits in the socket when the next request is due counts for nothing, and costs no attempt."""
    url = receiver.url("/cb", tricky(first, surplus, 0.02))

    async def main() -> list[Result]:
        async with sender(receiver) as open_sender:
            results = [await open_sender.send(request(url))]
            wait_until(lambda: receiver.behaved == 1)  # the event loop stands still meanwhile, and reads nothing
            return [*results, await open_sender.send(request(url))]

    assert [result.status_code for result in run(main(), loop)] == [int(first[9:12]), 201]
    assert [sent.connection for sent in receiver.requests] == [1, 2]


@pytest.mark.parametrize("early", [OK, OK[:20], b"\0"], ids=["answer", "half-a-head", "byte"])
def test_an_answer_before_the_request_is_none(loop: str, early: bytes) -> None:
    """What a server sends on a new connection before it gets a request is never taken for the answer."""
    with Receiver(greeting=raw(early)) as receiver:
        url = receiver.url("/cb", answer(503))

        async def main() -> list[Result]:
            heard: list[Result] = []
            opened: list[Any] = []
            async with sender(receiver) as open_sender:
                open_sender.start(request(url), heard.append, opened.append)
                await asyncio.to_thread(wait_until, lambda: opened)
                await asyncio.to_thread(wait_until, lambda: receiver.open_connections() == 0)
                opened[0].send()
                await asyncio.to_thread(wait_until, lambda: heard)
            return heard

        assert outcomes(run(main(), loop)) == [(PROTOCOL, None)]
        assert receiver.requests == []


@pytest.mark.parametrize("end", [close, reset], ids=["close", "reset"])
def test_no_request_is_sent_twice(receiver: Receiver, loop: str, end: Behaviour) -> None:
    """When a kept connection dies under a request, the attempt fails: the receiver has seen it, and sees no other."""
    url = receiver.url("/cb", in_turn(answer(), end))
    results = send(receiver, *[request(url)] * 2, loop=loop)
    assert [result.outcome for result in results] == [DELIVERED, PROTOCOL]
    assert [sent.connection for sent in receiver.requests] == [1, 1]


@pytest.mark.parametrize("is_read", [True, False], ids=["seen-by-the-loop", "seen-by-the-check"])
def test_a_connection_closed_meanwhile_costs_no_attempt(receiver: Receiver, loop: str, *, is_read: bool) -> None:
    """What the receiver has closed is seen before anything is sent on it, also if the loop has not looked yet."""

    async def main() -> Sequence[Result]:
        async with sender(receiver) as open_sender:
            first = await open_sender.send(request(receiver.url("/cb")))
            receiver.disconnect()
            if is_read:
                await asyncio.to_thread(wait_until, lambda: receiver.open_connections() == 0)
            return [first, await open_sender.send(request(receiver.url("/cb")))]

    assert [result.outcome for result in run(main(), loop)] == [DELIVERED] * 2
    assert [sent.connection for sent in receiver.requests] == [1, 2]


ENDS = {
    "closed": raw_then_close(b"HTTP/1.1 200 OK\r\n\r\n"),
    "reset": raw_then_reset(b"HTT"),
    "not HTTP": raw(b"Good day\r\n\r\n"),
    "time-out": hang,
}


@pytest.mark.parametrize("end", ENDS)
def test_a_connection_that_has_ended_is_freed_at_once(receiver: Receiver, loop: str, end: str) -> None:
    """Its TLS state is 80 KB of C memory: thousands that wait for the garbage collector took 500 MB in ten minutes."""
    url = receiver.url("/cb", ENDS[end])
    with Receiver() as gone:
        nowhere = gone.url("/never-opened")

    async def main() -> int:
        async with sender(receiver, request_timeout=0.3) as open_sender:
            gc.collect()
            gc.disable()
            await asyncio.gather(*[open_sender.send(request(url)) for _ in range(10)])
            assert (await open_sender.send(request(nowhere))).outcome is Outcome.CONNECT
            await asyncio.sleep(0.1)
            return sum(isinstance(each, Connection | Answer) for each in gc.get_objects())

    try:
        assert run(main(), loop) == 0
    finally:
        gc.enable()
