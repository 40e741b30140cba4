"""`dispatch`: dispatchers without the API; and what the dispatcher beside the API of `up` runs."""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import click
import structlog
import uvloop

from webhook_admin import encryption, logs, memory, migrations, open_files
from webhook_admin.cli.measuring import measured
from webhook_admin.cli.processes import KeptRunning, stop_with_parent
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.dispatch.dispatcher import Dispatcher

# Files that a dispatcher has open beside its connections to receivers: the store's, the log, the event loop's.
_OTHER_FILES = 256
log = structlog.get_logger()


@click.command()
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes dispatch."
)
def dispatch(workers: int) -> None:
    """Deliver notifications. Run as many of these as you like, on one PostgreSQL.

    Ctrl-C or SIGTERM stops it as soon as the requests in flight have ended.
    """
    settings = Settings.from_environment()
    database = Database(settings.database_url)
    migrations.require_current(database)
    encryption.require_fitting(encryption.load_cipher(settings), database)
    database.close()
    with measured(settings):
        if workers == 1:
            run(settings, signal.SIGINT, signal.SIGTERM, started=lambda: click.echo("Dispatching."))
        else:
            _run_workers(settings, workers)


def _run_workers(settings: Settings, workers: int) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with KeptRunning(dispatch_beside, settings, processes=workers):
        click.echo(f"Dispatching in {workers} processes.")
        stop.wait()


def run(settings: Settings, *signals: signal.Signals, started: Callable[[], None] = lambda: None) -> None:
    """Dispatch until one of the signals comes; call `started` once they are heeded."""
    database = Database(settings.database_url)
    cipher = encryption.load_cipher(settings)
    logs.configure(settings.log_level, settings.log_format)
    _allow_connections(settings.max_in_flight)
    run_loop(_until(signals, Dispatcher(settings, database, cipher), started))
    database.close()


def _allow_connections(max_in_flight: int) -> None:
    wanted = max_in_flight + _OTHER_FILES
    allowed = open_files.allow(wanted)
    if allowed < wanted:
        log.warning(
            "few_open_files",
            allowed=allowed,
            wanted=wanted,
            detail="Attempts beyond that many connections fail. Raise the hard limit of open files (ulimit -Hn), or "
            "lower WEBHOOK_ADMIN_MAX_IN_FLIGHT.",
        )


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` as a dispatcher's process does."""
    memory.map_large_blocks()
    # Today's objects stay, and hardly any later ones form reference cycles: looking for those took 8 % of the time.
    gc.freeze()
    gc.set_threshold(50_000)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


async def _until(signals: Iterable[signal.Signals], dispatcher: Dispatcher, started: Callable[[], None]) -> None:
    stop = asyncio.Event()
    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    started()
    await dispatcher.run(stop)


def dispatch_beside(settings: Settings) -> None:
    """Dispatch in a child process, until its parent says SIGTERM or ends."""
    stop_with_parent()
    # Ctrl-C goes to all processes of the terminal; this one is told by the one that has started it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run(settings, signal.SIGTERM)
