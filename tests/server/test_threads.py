"""Threads behind a queue that has an end."""

import asyncio
import threading
from functools import partial

import pytest

from webhook_admin.server.threads import QueueFull, Threads


def test_work_is_done_in_threads_of_its_own() -> None:
    """The event loop gets what the work returns, or raises, and is free meanwhile."""

    async def run() -> None:
        threads = Threads(asyncio.get_running_loop(), count=2, max_waiting=2)
        both = threading.Barrier(2)
        await asyncio.gather(threads(lambda: both.wait(10)), threads(lambda: both.wait(10)))
        assert await threads(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await threads(lambda: 1 / 0)
        assert await threads(lambda: "still there") == "still there"

    asyncio.run(run())


def test_callers_take_turns() -> None:
    """Whoever has one request waits for one of each other caller, however many those have sent."""

    async def run() -> list[str]:
        threads = Threads(asyncio.get_running_loop(), count=1, max_waiting=100)
        go_on = threading.Event()
        order: list[str] = []
        callers = ["first", *["busy"] * 50, "second", *["busy"] * 49, "third"]
        blocking = asyncio.create_task(threads(lambda: go_on.wait(10), "blocking"))
        work = [asyncio.create_task(threads(partial(order.append, caller), caller)) for caller in callers]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(blocking, *work)
        return order

    assert asyncio.run(run())[:6] == ["first", "busy", "second", "third", "busy", "busy"]


def test_more_work_than_may_wait_is_refused_at_once() -> None:
    """With all threads busy and a caller's queue full it gets an error; others have room, and so has it later."""

    async def run() -> None:
        threads = Threads(asyncio.get_running_loop(), count=1, max_waiting=2)
        go_on = threading.Event()
        busy = asyncio.create_task(threads(lambda: go_on.wait(10), "blocking"))
        waiting = [busy, *(asyncio.create_task(threads(lambda: go_on.wait(10))) for _ in range(2))]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await threads(threading.get_ident)
        waiting.append(asyncio.create_task(threads(lambda: go_on.wait(10), "another")))
        await asyncio.sleep(0)
        go_on.set()
        assert await asyncio.gather(*waiting) == [True] * 4
        assert await threads(lambda: "room") == "room"

    asyncio.run(run())
