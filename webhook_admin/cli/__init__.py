"""The command line: `webhook-admin`, or `python -m webhook_admin`."""

from importlib import import_module
from typing import Any

import click

from webhook_admin import errors

# Each command by name, with the module that defines it: the module is imported when the command is used, so that
# `--help` and small commands start without Flask, Granian and Alembic.
_COMMANDS = {
    "up": "serving",
    "serve": "serving",
    "dispatch": "dispatching",
    "demo": "demo",
    "db": "db",
    "accounts": "accounts",
    "keys": "keys",
    "events": "events",
    "deliveries": "deliveries",
}


class _Group(click.Group):
    """Imports a command when it is used, and prints every error of ours as one plain sentence, with exit status 1."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"webhook_admin.cli.{_COMMANDS[name]}"), name)
        return command

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
