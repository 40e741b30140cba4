"""`webhooks test`: a test event, and what became of it."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import click

from webhook_admin import callback_urls, formats, testing
from webhook_admin.callback_urls import InvalidCallbackUrl
from webhook_admin.cli import options
from webhook_admin.cli.deliveries import as_text
from webhook_admin.cli.output import as_json, show_lines
from webhook_admin.cli.store import open_store
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.events import Status
from webhook_admin.queue import history
from webhook_admin.queue.deliveries import State
from webhook_admin.queue.history import DeliveryWithAttempts
from webhook_admin.web import delivery_schemas

_LOOK_EVERY = 0.1
# A dispatcher records an attempt a moment after its end.
_GRACE = 5


def _allowed(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    if url is not None:
        try:
            # Bytes of an argument that are not UTF-8 come as surrogates, which no store takes.
            url.encode()
            callback_urls.parse(url, Settings.from_environment().allowed_networks)
        except UnicodeEncodeError:
            raise click.BadParameter("Must be encoded in UTF-8.") from None
        except InvalidCallbackUrl as error:
            raise click.BadParameter(error.message) from None
    return url


@click.command()
@options.account("Whose webhook.", required=True)
@click.option(
    "--url", "callback_url", callback=_allowed, help="Try this callback URL, which need not be registered, instead."
)
@click.option(
    "--status",
    type=click.Choice([*Status], case_sensitive=False),
    default=Status.DELIVERED,
    show_default=True,
    help="The status of the message that the event is about.",
)
@click.option(
    "--payload-format", type=click.Choice([*formats.FORMATS]), help="How to write it; by default as the webhook says."
)
@as_json
def test(account_id: str, json_: bool, **asked: Any) -> None:
    """Send a test event to an account's webhook, wait for its attempt, and print it.

    The exit status is 0 if the receiver has acknowledged it, and 1 otherwise.
    """
    settings = Settings.from_environment()
    with open_store() as store:
        with store.transaction() as transaction:
            delivery_id = testing.send(transaction, account_id, datetime.now(UTC), **asked)
        delivery = _wait_for_attempt(store, delivery_id, settings.request_timeout)
    if json_:
        click.echo(json.dumps(delivery_schemas.DeliveryWithAttempts().dump(delivery), indent=2))
    else:
        show_lines(list(as_text(delivery)))
    if delivery.state != State.DELIVERED:
        click.get_current_context().exit(1)


def _wait_for_attempt(store: Database, delivery_id: str, request_timeout: float) -> DeliveryWithAttempts:
    """The delivery once its attempt has ended. Raises `ClickException` if no dispatcher makes it in time."""
    delivery = _wait(store, delivery_id, request_timeout, until_taken=True)
    if delivery.state == State.PENDING and delivery.attempt_count:
        delivery = _wait(store, delivery_id, request_timeout + _GRACE, until_taken=False)
    if delivery.state == State.PENDING:
        what = "ended the attempt" if delivery.attempt_count else "taken the test"
        raise click.ClickException(
            f"No dispatcher has {what} within {request_timeout:g} s. Is `webhook-admin dispatch` or `webhook-admin up` "
            f"running on this store? `webhook-admin deliveries show {delivery_id}` shows what becomes of it."
        )
    return delivery


def _wait(store: Database, delivery_id: str, seconds: float, *, until_taken: bool) -> DeliveryWithAttempts:
    deadline = time.monotonic() + seconds
    while True:
        with store.connect() as connection:
            delivery = history.get(connection, delivery_id)
        is_over = delivery.state != State.PENDING or (until_taken and delivery.attempt_count > 0)
        if is_over or time.monotonic() >= deadline:
            return delivery
        time.sleep(_LOOK_EVERY)
