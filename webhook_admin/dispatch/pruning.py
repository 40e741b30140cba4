"""Pruning: a dispatcher deletes what retention lets go, beside its turns and in at most 5 % of the time."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from typing import Self, TypeVar

import structlog

from webhook_admin.config import DAY, Settings
from webhook_admin.db import Database, milliseconds_now
from webhook_admin.errors import StoreUnavailable
from webhook_admin.queue import lanes, retention, statistics
from webhook_admin.queue.clock import HOUR, SECOND

T = TypeVar("T")
_IDLE_LANES_STAY = 7 * 24 * HOUR
"""How long an idle lane keeps what was learned about its receiver (ms)."""
_SWEEP_EVERY = 3_600  # seconds
_FIRST_AFTER = 60  # seconds
# Of a short retention, as in tests: what is deleted too late is at most such a part of what is kept.
_SWEEPS_PER_RETENTION = 50
# A step takes about 10 ms; the pause behind it is so many times as long. On SQLite all other writers wait for it.
_DELIVERIES, _ACCOUNTS, _LANES = 100, 100, 200
_DELIVERIES_ON_SQLITE = 25
_PAUSE = 19
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows of a kind were deleted; `seen` counts the deliveries that were looked at."""

    seen: int = 0
    deliveries: int = 0
    attempts: int = 0
    statistics: int = 0
    lanes: int = 0

    def __add__(self, other: Self) -> "Pruned":
        return Pruned(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


def sweep(database: Database, before: int | None, now: int) -> Iterator[Pruned]:
    """Delete once what is old at `now`, in short transactions, one for each item; times are in ms.

    Deliveries that have ended go if they were accepted and last resent `before` then; None keeps them all. So go
    statistics that the API shows no more, and lanes that were idle for a week.
    """
    if before is not None:
        yield from _deliveries(database, before)
    yield from _statistics(database, now // HOUR - statistics.MAX_HOURS + 1)
    yield from _lanes(database, now)


def _deliveries(database: Database, before: int) -> Iterator[Pruned]:
    # The id where the last step ended: what stays is looked at once in a sweep.
    after = ""
    limit = min(_DELIVERIES, _DELIVERIES_ON_SQLITE) if database.file else _DELIVERIES
    while True:
        with database.connect() as connection:
            found = retention.find(connection, after, before, limit)
        deleted = attempts = 0
        if old := [each for each in found if each.is_old]:
            with database.transaction() as transaction:
                deleted, attempts = retention.delete(transaction, old, before)
        yield Pruned(seen=len(found), deliveries=deleted, attempts=attempts)
        if len(found) < limit:
            return
        after = found[-1].id


def _statistics(database: Database, before_hour: int) -> Iterator[Pruned]:
    after = ""
    while True:
        with database.transaction() as transaction:
            account_ids = retention.counted_accounts(transaction, after, _ACCOUNTS)
            deleted = retention.delete_statistics(transaction, account_ids, before_hour)
        yield Pruned(statistics=deleted)
        if len(account_ids) < _ACCOUNTS:
            return
        after = account_ids[-1]


def _lanes(database: Database, now: int) -> Iterator[Pruned]:
    deleted = _LANES
    while deleted == _LANES:
        with database.transaction() as transaction:
            deleted = lanes.prune(transaction, now - _IDLE_LANES_STAY, _LANES)
        yield Pruned(lanes=deleted)


async def _in_thread(work: Callable[[], T]) -> T:
    """Do the work in a thread. A cancellation waits for its end, which gives the connection back."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


class Pruning:
    """A dispatcher's sweeps, one an hour. Several dispatchers may sweep at once: each skips what another has locked."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._retention = round(settings.retention_days * DAY * SECOND)
        soon = self._retention / SECOND / _SWEEPS_PER_RETENTION or _SWEEP_EVERY
        self._every = min(max(soon, 1), _SWEEP_EVERY)

    async def run(self) -> None:
        """Sweep, for ever; not while the store is failing, as the dispatcher's turns say when it is back."""
        await asyncio.sleep(min(self._every, _FIRST_AFTER))
        while True:
            with suppress(StoreUnavailable):
                await self._sweep()
            await asyncio.sleep(self._every)

    async def _sweep(self) -> None:
        steps = await _in_thread(self._begin)
        loop, total = asyncio.get_running_loop(), Pruned()
        while not self._database.is_failing:
            began_at = loop.time()
            step = await _in_thread(partial(next, steps, None))
            if step is None:
                break
            total += step
            await asyncio.sleep(_PAUSE * (loop.time() - began_at))
        if total.deliveries or total.statistics or total.lanes:
            log.info("pruned", **{each.name: getattr(total, each.name) for each in fields(total)})

    def _begin(self) -> Iterator[Pruned]:
        with self._database.connect() as connection:
            now = milliseconds_now(connection)
        return sweep(self._database, now - self._retention if self._retention else None, now)
