"""What commands print: a table for people, or the API's own objects as JSON."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click
from marshmallow import Schema

from webhook_admin.db import Page

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON, as the API would.")
_PAGE = 500


def show(schema: Schema, item: Any, json_: bool) -> None:
    """Print one object."""
    fields = schema.dump(item)
    if json_:
        click.echo(json.dumps(fields, indent=2))
    else:
        width = max(map(len, fields))
        for name, value in fields.items():
            click.echo(f"{name:{width}}  {_text(value)}")


def show_all(schema: Schema, fetch: Callable[[str | None, int], Page[Any]], json_: bool) -> None:
    """Print all items of a list, page by page, so that a million take no more memory than one."""
    if json_:
        _json_array(schema.dump(item) for page in _pages(fetch) for item in page.items)
    else:
        for number, page in enumerate(_pages(fetch)):
            show_table(schema, page.items, headed=number == 0)


def show_table(schema: Schema, items: Iterable[Any], *, headed: bool = True) -> None:
    """Print objects as the rows of a table."""
    names = [str(field.data_key) for field in schema.dump_fields.values()]
    rows = [names] if headed else []
    rows += [[_text(value) for value in schema.dump(item).values()] for item in items]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


def _pages(fetch: Callable[[str | None, int], Page[Any]]) -> Iterator[Page[Any]]:
    page = fetch(None, _PAGE)
    yield page
    while page.next is not None:
        page = fetch(page.next, _PAGE)
        yield page


def _json_array(rows: Iterator[dict[str, Any]]) -> None:
    separator = "["
    for row in rows:
        click.echo(f"{separator}\n  {json.dumps(row)}", nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
