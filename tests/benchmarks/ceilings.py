"""The benchmark's two ceilings, in this checkout's own code: `python -m tests.benchmarks.ceilings bare|loop EVENTS`.

Run by `tests.benchmarks.delivery`. This is the one file of it that reaches into the dispatcher and the sender.
"""

import asyncio
import itertools
import json
import time
from typing import Any

import click

from webhook_admin import encryption, formats, logs
from webhook_admin.cli.dispatching import run_loop
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.dispatch import dispatcher, notification
from webhook_admin.dispatch.dispatcher import Dispatcher
from webhook_admin.events import Event
from webhook_admin.ids import new_id
from webhook_admin.sender.sender import Opened, Outcome, Request, Result, Sender

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwbXl9SUrE4Rk="


@click.group()
def main() -> None:
    """The sender without a store, and the loop without sending."""


class Meter:
    """Counts what has ended; the first tenth is for warming up."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._warm = events // 10
        self._ended = 0
        self.done = asyncio.Event()

    def count(self) -> None:
        self._ended += 1
        if self._ended == self._warm:
            self._since, self._cpu = time.perf_counter(), time.process_time()
        if self._ended == self._events:
            self._until, self._cpu = time.perf_counter(), time.process_time() - self._cpu
            self.done.set()

    def report(self) -> None:
        measured = self._events - self._warm
        figures = {"per_second": measured / (self._until - self._since), "cpu_us": self._cpu / measured * 1e6}
        click.echo(json.dumps(figures))


class _Nowhere(Sender):
    """Sends nothing, and says that it has been delivered."""

    def start(self, request: Any, done: Any, connected: Any) -> None:
        self._loop.call_soon(done, Result(Outcome.DELIVERED, 200))


@main.command()
@click.argument("events", type=int)
def loop(events: int) -> None:
    """Deliver from the environment's store, without sending."""
    vars(dispatcher)["Sender"] = _Nowhere
    run_loop(_dispatch(events))


async def _dispatch(events: int) -> None:
    meter = Meter(events)

    class Counting(Dispatcher):
        def _end(self, each: Any, result: Result) -> None:
            assert result.outcome is Outcome.DELIVERED, result
            super()._end(each, result)
            meter.count()

    settings = Settings.from_environment()
    logs.configure(settings.log_level, settings.log_format)
    await Counting(settings, Database(settings.database_url), encryption.load_cipher(settings)).run(meter.done)
    meter.report()


@main.command()
@click.argument("events", type=int)
@click.argument("url")
def bare(events: int, url: str) -> None:
    """Write, sign and send, a quarter as many at once as the dispatcher may: every account keeps its connections."""
    run_loop(_bare(events, url))


async def _bare(events: int, url: str) -> None:
    settings = Settings.from_environment()
    meter = Meter(events)
    numbers = iter(range(events))
    limit = settings.max_in_flight
    async with Sender(5, 15, settings.allowed_networks, settings.ca_bundle, max_connections=limit) as sender:

        def start() -> None:
            for number in itertools.islice(numbers, 1):
                sender.start(_request(_event(number), url), done, Opened.send)

        def done(result: Result) -> None:
            assert result.outcome is Outcome.DELIVERED, result
            meter.count()
            start()

        for _ in range(limit // 4):
            start()
        await meter.done.wait()
    meter.report()


def _request(event: Event, url: str) -> Request:
    body = formats.render(formats.DEFAULT, event)
    assert body
    return Request(
        url=url,
        body=body,
        headers=notification.headers(formats.DEFAULT, body, [SECRET], new_id("dlv"), int(time.time())),
        account_id=event.account_id,
        success=formats.success(formats.DEFAULT),
    )


def _event(number: int) -> Event:
    return Event(
        id=f"evt-{number}",
        account_id=f"account-{number % 1_000}",
        message_id=f"message-{number}",
        channel="SMS",
        status="DELIVERED",
        timestamp="2026-04-09T14:39:40.69257Z",
        to="+353861234567",
        from_="Acme",
        customer_message_id=f"order-{number}",
    )


if __name__ == "__main__":
    main()
