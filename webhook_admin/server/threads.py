"""Threads for the work that waits for the store, behind queues that have an end."""

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Work = Callable[[], Any]


class QueueFull(Exception):
    """As much work of this caller waits as may."""


class Threads:
    """Runs work of an event loop in a few threads. All methods are the loop's.

    Each caller has a queue, and the queues take turns: whoever has one request waits for one of each other caller, and
    not for all that a busy one has sent.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int, max_waiting: int) -> None:
        """`max_waiting` is how much work of one caller may wait."""
        self._loop = loop
        self._max_waiting = max_waiting
        self._queues: OrderedDict[Hashable, deque[tuple[Work, asyncio.Future[Any]]]] = OrderedDict()
        self._lock = threading.Lock()
        # One item for each piece of work that waits in the queues.
        self._waiting: SimpleQueue[None] = SimpleQueue()
        for number in range(count):
            threading.Thread(target=self._run, name=f"request-{number}", daemon=True).start()

    async def __call__(self, work: Callable[[], T], caller: Hashable = None) -> T:
        """Return what `work` does, or raise what it raises. Raises `QueueFull` at once if too much waits already."""
        done: asyncio.Future[T] = self._loop.create_future()
        with self._lock:
            queue = self._queues.setdefault(caller, deque())
            if len(queue) >= self._max_waiting:
                raise QueueFull
            queue.append((work, done))
        self._waiting.put(None)
        return await done

    def _run(self) -> None:
        while True:
            work, done = self._next()
            try:
                settle, outcome = done.set_result, work()
            except BaseException as error:  # noqa: BLE001  raised where the work is waited for
                settle, outcome = done.set_exception, error
            self._loop.call_soon_threadsafe(settle, outcome)

    def _next(self) -> tuple[Work, asyncio.Future[Any]]:
        self._waiting.get()
        with self._lock:
            caller, queue = self._queues.popitem(last=False)
            work = queue.popleft()
            if queue:
                self._queues[caller] = queue
        return work
