"""Options that several commands have; their values are checked as the API checks the same field."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from marshmallow import ValidationError, fields

from webhook_admin.accounts import ACCOUNT_ID
from webhook_admin.web.fields import Text

Command = TypeVar("Command", bound=Callable[..., Any])


class FieldType(click.ParamType[Any]):
    """A value of the command line, judged and converted by a schema's field."""

    def __init__(self, name: str, field: fields.Field[Any]) -> None:
        self.name = name
        self._field = field

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            # Bytes of an argument that are not UTF-8 come as surrogates, which no store takes.
            value.encode()
            return self._field.deserialize(value)
        except UnicodeEncodeError:
            self.fail("Must be encoded in UTF-8.", param, ctx)
        except ValidationError as error:
            faults: Any = error.messages
            self.fail(" ".join(fault.message for fault in faults), param, ctx)


ID = FieldType("id", Text())


def account(help_: str, **options: Any) -> Callable[[Command], Command]:
    """The option that names an account."""
    form = FieldType("id", Text(most=64, form=ACCOUNT_ID.pattern))
    return click.option("--account", "account_id", metavar="ID", type=form, help=help_, **options)
