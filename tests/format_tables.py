"""The tables of the guide to payload formats, worked out by the formats' own code.

`.venv/bin/python -m tests.format_tables` prints them, to be put into webhook_admin/guides/formats.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from webhook_admin import formats
from webhook_admin.events import UNSUCCESSFUL, Reason, Status
from webhook_admin.formats import FORMATS, mta_v1, samples

# The fields of a body that depend on the event's status and reason: for each format, those of each of its tables.
COLUMNS: Mapping[str, Sequence[Sequence[str]]] = {
    "phonovation-v2": [("Status", "Message")],
    "routee": [("status.name",), ("status.reason.detailedStatus",)],
    "insider": [("event", "reason.message", "reason.code")],
    "mta-v1": [("status",)],
}
EVERY_REASON = (None, *Reason)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def overview() -> str:
    """Each format with the answers that acknowledge, and the statuses that it cannot express."""
    rows = ((f"`{name}`", str(formats.success(name)), _codes(_skipped(name)) or "none") for name in FORMATS)
    return table(("format", "success", "statuses that are skipped"), rows)


def statuses(name: str, columns: Sequence[str]) -> str:
    """How a format writes each status, with each reason that makes a difference; like rows are one."""
    found: dict[tuple[str, ...], list[Status]] = {}
    for status in Status:
        for row in _rows(name, status, columns):
            found.setdefault(row, []).append(status)
    rows = ((_codes(statuses), *row) for row, statuses in found.items())
    return table(("event's status", "event's reason", *(f"`{column}`" for column in columns)), rows)


def _rows(name: str, status: Status, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The reasons and cells of a status: one row for all reasons that make no difference, one for each other way."""
    said = {reason: _said(name, status, reason, columns) for reason in EVERY_REASON}
    for cells in dict.fromkeys(said.values()):
        if cells:
            yield _reasons(status, [reason for reason in EVERY_REASON if said[reason] == cells]), *cells


def _said(name: str, status: Status, reason: Reason | None, columns: Sequence[str]) -> tuple[str, ...]:
    """The cells of one event; none if it is skipped."""
    event = replace(samples.DELIVERED, status=status.value, reason=reason and reason.value)
    body = FORMATS[name].body(event)
    return () if body is None else tuple(_cell(name, _find(body, column)) for column in columns)


def _find(body: dict[str, Any], path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        value = value.get(name) if value else None
    return value


def _cell(name: str, value: Any) -> str:
    if name == "mta-v1":
        return f"`{value}` {mta_v1.Code(value).name}"
    return "" if value is None else f"`{value}`"


def _reasons(status: Status, reasons: Sequence[Reason | None]) -> str:
    if status not in UNSUCCESSFUL:
        return ""
    if None not in reasons:
        return _codes(reasons)
    return "any, or none" if len(reasons) == len(EVERY_REASON) else "none, or another"


def _skipped(name: str) -> list[str]:
    return [status for status in Status if status not in formats.examples(name)]


def _codes(words: Iterable[object]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def tables(name: str) -> list[str]:
    """All tables of a format."""
    return [statuses(name, columns) for columns in COLUMNS[name]]


def main() -> None:
    """Print all tables."""
    print(overview(), *(text for name in COLUMNS for text in (f"## `{name}`\n", *tables(name))), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
