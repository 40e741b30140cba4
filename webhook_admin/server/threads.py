"""Threads for the work that waits for the store, behind a queue that has an end."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

Work = Callable[[], Any]


class QueueFull(Exception):
    """As much work waits as may."""


class Threads:
    """Runs work of an event loop in a few threads, in the order in which it comes. All methods are the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int, max_waiting: int) -> None:
        self._loop = loop
        self._room = count + max_waiting
        self._queue: SimpleQueue[tuple[Work, asyncio.Future[Any]]] = SimpleQueue()
        for number in range(count):
            threading.Thread(target=self._run, name=f"request-{number}", daemon=True).start()

    async def __call__(self, work: Work) -> Any:
        """Return what `work` does, or raise what it raises. Raises `QueueFull` at once if too much waits already."""
        if self._room <= 0:
            raise QueueFull
        self._room -= 1
        try:
            done = self._loop.create_future()
            self._queue.put((work, done))
            return await done
        finally:
            self._room += 1

    def _run(self) -> None:
        while True:
            work, done = self._queue.get()
            try:
                settle, outcome = done.set_result, work()
            except BaseException as error:  # noqa: BLE001  raised where the work is waited for
                settle, outcome = done.set_exception, error
            self._loop.call_soon_threadsafe(settle, outcome)
