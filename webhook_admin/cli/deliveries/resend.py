"""`deliveries resend`: one delivery, or all of an account's that fit."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from webhook_admin.cli import options
from webhook_admin.cli.deliveries.filters import filters
from webhook_admin.cli.output import as_json, show
from webhook_admin.cli.store import open_store
from webhook_admin.db import Database
from webhook_admin.errors import AccountNotFound, DeliveryNotFound
from webhook_admin.queue import history
from webhook_admin.queue import resend as resending
from webhook_admin.queue.lanes import OPERATIONS
from webhook_admin.queue.resend import Matched
from webhook_admin.queue.selection import Filter
from webhook_admin.web import delivery_schemas as schemas


@click.command()
@click.argument("delivery_id", metavar="ID", required=False)
@options.account("Resend this account's, those that fit the other options.")
@filters
@click.option("--dry-run", is_flag=True, help="Only count them, and resend nothing.")
@as_json
def resend(delivery_id: str | None, account_id: str | None, dry_run: bool, json_: bool, **wanted: Any) -> None:
    """Resend the delivery ID, or an account's deliveries: by default those that are FAILED or CANCELLED.

    They go to the webhook as it is now, keep their ids, and begin the retry schedule anew. Deliveries with an attempt
    in flight are left out. The oldest go first; an interrupted command can be run again.
    """
    if (delivery_id is None) == (account_id is None) or (delivery_id and (dry_run or any(wanted.values()))):
        raise click.UsageError("Give either the ID of a delivery or --account, and other options only with --account.")
    with open_store() as store:
        if delivery_id is not None:
            show(schemas.Delivery(), _resend_one(store, delivery_id), json_)
        else:
            _conclude(_resend_all(store, Filter(account_id=account_id, **wanted), dry_run), json_)


def _resend_one(store: Database, delivery_id: str) -> history.Delivery:
    with store.connect() as connection:
        account_id = history.get(connection, delivery_id).account_id
    if account_id == OPERATIONS.account_id:
        raise click.ClickException("This is an operational event of the platform's own, which is not resent.")
    try:
        with store.transaction() as transaction:
            resending.one(transaction, account_id, delivery_id, datetime.now(UTC))
            return history.get(transaction, delivery_id)
    except (AccountNotFound, DeliveryNotFound):
        sentence = f"There is nothing to send to: the account {account_id} of this delivery has been deleted."
        raise click.ClickException(sentence) from None


def _resend_all(store: Database, wanted: Filter, dry_run: bool) -> dict[str, int]:
    counts = {"matched": 0, "resent": 0}
    terminal = sys.stderr.isatty() and not dry_run
    with click.progressbar(length=0, label="Resending", file=sys.stderr, hidden=not terminal) as bar:
        for matched in _all_matched(store, wanted):
            counts["matched"] += len(matched.deliveries)
            bar.length = counts["matched"]
            for batch in () if dry_run else matched.batches():
                with store.transaction() as transaction:
                    counts["resent"] += resending.some(transaction, wanted.account_id or "", batch, datetime.now(UTC))
                bar.update(len(batch))
    return counts


def _all_matched(store: Database, wanted: Filter) -> Iterator[Matched]:
    """All that fit, in parts; each delivery once, also if it has failed again meanwhile."""
    after = None
    while True:
        with store.connect() as connection:
            matched = resending.choose(connection, wanted, datetime.now(UTC), after)
        yield matched
        if not matched.more:
            return
        after = matched.deliveries[-1].id


def _conclude(counts: dict[str, int], json_: bool) -> None:
    if json_:
        click.echo(json.dumps({**counts, "more": False}, indent=2))
    else:
        click.echo(", ".join(f"{name} {number:,}" for name, number in counts.items()))
