"""`webhooks rotate-secret`: a new signing secret."""

from datetime import UTC, datetime

import click

from webhook_admin import signing_secrets
from webhook_admin.cli import options
from webhook_admin.cli.output import as_json, show
from webhook_admin.cli.store import open_store
from webhook_admin.config import Settings
from webhook_admin.encryption import load_cipher, require_fitting
from webhook_admin.signing_secrets import DEFAULT_OVERLAP, MAX_OVERLAP
from webhook_admin.web.secret_schemas import Rotation


@click.command(name="rotate-secret")
@options.account("Whose webhook.", required=True)
@click.option(
    "--overlap",
    "overlap_seconds",
    metavar="SECONDS",
    type=click.IntRange(0, MAX_OVERLAP),
    default=DEFAULT_OVERLAP,
    show_default=True,
    help="For how long notifications are signed with the present secret, too.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Also while the overlap of another rotation runs: its previous secret stops at once.",
)
@as_json
def rotate_secret(account_id: str, overlap_seconds: int, force: bool, json_: bool) -> None:
    """Make a new signing secret for an account's webhook and print it, this once."""
    with open_store() as store:
        cipher = load_cipher(Settings.from_environment())
        # With another key than the service's, the service could not read the new secret.
        require_fitting(cipher, store)
        with store.transaction() as transaction:
            rotated = signing_secrets.rotate(
                transaction, cipher, account_id, datetime.now(UTC), overlap_seconds, force=force
            )
    show(Rotation(), rotated, json_)
