"""The dispatcher: an event loop for the network, beside a thread that takes one turn at the store after the other."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import structlog
from cryptography.fernet import MultiFernet

from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.db.wake_up import wake_ups
from webhook_admin.dispatch.pruning import Pruning
from webhook_admin.dispatch.turns import Ready, Started, Turns
from webhook_admin.errors import StoreUnavailable
from webhook_admin.queue import clock
from webhook_admin.sender.request import Result
from webhook_admin.sender.sender import Opened, Sender

_AFTER_TROUBLE = 1.0  # seconds
_STOP_GRACE = 5.0  # seconds
_MEASURE_EVERY = 1.0  # seconds
log = structlog.get_logger()


class Dispatcher:
    """Delivers what is in the store; on PostgreSQL beside any number of others."""

    def __init__(self, settings: Settings, database: Database, cipher: MultiFernet) -> None:
        self._database = database
        self._settings = settings
        self._turns = Turns(settings, database, cipher, self._hand_over)
        self._pruning = Pruning(settings, database)
        self._is_stopping = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then let requests in flight end, record them, and release the lanes."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._sender = Sender(
            self._settings.connect_timeout,
            self._settings.request_timeout,
            self._settings.allowed_networks,
            self._settings.ca_bundle,
            max_connections=self._settings.max_in_flight,
        )
        async with self._sender, asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(each) for each in (self._listen(), self._measure(), self._pruning.run())]
            tasks.create_task(self._heed(stop))
            while not self._is_done():
                await self._turn()
            for task in beside:
                task.cancel()

    async def _listen(self) -> None:
        async for _ in wake_ups(self._database):
            self._turns.wake()
            self._wake.set()

    async def _measure(self) -> None:
        while True:
            self._turns.metrics.connected(*self._sender.connections)
            await asyncio.sleep(_MEASURE_EVERY)

    async def _heed(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stop_by = self._loop.time() + self._settings.request_timeout + _STOP_GRACE
        self._is_stopping = True
        self._turns.stop()
        self._wake.set()

    def _is_done(self) -> bool:
        if not self._is_stopping:
            return False
        if self._turns.is_unfinished and self._loop.time() > self._stop_by:
            log.error("stopped_without_store")
            return True
        return not self._turns.is_unfinished

    async def _turn(self) -> None:
        self._wake.clear()
        try:
            wait = await asyncio.to_thread(self._turns.take)
        except StoreUnavailable as error:
            log.warning("store_unavailable", cause=error.cause)
            await asyncio.sleep(_AFTER_TROUBLE)
            return
        if wait > 0 and not self._is_done():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait / clock.SECOND)

    def _hand_over(self, new: Sequence[Started], ready: Sequence[Ready], changed: Sequence[Ready]) -> Sequence[Started]:
        """Called in the store's thread, which waits until the event loop has done it."""
        return asyncio.run_coroutine_threadsafe(self._start(new, ready, changed), self._loop).result()

    async def _start(
        self, new: Sequence[Started], ready: Sequence[Ready], changed: Sequence[Ready]
    ) -> Sequence[Started]:
        for _, opened in ready:
            opened.send()
        given_up = [(started, opened) for started, opened in changed if not started.is_ended]
        for _, opened in given_up:
            opened.give_up()
        for started in new:
            self._sender.start(started.sending.request, partial(self._end, started), partial(self._open, started))
        return [started for started, _ in given_up]

    def _open(self, started: Started, opened: Opened) -> None:
        self._turns.opened.append((started, opened))
        self._wake.set()

    def _end(self, started: Started, result: Result) -> None:
        started.is_ended = True
        self._turns.ended.append((started, result))
        self._wake.set()
