"""`dispatch`: a dispatcher alone; and the one that `up` keeps running beside the API."""

import asyncio
import gc
import multiprocessing
import signal
import threading
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self

import click
import uvloop

from webhook_admin import encryption, logs, migrations
from webhook_admin.cli.parent import stop_with_parent
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.delivery.dispatcher import Dispatcher

_LOOK_EVERY = 1.0  # seconds, at a dispatcher that should be alive


@click.command()
def dispatch() -> None:
    """Deliver notifications. Run as many of these as you like, on one PostgreSQL.

    Ctrl-C or SIGTERM stops it as soon as the requests under way have ended.
    """
    settings = Settings.from_environment()
    migrations.require_current(Database(settings.database_url))
    click.echo("Dispatching.")
    run(settings, signal.SIGINT, signal.SIGTERM)


def run(settings: Settings, *signals: signal.Signals) -> None:
    """Dispatch until one of the signals comes. Raises `Misconfigured`."""
    database = Database(settings.database_url)
    cipher = encryption.load_cipher(settings)
    encryption.require_fitting(cipher, database)
    logs.configure(settings.log_level, settings.log_format)
    run_loop(_until(signals, Dispatcher(settings, database, cipher)))
    database.close()


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` as a dispatcher's process does."""
    # What is there now stays, and of what comes hardly anything is in a circle: looking for those took 8 % of the time.
    gc.freeze()
    gc.set_threshold(50_000)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


async def _until(signals: Iterable[signal.Signals], dispatcher: Dispatcher) -> None:
    stop = asyncio.Event()
    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await dispatcher.run(stop)


class Companion:
    """A dispatcher in a process of its own, as long as the context lasts; started again should it ever fail."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keep-dispatching", daemon=True)

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._keeper.join()

    def _keep(self) -> None:
        # Not a fork: it would share the connections and the threads of this process.
        spawn = multiprocessing.get_context("spawn")
        while not self._closing.is_set():
            process = spawn.Process(target=_companion, args=(self._settings,))
            process.start()
            while not self._closing.wait(_LOOK_EVERY) and process.is_alive():
                pass
            process.terminate()
            process.join()


def _companion(settings: Settings) -> None:
    stop_with_parent()
    # Ctrl-C goes to all processes of the terminal; this one is told by the one that has started it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run(settings, signal.SIGTERM)
