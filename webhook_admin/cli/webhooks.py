"""`webhooks`: what the accounts have registered."""

from functools import partial
from importlib import import_module
from typing import Any

import click

from webhook_admin import webhooks as nouns
from webhook_admin.cli import options
from webhook_admin.cli.output import as_json, paged, show, show_page
from webhook_admin.cli.store import open_store
from webhook_admin.web import schemas
from webhook_admin.webhook_enums import WebhookStatus

_COLUMNS = (
    "accountId",
    "status",
    "disabledReason",
    "failingSince",
    "payloadFormat",
    "callbackUrl",
    "updatedAt",
    "description",
)


# Imported when they are used: `list` and `show` need no cipher.
_ELSEWHERE = {"rotate-secret": ("webhook_secret", "rotate_secret"), "test": ("webhook_test", "test")}


class _Group(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), *_ELSEWHERE])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _ELSEWHERE:
            return super().get_command(context, name)
        module, function = _ELSEWHERE[name]
        command: click.Command = getattr(import_module(f"webhook_admin.cli.{module}"), function)
        return command


@click.group(cls=_Group)
def webhooks() -> None:
    """The webhooks of accounts."""


@webhooks.command(name="list")
@click.option("--status", type=click.Choice([*WebhookStatus], case_sensitive=False), help="Only those of this status.")
@click.option("--failing", is_flag=True, default=None, help="Only those that fail at the moment.")
@paged
def list_(status: str | None, failing: bool | None, **paging: Any) -> None:
    """List every account's webhook, by account id."""
    with open_store() as store, store.connect() as connection:
        show_page(
            schemas.AccountWebhook(), _COLUMNS, partial(nouns.list_webhooks, connection, status, failing), **paging
        )


@webhooks.command(name="show")
@options.account("Whose webhook.", required=True)
@as_json
def show_(account_id: str, json_: bool) -> None:
    """Show the webhook of an account, without its signing secret."""
    with open_store() as store, store.connect() as connection:
        webhook = nouns.get(connection, account_id)
    show(schemas.Webhook(), webhook, json_)
