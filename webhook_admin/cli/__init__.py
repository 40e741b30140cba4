"""The command line: `webhook-admin`, or `python -m webhook_admin`."""

import sys
from importlib import import_module
from io import StringIO, TextIOWrapper
from typing import Any, NamedTuple

import click

from webhook_admin.cli import refusals
from webhook_admin.errors import Error


class _Command(NamedTuple):
    module: str
    short_help: str


# A module is imported when its command is used: no command loads what only others need, and `--help` loads none.
COMMANDS = {
    "up": _Command("serving", "Run everything on this machine."),
    "serve": _Command("serving", "Serve the API."),
    "dispatch": _Command("dispatching", "Deliver notifications."),
    "consume": _Command("consuming", "Take events from a message broker instead of HTTP."),
    "demo": _Command("demo", "Watch the whole service at work, for a few seconds."),
    "receive": _Command("receive", "Receive notifications on this machine, and show each."),
    "db": _Command("db", "The schema of the store."),
    "accounts": _Command("accounts", "The customers of the messaging platform."),
    "keys": _Command("keys", "API keys: what lets a program call the API."),
    "webhooks": _Command("webhooks", "The webhooks of accounts."),
    "events": _Command("events", "What has become of messages."),
    "deliveries": _Command("deliveries", "What became of events."),
    "erase": _Command("erase", "Erase what is on record about a recipient."),
    "prune": _Command("prune", "Delete deliveries that ended long ago."),
}


class _Group(click.Group):
    """Imports a command when it is used, and prints every error of ours as one plain sentence, with exit status 1."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"webhook_admin.cli.{COMMANDS[name].module}"), name)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.short_help) for name, command in COMMANDS.items()])

    def invoke(self, context: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            # A terminal without a character must not end a command with a traceback.
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(context)
        except Error as error:
            raise click.ClickException(refusals.sentence(error, {})) from None
        except BrokenPipeError:
            # Nobody reads on: click ends the command without a word.
            raise
        except OSError as error:
            # What could not be written must not be tried again at the exit, which would end with status 120.
            sys.stdout = StringIO()
            file = f": {error.filename}" if error.filename else ""
            raise click.ClickException(f"{error.strerror or error}{file}.") from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="webhook-admin")
def main() -> None:
    """Delivery-status webhooks for messaging platforms.

    Settings come from the environment, each named WEBHOOK_ADMIN_<NAME>; the operators' guide lists them.
    """
