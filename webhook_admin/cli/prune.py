"""`prune`: deletes at once what dispatchers delete by and by."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

import click

from webhook_admin.cli.options import FieldType
from webhook_admin.cli.output import as_json
from webhook_admin.cli.store import open_store
from webhook_admin.config import DAY, Settings
from webhook_admin.db import Database
from webhook_admin.dispatch.pruning import Pruned, sweep
from webhook_admin.queue import clock, retention
from webhook_admin.web.fields import Timestamp


@click.command()
@click.option(
    "--before",
    type=FieldType("time", Timestamp()),
    help="Delete what came in before this time, as in 2026-01-31T09:30:00Z. By default RETENTION_DAYS ago.",
)
@as_json
def prune(before: datetime | None, json_: bool) -> None:
    """Delete deliveries that ended long ago.

    Their attempts go with them. Pending deliveries stay, and so do those that were resent since. An event whose
    delivery is deleted is no duplicate any more if it is posted again. Dispatchers prune by themselves; an interrupted
    command can be run again.
    """
    now = clock.now()
    oldest_kept = _oldest_kept(before, now)
    with open_store() as store:
        total = _sweep(store, oldest_kept, now)
    counts = {name: count for name, count in asdict(total).items() if name != "seen"}
    if json_:
        click.echo(json.dumps(counts, indent=2))
    else:
        click.echo(", ".join(f"{name} {count:,}" for name, count in counts.items()))


def _oldest_kept(before: datetime | None, now: int) -> int:
    """In ms since the epoch."""
    if before is not None:
        if clock.milliseconds(before) > now:
            raise click.BadParameter(
                f"Must be in the past: it is {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}.", param_hint="'--before'"
            )
        return clock.milliseconds(before)
    days = Settings.from_environment().retention_days
    if not days:
        raise click.UsageError("WEBHOOK_ADMIN_RETENTION_DAYS is 0, for ever: say with --before what is to be deleted.")
    return now - round(days * DAY * clock.SECOND)


def _sweep(store: Database, before: int, now: int) -> Pruned:
    total = Pruned()
    terminal = sys.stderr.isatty()
    with store.connect() as connection:
        length = retention.count(connection, before) if terminal else 0
    with click.progressbar(length=length, label="Pruning", file=sys.stderr, hidden=not terminal) as bar:
        for step in sweep(store, before, now):
            total += step
            bar.update(step.seen)
    return total
