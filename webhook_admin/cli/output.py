"""What commands print: text for people, or the API's own objects as JSON."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from webhook_admin.cli.text import Table, block, cell

if TYPE_CHECKING:
    # Commands that use no store do not load it.
    from marshmallow import Schema

    from webhook_admin.db import Page

Command = TypeVar("Command", bound=Callable[..., Any])
Fetch = Callable[[str | None, int], "Page[Any]"]
"""Returns the page behind a key, of at most so many items."""

_PAGE = 500
as_json = click.option("--json", "json_", is_flag=True, help="Print JSON, as the API would.")


def paged(command: Command) -> Command:
    """Give a list command the options `--limit`, `--all` and `--json`, which `show_page` takes."""
    limit = click.option(
        "--limit", type=click.IntRange(1, _PAGE), default=50, show_default=True, help="Show at most so many."
    )
    all_ = click.option("--all", "all_", is_flag=True, help="Show all, however many there are.")
    return limit(all_(as_json(command)))


def show(schema: "Schema", item: Any, json_: bool) -> None:
    """Print one object."""
    values = schema.dump(item)
    show_lines([json.dumps(values, indent=2)] if json_ else block(values))


def show_lines(lines: Iterator[str] | Sequence[str]) -> None:
    """Print lines."""
    for line in lines:
        click.echo(line)


def show_page(schema: "Schema", columns: Sequence[str], fetch: Fetch, *, limit: int, all_: bool, json_: bool) -> None:
    """Print a list's first page, or all pages, so that a million items take no more memory than one page.

    `columns` are the fields that people see, beginning with what matters most.
    """
    pages = _all_pages(fetch) if all_ else iter([fetch(None, limit)])
    if json_:
        _show_json(schema, pages)
    else:
        _show_table(schema, columns, pages)


def _all_pages(fetch: Fetch) -> "Iterator[Page[Any]]":
    page = fetch(None, _PAGE)
    yield page
    while page.next is not None:
        page = fetch(page.next, _PAGE)
        yield page


def _show_json(schema: "Schema", pages: "Iterator[Page[Any]]") -> None:
    following = None
    separator = '{"items": ['
    for page in pages:
        following = page.next
        for item in page.items:
            click.echo(f"{separator}\n  {json.dumps(schema.dump(item))}", nl=False)
            separator = ","
    end = "\n]" if separator == "," else f"{separator}]"
    click.echo(f'{end}, "next": {json.dumps(following)}}}')


def _show_table(schema: "Schema", columns: Sequence[str], pages: "Iterator[Page[Any]]") -> None:
    table = None
    following = None
    for page in pages:
        following = page.next
        dumped = map(schema.dump, page.items)
        rows = [[cell(name, values[name]) for name in columns] for values in dumped]
        if table is None:
            table = Table(columns, rows)
            click.echo(table.header)
        show_lines(map(table.line, rows))
    if following is not None:
        click.echo("There are more: --all shows all of them, --limit another number.", err=True)
