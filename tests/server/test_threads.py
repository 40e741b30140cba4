"""Threads behind a queue that has an end."""

import asyncio
import threading

import pytest

from webhook_admin.server.threads import QueueFull, Threads


def test_work_is_done_in_threads_of_its_own() -> None:
    """The event loop gets what the work returns, or raises, and is free meanwhile."""

    async def run() -> None:
        threads = Threads(asyncio.get_running_loop(), count=2, max_waiting=0)
        both = threading.Barrier(2)
        await asyncio.gather(threads(lambda: both.wait(10)), threads(lambda: both.wait(10)))
        assert await threads(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await threads(lambda: 1 / 0)
        assert await threads(lambda: "still there") == "still there"

    asyncio.run(run())


def test_more_work_than_may_wait_is_refused_at_once() -> None:
    """With all threads busy and the queue full there is an error, and room again when work has been done."""

    async def run() -> None:
        threads = Threads(asyncio.get_running_loop(), count=1, max_waiting=2)
        go_on = threading.Event()
        waiting = [asyncio.create_task(threads(lambda: go_on.wait(10))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await threads(threading.get_ident)
        go_on.set()
        assert await asyncio.gather(*waiting) == [True] * 3
        assert await threads(lambda: "room") == "room"

    asyncio.run(run())
