"""The whole service in this process, on a store that goes away with it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from wsgiref.types import WSGIApplication

from werkzeug.serving import WSGIRequestHandler, make_server

from webhook_admin import keys
from webhook_admin.app import create_app
from webhook_admin.cli.receive.server import LOOPBACK, serving
from webhook_admin.config import PREFIX, Settings
from webhook_admin.db import Database
from webhook_admin.dispatch.dispatcher import Dispatcher
from webhook_admin.migrations.upgrading import upgrade
from webhook_admin.web.context import Parts

RETRY_AFTER = 1.0
"""Seconds; nobody wants to watch for the five that are the default."""


@dataclass(frozen=True, slots=True)
class Service:
    """The service as it runs: the API's URL, the store, and a platform key."""

    url: str
    database: Database
    platform_key: str


@contextmanager
def running_service(folder: Path, ca_bundle: Path) -> Iterator[Service]:
    """The API and a dispatcher, as long as the context lasts, with everything that they keep in the folder."""
    app = create_app(_settings(folder, ca_bundle))
    with closing(cast("Parts", app.extensions["webhook_admin"])) as parts:
        upgrade(parts.database)
        with parts.database.transaction() as connection:
            key = keys.create(connection, None, datetime.now(UTC), "demo")
        with _serving_api(app) as url, _dispatching(parts):
            yield Service(url, parts.database, key.key)


def _settings(folder: Path, ca_bundle: Path) -> Settings:
    # Not the environment's: that is about the user's own service.
    return Settings.from_environment(
        {
            f"{PREFIX}DATA_DIR": str(folder),
            f"{PREFIX}ALLOWED_NETWORKS": LOOPBACK,
            f"{PREFIX}CA_BUNDLE": str(ca_bundle),
            f"{PREFIX}RETRY_SCHEDULE": f"{RETRY_AFTER},{RETRY_AFTER},{RETRY_AFTER}",
            f"{PREFIX}LOG_LEVEL": "error",
        }
    )


@contextmanager
def _serving_api(app: WSGIApplication) -> Iterator[str]:
    # Left to bind by itself, the server would ask DNS for its own name.
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        server = make_server(LOOPBACK, port, app, threaded=True, request_handler=_Handler, fd=listener.fileno())
    with serving(server):
        yield f"http://{LOOPBACK}:{port}"


class _Handler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the service logs its requests itself."""


@contextmanager
def _dispatching(parts: Parts) -> Iterator[None]:
    dispatcher = Dispatcher(parts.settings, parts.database, parts.cipher)
    told = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="dispatcher") as thread:
        running = thread.submit(asyncio.run, _dispatch(dispatcher, told))
        try:
            yield
        finally:
            told.set()
            running.result()


async def _dispatch(dispatcher: Dispatcher, told: threading.Event) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(dispatcher.run(stop))
        await asyncio.to_thread(told.wait)
        stop.set()
