"""`erase`: blanks what is on record about a recipient."""

import json
from datetime import UTC, datetime

import click

from webhook_admin.cli.options import FieldType
from webhook_admin.cli.output import as_json
from webhook_admin.cli.store import open_store
from webhook_admin.queue import erasure
from webhook_admin.web.event_schemas import recipient


@click.command()
@click.option(
    "--to", required=True, type=FieldType("number", recipient()), help="The recipient, in E.164, as in +353861234567."
)
@as_json
def erase(to: str, json_: bool) -> None:
    """Erase what is on record about a recipient.

    Blanks every event of every account that names the recipient in `to`, and what receivers have answered, at once and
    without asking. What waits is cancelled. Deliveries stay, with state and outcomes, and can no longer be resent. An
    interrupted command can be run again.
    """
    with open_store() as store:
        counts = erasure.erase(store, to, datetime.now(UTC))._asdict()
    if json_:
        click.echo(json.dumps(counts, indent=2))
    else:
        click.echo(", ".join(f"{name} {count:,}" for name, count in counts.items()))
