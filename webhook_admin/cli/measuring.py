"""Metrics for Prometheus, of a command and of all processes that it starts, on one port."""

import multiprocessing
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry

from webhook_admin import logs
from webhook_admin.cli.processes import KeptRunning, stop_with_parent
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.metrics.of_processes import ProcessesCollector, keep_in, memory
from webhook_admin.metrics.of_store import StoreCollector
from webhook_admin.metrics.server import MetricsServer, listen


@contextmanager
def measured(settings: Settings) -> Iterator[None]:
    """Serve the metrics of this process and of those that the block starts, if `METRICS_PORT` says where.

    In a process of its own: a scrape takes no time from those that work. Raises `Misconfigured`.
    """
    if not settings.metrics_port:
        yield
        return
    with (
        listen(settings.metrics_host, settings.metrics_port) as listener,
        TemporaryDirectory(prefix="webhook-admin-metrics-", dir=memory(), ignore_cleanup_errors=True) as folder,
    ):
        keep_in(folder)
        with KeptRunning(expose, settings, listener, folder):
            yield


def expose(settings: Settings, listener: socket.socket, folder: str) -> None:
    """Serve the metrics in `folder`, and those of the store, until the parent says SIGTERM or ends."""
    stop_with_parent()
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    logs.configure(settings.log_level, settings.log_format)
    registry = CollectorRegistry()
    registry.register(ProcessesCollector(folder))
    registry.register(StoreCollector(Database(settings.database_url)))
    server = MetricsServer(listener, registry)
    threading.Thread(target=server.serve_forever, name="scrapes", daemon=True).start()
    stop.wait()
    parent = multiprocessing.parent_process()
    if parent and not parent.is_alive():
        # It was killed: nobody else removes its folder.
        shutil.rmtree(folder, ignore_errors=True)
