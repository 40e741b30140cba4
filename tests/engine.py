"""What the tests of the delivery engine work with: a store with customers, its queue laid open, running dispatchers."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from cryptography.fernet import MultiFernet
from sqlalchemy import Connection, Row, select

from tests.waiting import wait_until
from webhook_admin import accounts, encryption, webhooks
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.dispatch.dispatcher import Dispatcher
from webhook_admin.events import Event
from webhook_admin.models import attempts as attempts_table
from webhook_admin.models import deliveries as deliveries_table
from webhook_admin.models import lanes as lanes_table
from webhook_admin.queue import clock, due_lanes, lanes, leases
from webhook_admin.queue.accept import Accepted, accept
from webhook_admin.queue.due_lanes import Ask
from webhook_admin.queue.lanes import Key, Standing
from webhook_admin.queue.leases import Release

LONG_AGO = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
URL = "https://hooks.example.com/status"
OWN_URL = "https://orders.example.com/order-1"
LANE = Key("acme", lanes.WEBHOOK)
ANY = 1_000_000


def event(number: object = 1, account_id: str = "acme", **fields: Any) -> Event:
    """An event of an account; `number` makes its id and its message's."""
    given = {"channel": "SMS", "status": "SENT", "timestamp": "2026-04-09T14:39:40.69257Z", "id": f"evt_{number}"}
    return Event(**{"account_id": account_id, "message_id": f"msg_{number}"} | given | fields)


def release(key: Key, **learned: Any) -> Release:
    """A release of a lane; a pause puts it off."""
    known = {"failures": 0, "paused_until": 0, "standing": Standing.QUICK, "window": 1.0, "threshold": None, **learned}
    return Release(**{"key": key, "not_before": known["paused_until"], **known})


