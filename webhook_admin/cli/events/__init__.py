"""`events`: what has become of messages."""

import json
import os
import sys
from dataclasses import asdict
from functools import partial
from typing import IO

import click

from webhook_admin.cli.events import platform_key
from webhook_admin.cli.events.lines import batches
from webhook_admin.cli.events.posts import Client, Sending, Summary
from webhook_admin.cli.output import as_json
from webhook_admin.config import Settings
from webhook_admin.printable import printable

_CLEAR_LINE = "\r\x1b[K"


@click.group()
def events() -> None:
    """What has become of messages."""


@events.command()
@click.argument("file", type=click.File("rb"))
@click.option("--url", help="Where the API is.  [default: http:// with the settings' HOST and PORT]")
@platform_key.options
@as_json
@click.pass_context
def send(
    context: click.Context, file: IO[bytes], url: str | None, key: str | None, file_key: str | None, json_: bool
) -> None:
    """Send the events in FILE, one JSON object on each line, to the API. - is standard input.

    What is refused is named by its line number, and all other lines are sent; the exit status is then 1.

    Safe to run twice, and after an interruption: an event that has been accepted is not doubled. For that, a line
    without an "id" gets one that is derived from its content. Lines that say exactly the same, without an "id", are
    therefore one event: the second counts as a duplicate.
    """
    terminal = sys.stderr.isatty()
    client = Client(url or _settings_url(), platform_key.chosen(context, key, file_key))
    sending = Sending(client, partial(_say_refused, _CLEAR_LINE if terminal else ""))
    try:
        _send_all(file, sending, terminal)
    finally:
        _conclude(sending.summary, json_)
    if sending.summary.refused:
        context.exit(1)


def _send_all(file: IO[bytes], sending: Sending, terminal: bool) -> None:
    all_batches = batches(file)
    size = _size(file)
    with click.progressbar(all_batches, size, "Sending", file=sys.stderr, hidden=not terminal) as bar:
        for batch in all_batches:
            sending.send(batch)
            bar.update(sum(line.length for line in batch))


def _say_refused(before: str, line: int, fault: str) -> None:
    # A fault may repeat what is in the file.
    click.echo(f"{before}line {line}: {printable(fault)}", err=True)


def _conclude(summary: Summary, json_: bool) -> None:
    counts = asdict(summary)
    if json_:
        click.echo(json.dumps(counts, indent=2))
    else:
        click.echo(", ".join(f"{name} {number}" for name, number in counts.items()), err=True)


def _size(file: IO[bytes]) -> int | None:
    """How many bytes the file has; None for a pipe, which does not say."""
    try:
        return os.fstat(file.fileno()).st_size or None
    except OSError:
        return None


def _settings_url() -> str:
    settings = Settings.from_environment()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"
