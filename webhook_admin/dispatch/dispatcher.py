"""The dispatcher: leases lanes, fetches what is due, sends it, records what came of it, and releases the lanes.

The network is the event loop's work, the store is one thread's. Results wait in `_ended` to be recorded; requests are
started by the loop while the thread keeps the webhooks from being changed.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache, partial

import structlog
from cryptography.fernet import MultiFernet
from sqlalchemy import Connection

from webhook_admin import webhooks
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.db.wake_up import wake_ups
from webhook_admin.dispatch import sending
from webhook_admin.dispatch.decide import Limits
from webhook_admin.dispatch.leased_lanes import Holdings
from webhook_admin.dispatch.sending import Ended, Sending
from webhook_admin.errors import StoreUnavailable
from webhook_admin.ids import new_id
from webhook_admin.queue import attempts, clock, deliveries, lanes
from webhook_admin.queue.deliveries import Next, State
from webhook_admin.sender.sender import Result, Sender

_AT_LEAST_EVERY = clock.SECOND
_AFTER_TROUBLE = 1.0  # seconds
_STOP_GRACE = 5.0  # seconds
_ANY = 2**31 - 1
log = structlog.get_logger()


class Dispatcher:
    """Delivers what is in the store; on PostgreSQL beside any number of others."""

    def __init__(self, settings: Settings, database: Database, cipher: MultiFernet) -> None:
        self._database = database
        self._settings = settings
        self._limits = Limits(
            [round(wait * clock.SECOND) for wait in settings.retry_schedule],
            round(settings.delivery_max_age * clock.SECOND),
        )
        self._lease_time = settings.lease_seconds * clock.SECOND
        self._decrypt = lru_cache(10_000)(lambda encrypted: cipher.decrypt(encrypted).decode())
        self._holder = new_id("dsp")
        self._holdings = Holdings(settings.max_in_flight, settings.lane_concurrency)
        self._ended: deque[tuple[Sending, Result]] = deque()
        self._unrecorded: list[Ended] = []
        self._not_made: list[Sending] = []
        self._woken = False
        self._stopping = False
        self._renew_at = self._look_round_at = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then let what is under way end, record it, and release the lanes."""
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
            listening = tasks.create_task(self._listen())
            tasks.create_task(self._heed(stop))
            while not self._is_done():
                await self._turn()
            listening.cancel()

    async def _listen(self) -> None:
        async for _ in wake_ups(self._database):
            self._woken = True
            self._wake.set()

    async def _heed(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stop_by = self._loop.time() + self._settings.request_timeout + _STOP_GRACE
        self._stopping = True
        self._wake.set()

    def _is_done(self) -> bool:
        if not self._stopping:
            return False
        left = self._holdings.under_way or self._holdings.leased or self._ended or self._unrecorded or self._not_made
        if left and self._loop.time() > self._stop_by:
            log.error("stopped_without_store", unrecorded=len(self._ended) + len(self._unrecorded))
            return True
        return not left

    async def _turn(self) -> None:
        self._wake.clear()
        try:
            wait = await asyncio.to_thread(self._work)
        except StoreUnavailable as error:
            log.warning("store_unavailable", cause=error.cause)
            # Whether the last transaction was committed is not known, and so it is not known which lanes are held.
            self._renew_at = 0
            await asyncio.sleep(_AFTER_TROUBLE)
            return
        if wait > 0 and not self._is_done():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait / clock.SECOND)

    def _work(self) -> int:
        """One turn at the store. Returns for how many milliseconds there is nothing to do unless something comes.

        Attempts are counted in one transaction and started in the next: every request that leaves is on record.
        """
        now = clock.now()
        with self._database.transaction() as connection:
            self._record(connection, now)
            self._renew(connection, now)
            self._release(connection, now)
            self._look_round(connection, now)
            self._lease(connection, now)
            begun = self._fetch(connection, now)
            next_due = lanes.next_due(connection, now)
        self._unrecorded.clear()
        self._not_made = begun
        if begun:
            self._send()
        if self._holdings.wanted(now) or self._holdings.idle(now, closing=self._stopping) or self._look_round_at <= now:
            return 0
        return min(next_due or self._renew_at, self._renew_at, now + _AT_LEAST_EVERY) - now

    def _record(self, connection: Connection, now: int) -> None:
        attempts.take_back(connection, [each.begun for each in self._not_made])
        while self._ended:
            each, result = self._ended.popleft()
            ended = sending.conclude(each, result, self._limits, now)
            self._holdings.ended(each.due.lane, each.due.id, ended.is_delivered, now)
            self._unrecorded.append(ended)
        if self._unrecorded:
            attempts.record(connection, [ended.attempt for ended in self._unrecorded])
            deliveries.conclude(connection, [ended.next for ended in self._unrecorded])
        for gone in sorted({ended.gone for ended in self._unrecorded if ended.gone}):
            webhooks.disable(connection, *gone, clock.moment(now))

    def _renew(self, connection: Connection, now: int) -> None:
        if now < self._renew_at:
            return
        self._holdings.hold(lanes.renew(connection, self._holder, now + self._lease_time), now)
        self._renew_at = now + self._lease_time // 3

    def _release(self, connection: Connection, now: int) -> None:
        if self._woken:
            self._woken = False
            self._holdings.wake()
        releases = self._holdings.idle(now, closing=self._stopping)
        if releases:
            lanes.release(connection, self._holder, releases)
            self._holdings.forget([release.key for release in releases])

    def _look_round(self, connection: Connection, now: int) -> None:
        """Cancel what nobody waits for any more, and go back to the lanes whose webhooks have changed."""
        if now < self._look_round_at:
            return
        started = clock.now()
        changed = lanes.changed(connection, now)
        # Lanes with more than can be cancelled at once are left as they are, and found again.
        if deliveries.cancel_orphans(connection, [key for key, orphaned in changed if orphaned]):
            lanes.wake(connection, [key for key, _ in changed], now)
            # Where there are very many lanes, this is to have no more than a twentieth of the time.
            self._look_round_at = now + max(_AT_LEAST_EVERY, 20 * (clock.now() - started))

    def _lease(self, connection: Connection, now: int) -> None:
        room = 0 if self._stopping else self._holdings.room(now)
        if room:
            most_failures = _ANY if self._holdings.takes_doubtful else 0
            leases = lanes.lease(connection, self._holder, now, now + self._lease_time, room, most_failures)
            self._holdings.take(leases, now)

    def _fetch(self, connection: Connection, now: int) -> list[Sending]:
        wanted = [] if self._stopping else self._holdings.wanted(now)
        if not wanted:
            return []
        found = deliveries.due(connection, wanted, now)
        self._holdings.found(wanted, Counter(due.lane for due in found))
        attempts.record(connection, [sending.unknown(due) for due in found if due.attempts > due.recorded])
        prepared = [sending.prepare(due, self._limits, self._decrypt, now) for due in found]
        ended = [each for each in prepared if isinstance(each, Next)]
        deliveries.conclude(connection, ended)
        # Where one is cancelled, or the webhook is not the one of before, there is more to cancel.
        cancelled = {each.id for each in ended if each.state is State.CANCELLED}
        deliveries.cancel_orphans(
            connection,
            {due.lane for due in found if due.id in cancelled or self._holdings.is_replaced(due.lane, due.webhook)},
        )
        begun = [each for each in prepared if isinstance(each, Sending)]
        # Also if it does not come to the commit, or nobody knows whether it did.
        self._not_made = [*self._not_made, *begun]
        still_due = attempts.begin(connection, [each.begun for each in begun])
        return [each for each in begun if each.due.id in still_due]

    def _send(self) -> None:
        """Start the requests whose webhooks are as they were, while nobody can change them.

        So none goes to the old URL once a PUT or DELETE has been answered. The others are not made, and do not count.
        """
        with self._database.transaction() as connection:
            unchanged = attempts.hold_unchanged(connection, [each.due for each in self._not_made])
            start = [each for each in self._not_made if each.due.id in unchanged]
            self._not_made = [each for each in self._not_made if each.due.id not in unchanged]
            asyncio.run_coroutine_threadsafe(self._start(start), self._loop).result()
            attempts.take_back(connection, [each.begun for each in self._not_made])
        self._not_made = []

    async def _start(self, begun: Sequence[Sending]) -> None:
        for each in begun:
            each.started_at = clock.now()
            self._holdings.started(each.due.lane, each.due.id, each.due.webhook.etag if each.due.webhook else None)
            self._sender.start(each.request, partial(self._end, each))

    def _end(self, each: Sending, result: Result) -> None:
        self._ended.append((each, result))
        self._wake.set()
