"""The pool: how many connections there are, and for how long each is kept."""

import asyncio
import os
import resource
import socket
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psutil
import pytest

from tests.receiver import Receiver, after, answer, hold
from tests.sender.sending import outcomes, request, run, send, sender
from tests.waiting import wait_until
from webhook_admin.sender.sender import Outcome, Result, Sender

IDLE = 0.3  # seconds


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition while the event loop goes on."""
    await asyncio.to_thread(wait_until, condition)


def test_a_connection_is_kept_for_a_time_only(receiver: Receiver) -> None:
    """What nobody uses for that long is closed, so that memory and sockets follow the load."""

    async def main() -> None:
        async with sender(receiver, idle_seconds=IDLE) as open_sender:
            await asyncio.gather(*[open_sender.send(request(receiver.url("/cb"))) for _ in range(5)])
            assert receiver.open_connections() > 0
            await until(lambda: receiver.open_connections() == 0)

    run(main())


def test_each_connection_has_a_clock_of_its_own(receiver: Receiver) -> None:
    """After a burst of 50, one request after another keeps one connection: it is not the origin that is idle."""
    held = hold()

    async def main() -> None:
        async with sender(receiver, idle_seconds=IDLE) as open_sender:
            burst = [asyncio.create_task(open_sender.send(request(receiver.url("/cb", held)))) for _ in range(50)]
            await until(lambda: len(receiver.requests) == 50)
            held.release()
            await asyncio.gather(*burst)
            for _ in count():
                await open_sender.send(request(receiver.url("/cb")))
                if receiver.open_connections() == 1:
                    return

    asyncio.run(asyncio.wait_for(main(), 10))
    assert receiver.connections == 50, "the connections that are closed are those that nobody uses"


def test_idle_connections_are_bounded(receiver: Receiver) -> None:
    """However many webhooks there are, no more connections are open than allowed."""

    async def main() -> None:
        async with sender(receiver, max_connections=3) as open_sender:
            urls = [receiver.url("/cb"), receiver.url("/cb").replace("127.0.0.1", "localhost")]
            for _ in range(5):
                await asyncio.gather(*[open_sender.send(request(url)) for url in urls * 4])
            await until(lambda: receiver.open_connections() <= 3)

    run(main())
    assert len(receiver.requests) == 40


def test_the_one_that_is_idle_for_longest_makes_room(receiver: Receiver) -> None:
    """At the limit, a new origin takes the place of the connection that has not been used for longest."""
    accounts = ["a", "b", "a", "c", "a", "c", "b"]
    send(receiver, *[request(receiver.url("/cb"), account_id=name) for name in accounts], max_connections=2)
    assert [sent.connection for sent in receiver.requests] == [1, 2, 1, 3, 1, 3, 4]


def test_more_requests_than_connections_wait_their_turn(receiver: Receiver, loop: str) -> None:
    """Where all connections are in use, a request waits for one within its deadline, whoever's they are."""

    async def main() -> list[Result]:
        async with sender(receiver, max_connections=2) as open_sender:
            url = receiver.url("/cb", after(0.05, answer()))
            return await asyncio.gather(
                *[open_sender.send(request(url, account_id=str(number % 4))) for number in range(12)]
            )

    assert {result.outcome for result in run(main(), loop)} == {Outcome.DELIVERED}


def test_whoever_waits_in_vain_is_told(receiver: Receiver) -> None:
    """When no connection becomes free in time, the outcome is a time-out that says so, and nothing is sent."""
    url = receiver.url("/cb", hold())

    async def main() -> list[Result]:
        async with sender(receiver, max_connections=1, connect_timeout=0.3) as open_sender:
            first = asyncio.create_task(open_sender.send(request(url)))
            await until(lambda: receiver.requests)
            results = [await open_sender.send(request(url))]
            return [*results, await asyncio.wait_for(_stopped(open_sender, first), 5)]

    late, stopped = run(main())
    assert (late.outcome, late.detail) == (
        Outcome.TIMEOUT,
        "No connection of the dispatcher's became free within 0.3 s.",
    )
    assert stopped.outcome is Outcome.UNKNOWN
    assert len(receiver.requests) == 1


async def _stopped(open_sender: Sender, task: asyncio.Task[Result]) -> Result:
    await open_sender.__aexit__()
    return await task


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=4_000) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/"


def test_handshakes_that_time_out_give_their_places_back(receiver: Receiver, silent: str, loop: str) -> None:
    """After 40 handshakes with a silent server, all 20 places can be used at once."""
    held = hold()
    url = receiver.url("/cb", held)

    async def main() -> list[Result]:
        async with sender(receiver, max_connections=20, connect_timeout=1) as open_sender:
            late = [await asyncio.gather(*[open_sender.send(request(silent)) for _ in range(20)]) for _ in range(2)]
            tasks = [asyncio.create_task(open_sender.send(request(url))) for _ in range(20)]
            await until(lambda: len(receiver.requests) == 20)
            held.release()
            return [*late[0], *late[1], *await asyncio.gather(*tasks)]

    assert outcomes(run(main(), loop)) == [(Outcome.TIMEOUT, None)] * 40 + [(Outcome.DELIVERED, 200)] * 20


def test_handshakes_that_are_given_up_leave_nothing(receiver: Receiver, silent: str, loop: str) -> None:
    """1,000 handshakes that the sender's end overtakes end as `unknown`, and leave no descriptor behind."""
    process = psutil.Process()

    async def main() -> list[Result]:
        tasks: list[asyncio.Task[Result]] = []
        for turns in range(1, 6):
            async with sender(receiver, max_connections=200) as open_sender:
                tasks += [asyncio.create_task(open_sender.send(request(silent))) for _ in range(200)]
                for _ in range(turns):
                    await asyncio.sleep(0)  # each time a little further
        return await asyncio.gather(*tasks)

    before = process.num_fds()
    assert outcomes(run(main(), loop)) == [(Outcome.UNKNOWN, None)] * 1_000
    wait_until(lambda: process.num_fds() <= before)


def test_too_many_open_files_is_an_outcome(receiver: Receiver, loop: str) -> None:
    """Without a free descriptor an attempt ends as `connect` and says why; afterwards all is well again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> list[Result]:
        async with sender(receiver) as open_sender:
            url = receiver.url("/cb")
            os.close(next_one := os.dup(0))
            resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
            try:
                results = [await open_sender.send(request(url))]
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            return [*results, await open_sender.send(request(url))]

    first, second = run(main(), loop)
    assert outcomes([first, second]) == [(Outcome.CONNECT, None), (Outcome.DELIVERED, 200)]
    assert first.detail == f"Too many open files: 127.0.0.1, port {receiver.port}."
    assert first.hint == "Raise the dispatcher's limit of open files (ulimit -n)."
