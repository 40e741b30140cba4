"""The command line: `webhook-admin`, or `python -m webhook_admin`."""

from typing import Any

import click

from webhook_admin import errors
from webhook_admin.cli import accounts, db, deliveries, demo, dispatching, events, keys, serving


class _Group(click.Group):
    """Says every error of ours in one plain sentence, with exit status 1."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except errors.Error as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="webhook-admin")
def main() -> None:
    """Delivery-status webhooks for messaging platforms.

    Settings come from the environment, each named WEBHOOK_ADMIN_<NAME>; the README lists them.
    """


main.add_command(serving.up)
main.add_command(serving.serve)
main.add_command(dispatching.dispatch)
main.add_command(demo.demo)
main.add_command(db.db)
main.add_command(accounts.accounts)
main.add_command(keys.keys)
main.add_command(events.events)
main.add_command(deliveries.deliveries)
