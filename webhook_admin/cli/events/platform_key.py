"""The platform key that events are sent with: never printed, and best not on the command line either."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

Command = TypeVar("Command", bound=Callable[..., Any])

VARIABLE = "WEBHOOK_ADMIN_API_KEY"


def options(command: Command) -> Command:
    """Give a command the options `--key` and `--key-file`, which `chosen` takes."""
    # Eager: an argument that is a file has not been opened yet, which nobody would close if the key were refused.
    key = click.option(
        "--key",
        envvar=VARIABLE,
        show_envvar=True,
        is_eager=True,
        callback=_sendable,
        help="A platform key. On the command line, other users of the machine can see it (`ps`).",
    )
    key_file = click.option(
        "--key-file",
        "file_key",
        metavar="FILE",
        type=click.Path(path_type=Path),
        is_eager=True,
        callback=_content,
        help="A file with a platform key in it.",
    )
    return key(key_file(command))


def chosen(context: click.Context, key: str | None, file_key: str | None) -> str:
    """The key to use: that of an option before the environment's. Raises `UsageError` for none, and for two."""
    if file_key and context.get_parameter_source("key") is ParameterSource.COMMANDLINE:
        raise click.UsageError("Say one of --key and --key-file.")
    found = file_key or key
    if not found:
        raise click.UsageError(f"An API key is missing. Set {VARIABLE}, or name a file that has it with --key-file.")
    return found


def _sendable(_context: click.Context, _parameter: click.Parameter, key: str | None) -> str | None:
    # What is no header would be refused further on, in words that repeat it.
    if key is not None and (not key.isascii() or not key.isprintable() or key != key.strip() or not key):
        raise click.BadParameter("An API key has printable ASCII characters only.")
    return key


def _content(context: click.Context, parameter: click.Parameter, file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        text = file.read_text()
    except OSError as error:
        raise click.BadParameter(f"Cannot read {file}: {str(error.strerror).lower()}.") from None
    except UnicodeDecodeError:
        raise click.BadParameter(f"{file} is not a text file.") from None
    return _sendable(context, parameter, text.strip())
