"""`up` and `serve`: the long-running commands."""

import shlex
import socket
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import click
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server
from granian.server.common import AbstractServer

from webhook_admin import encryption, keys, migrations
from webhook_admin.cli.dispatching import dispatch_beside
from webhook_admin.cli.processes import KeptRunning, stop_with_parent
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.errors import Misconfigured
from webhook_admin.migrations.upgrading import upgrade

Command = TypeVar("Command", bound=Callable[..., Any])
# One thread would answer a third more requests, but one that waits for a lock would hold up all others, /health/live
# included; more than two only take the interpreter from each other.
_THREADS = 2
# How long a request in progress may take to finish when the server is told to stop.
_GRACE = 20  # seconds
_ACME = "-H 'X-Account-Id: acme'"
_JSON = "-H 'Content-Type: application/json'"
_TRY_IT = """
A platform key has been made. It is shown only this once, so keep it:

  KEY={key}

Create an account, configure its webhook, and look at it:

  curl -X PUT {url}/accounts/acme -H "X-API-Key: $KEY" {json} -d '{{"name": "Acme Ltd"}}'
  curl -X POST {url}/webhooks/delivery-status -H "X-API-Key: $KEY" {acme} {json} -d '{{"callbackUrl": "https://hooks.example.com/delivery-status"}}'
  curl {url}/webhooks/delivery-status -H "X-API-Key: $KEY" {acme}
"""


def _address(command: Command) -> Command:
    host = click.option("--host", help="Listen on this address instead of WEBHOOK_ADMIN_HOST's.")
    port = click.option(
        "--port", type=click.IntRange(1, 65535), help="Listen on this port instead of WEBHOOK_ADMIN_PORT's."
    )
    return host(port(command))


@click.command()
@_address
def serve(host: str | None, port: int | None) -> None:
    """Serve the API. Run as many of these as you like, on one PostgreSQL."""
    settings = Settings.from_environment()
    database = Database(settings.database_url)
    migrations.require_current(database)
    _serve(settings, database, host or settings.host, port or settings.port, _announce)


@click.command()
@_address
def up(host: str | None, port: int | None) -> None:
    """Run everything on this machine.

    Brings the schema up to date, serves the API, and delivers notifications. The first start prints a platform key,
    and commands that try it out. Ctrl-C stops it.
    """
    settings = Settings.from_environment()
    database = Database(settings.database_url)
    upgrade(database)
    with KeptRunning(dispatch_beside, settings):
        _serve(settings, database, host or settings.host, port or settings.port, lambda url: _welcome(database, url))


def _serve(settings: Settings, database: Database, host: str, port: int, listening: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; call `listening` with the URL as soon as requests are taken."""
    encryption.require_fitting(encryption.load_cipher(settings), database)
    server = api_server(host, port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _require_free(host, port)

    @server.on_startup
    def on_startup() -> None:
        listening(url)
        # A connection must not be shared with the worker, which may be a fork of this process.
        database.close()

    server.serve(target_loader=worker, wrap_loader=False)


def api_server(host: str, port: int) -> AbstractServer[Any]:
    """The HTTP server, which has yet to be told what to serve."""
    return Server(
        "webhook_admin",
        host,
        port,
        interface=Interfaces.WSGI,
        blocking_threads=_THREADS,
        respawn_failed_workers=True,
        workers_kill_timeout=_GRACE,
        log_level=LogLevels.warning,
        websockets=False,
    )


def _require_free(host: str, port: int) -> None:
    # Granian sets SO_REUSEPORT: it would share the port silently with whoever has it.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise Misconfigured(f"Cannot listen on {host}, port {port}: {reason}.") from None


def worker() -> WSGIApplication:
    """The application, in a process of the server's that does not outlive it."""
    stop_with_parent()
    # By name: Flask is loaded here, in the worker, and not by every command.
    return _closing_after_413(resolve_name("webhook_admin.app:create_app")())


def _closing_after_413(application: WSGIApplication) -> WSGIApplication:
    """Say that the connection closes after a 413: Granian closes it silently where a body was not read to its end.

    The header belongs to the server and not to the application, which WSGI forbids to set it (PEP 3333).
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], object]:
            closing = [("Connection", "close")] if status.startswith("413") else []
            return start_response(status, [*headers, *closing], error)

        return application(environ, start)

    return serve


def _announce(url: str) -> None:
    click.echo(f"The API is at {url}, its documentation at {url}/docs.")


def _welcome(database: Database, url: str) -> None:
    _announce(url)
    click.echo(f"The store is {database.file or 'PostgreSQL'}.")
    with database.transaction() as connection:
        first = not keys.has_platform_key(connection)
        key = keys.create(connection, None, datetime.now(UTC), "made by the first start") if first else None
    if key:
        click.echo(_TRY_IT.format(key=key.key, url=url, acme=_ACME, json=_JSON))
    else:
        click.echo("For another platform key, run: webhook-admin keys create --platform")
    click.echo(f"Ctrl-C stops it. To start it again with the same data, run: {_same_command()}")


def _same_command() -> str:
    """The command that runs, in words that work in any folder."""
    program = [sys.executable, "-m", "webhook_admin"] if sys.argv[0].endswith("__main__.py") else [sys.argv[0]]
    return f"cd {shlex.quote(str(Path.cwd()))} && {shlex.join([*program, *sys.argv[1:]])}"
