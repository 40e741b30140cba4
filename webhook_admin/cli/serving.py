"""`up` and `serve`: the long-running commands."""

import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TypeVar

import click

from webhook_admin import encryption, keys, migrations, open_files
from webhook_admin.cli.dispatching import dispatch_beside
from webhook_admin.cli.measuring import measured
from webhook_admin.cli.processes import KeptRunning, stop_with_parent
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.errors import Misconfigured
from webhook_admin.migrations.upgrading import upgrade
from webhook_admin.server import process

Command = TypeVar("Command", bound=Callable[..., Any])
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
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes serve.")
def serve(host: str | None, port: int | None, workers: int) -> None:
    """Serve the API. Run as many of these as you like, on one PostgreSQL."""
    settings = Settings.from_environment()
    database = Database(settings.database_url)
    migrations.require_current(database)
    with measured(settings):
        _serve(settings, database, host or settings.host, port or settings.port, _announce, workers)


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
    with measured(settings), KeptRunning(dispatch_beside, settings):
        _serve(settings, database, host or settings.host, port or settings.port, lambda url: _welcome(database, url))


def _serve(
    settings: Settings, database: Database, host: str, port: int, listening: Callable[[str], None], workers: int = 1
) -> None:
    """Serve until SIGINT or SIGTERM; call `listening` with the URL as soon as requests are taken."""
    encryption.require_fitting(encryption.load_cipher(settings), database)
    try:
        listener = process.listen(host, port)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise Misconfigured(f"Cannot listen on {host}, port {port}: {reason}.") from None
    server = process.Server(listener, workers, _connections())

    @server.on_startup
    def on_startup() -> None:
        listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        # A connection must not be shared with the workers, which may be forks of this process.
        database.close()

    server.run(worker)


def _connections() -> int:
    """How many connections each worker may have; where that is fewer than it should be, a sentence says so."""
    connections = max(open_files.allow(process.MAX_CONNECTIONS + process.OTHER_FILES) - process.OTHER_FILES, 1)
    if connections < process.MAX_CONNECTIONS:
        click.echo(
            f"This process may not open more files (ulimit -Hn), so it serves at most {connections:,} connections at "
            f"once instead of {process.MAX_CONNECTIONS:,}; more have to wait.",
            err=True,
        )
    return connections


def worker() -> Any:
    """What a worker of the server serves, in a process that does not outlive its parent."""
    stop_with_parent()
    # By name: Flask is loaded here, in the worker, and not by every command.
    application = resolve_name("webhook_admin.app:create_app")()
    return resolve_name("webhook_admin.server.adapter:Adapter")(application)


def _announce(url: str) -> None:
    click.echo(f"The API is at {url}, its documentation at {url}/docs.")
    click.echo(f"The page for customers and support is at {url}/portal.")


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