@dataclass
class Queue:
    """The store, and what is in its queue. Customers are `LONG_AGO`'s, so that nothing counts as just changed."""

    database: Database
    cipher: MultiFernet

    def customer(self, account_id: str = "acme", callback_url: str | None = URL, **options: Any) -> str:
        """Make an account, and a webhook if there is a URL; the webhook's signing secret, or ""."""
        with self.database.transaction() as connection:
            accounts.create(connection, account_id, LONG_AGO)
            if callback_url is None:
                return ""
            return self.register(connection, account_id, callback_url, **options).signing_secret

    def register(self, connection: Connection, account_id: str, url: str, **options: Any) -> webhooks.NewWebhook:
        """Make a webhook."""
        return webhooks.register(connection, self.cipher, account_id, LONG_AGO, url, **options)

    def accept(self, *events: Event, now: datetime | None = None) -> Accepted:
        """Take events in."""
        with self.database.transaction() as transaction:
            return accept(transaction, events, now or datetime.now(UTC))

    def deliveries(self, **having: Any) -> list[Row[Any]]:
        """The deliveries, all or those that have these values, in the order of their ids."""
        return self._rows(deliveries_table, deliveries_table.c.id, having)

    def delivery(self, number: int = 1) -> Row[Any]:
        """The delivery of `event(number)`."""
        (row,) = self.deliveries(event_id=f"evt_{number}")
        return row

    def states(self) -> Counter[str]:
        """How many deliveries are in each state."""
        return Counter(row.state for row in self.deliveries())

    def attempts(self, **having: Any) -> list[Row[Any]]:
        """The attempts on record."""
        return self._rows(attempts_table, attempts_table.c.number, having)

    def outcomes(self, number: int = 1) -> list[str]:
        """The outcomes of the attempts for `event(number)`."""
        return [row.outcome for row in self.attempts(delivery_id=self.delivery(number).id)]

    def lanes(self, **having: Any) -> list[Row[Any]]:
        """The lanes that have a row, in the order of their keys."""
        return self._rows(lanes_table, lanes_table.c.account_id, having)

    def due_lanes(self) -> list[Key]:
        """The keys of the lanes that are due at some time or leased, in order."""
        return sorted(Key(row.account_id, row.destination) for row in self.lanes() if row.due_at is not None)

    def pending_lanes(self) -> list[Key]:
        """The lanes that have pending deliveries."""
        return sorted({Key(row.account_id, row.destination) for row in self.deliveries(state="PENDING")})

    def lease(self, holder: str = "one", now: int | None = None, limit: int = ANY, seconds: int = 30) -> list[Key]:
        """Take due lanes, as a dispatcher does that has none; up to `limit` of each standing."""
        now = clock.now() if now is None else now
        asks = [Ask(standing=standing, limit=limit, share=ANY, held={}) for standing in Standing]
        with self.database.transaction() as connection:
            leased = due_lanes.lease(connection, holder, now, now + seconds * clock.SECOND, asks)
        return [lease.key for lease in leased.leases]

    def release(self, *keys: Key, holder: str = "one", now: int | None = None, **learned: Any) -> None:
        """Give lanes back, as a dispatcher does that has `learned` this."""
        with self.database.transaction() as connection:
            given = [release(key, **learned) for key in keys]
            leases.release(connection, holder, given, clock.now() if now is None else now)

    def finish(self, deliveries: Iterable[Row[Any]]) -> None:
        """Let deliveries end, as if they had been sent."""
        ended = deliveries_table.update().where(deliveries_table.c.id.in_([row.id for row in deliveries]))
        with self.database.transaction() as connection:
            connection.execute(ended.values(state="DELIVERED", due_at=None))

    def put_webhook(self, account_id: str = "acme", now: datetime | None = None, **changes: str) -> None:
        """PUT."""
        with self.database.transaction() as connection:
            webhooks.replace(connection, account_id, now or datetime.now(UTC), **changes)

    def delete_webhook(self, account_id: str = "acme") -> None:
        """DELETE."""
        with self.database.transaction() as connection:
            webhooks.remove(connection, account_id, datetime.now(UTC))

    def delete_account(self, account_id: str = "acme") -> None:
        """DELETE /accounts/..."""
        with self.database.transaction() as connection:
            accounts.remove(connection, account_id, datetime.now(UTC))

    def webhook(self, account_id: str = "acme") -> webhooks.Webhook:
        """GET."""
        with self.database.connect() as connection:
            return webhooks.get(connection, account_id)

    def wait_for(self, seconds: float = 10, **states: int) -> None:
        """Wait until these are the numbers of deliveries in each state, and no others."""
        wait_until(lambda: self.states() == states, seconds)

    def wait_for_rest(self) -> None:
        """Wait until nothing is pending, and no lane is due or leased."""
        wait_until(lambda: not self.due_lanes())
        assert not self.deliveries(state="PENDING")

    def _rows(self, table: Any, order: Any, having: dict[str, Any]) -> list[Row[Any]]:
        chosen = select(table).where(*(table.c[name] == value for name, value in having.items())).order_by(order)
        with self.database.connect() as connection:
            return list(connection.execute(chosen))


class Running:
    """A dispatcher at work, with a thread, an event loop and connections of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = threading.Thread(target=self._run)
        self._started = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Tell it to stop, and wait for its end; what it failed by, if it did."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(30)
            assert not self._thread.is_alive()
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._dispatch())
        except BaseException as error:  # noqa: BLE001  a thread cannot raise it; `stop` does
            self._failure = error

    async def _dispatch(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._loop.call_soon(self._started.set)
        database = Database(self._settings.database_url)
        try:
            await Dispatcher(self._settings, database, encryption.load_cipher(self._settings)).run(self._stop)
        finally:
            database.close()


Configure = Callable[..., Settings]
Dispatch = Callable[..., Running]


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Do `work(0)`, `work(1)`, ... at once, each in a thread; what they returned, or the errors that they raised."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(place: int) -> None:
        barrier.wait()
        try:
            results[place] = work(place)
        except Exception as error:  # noqa: BLE001  whatever it is, the test has to see it
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return results


def errors(results: Iterable[Any]) -> list[Exception]:
    """Those of the results of `together` that are errors."""
    return [result for result in results if isinstance(result, Exception)]
