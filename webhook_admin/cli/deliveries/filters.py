"""The options that choose deliveries, which `list` and `resend` share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from webhook_admin.cli import options
from webhook_admin.cli.options import FieldType
from webhook_admin.events import Channel, Status
from webhook_admin.queue.deliveries import State
from webhook_admin.web.event_schemas import recipient
from webhook_admin.web.fields import Timestamp

Command = TypeVar("Command", bound=Callable[..., Any])
_TIME = FieldType("time", Timestamp())
_RECIPIENT = FieldType("number", recipient())


def _any_case(values: type[State | Status | Channel]) -> click.Choice[str]:
    return click.Choice([*values], case_sensitive=False)


_OPTIONS = [
    click.option(
        "--state", "states", type=_any_case(State), multiple=True, help="Only those in this state; may be repeated."
    ),
    click.option("--status", type=_any_case(Status), help="Only events of this status."),
    click.option("--channel", type=_any_case(Channel), help="Only events of this channel."),
    click.option("--message-id", metavar="ID", type=options.ID, help="Only those of this message."),
    click.option("--to", "recipient", type=_RECIPIENT, help="Only events to this recipient, as in +353861234567."),
    click.option("--since", type=_TIME, help="Only what came in at this time or later, as in 2026-01-31T09:30:00Z."),
    click.option("--until", type=_TIME, help="Only what came in before this time."),
]


def filters(command: Command) -> Command:
    """Give a command the options of a `selection.Filter`, under its names; the account is another option."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
