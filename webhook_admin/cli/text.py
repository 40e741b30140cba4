"""Text for people: no character that a terminal obeys, and columns that fit it."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhook_admin.printable import printable

_GAP = 2
_MAX_LINES = 20
_FRACTION = re.compile(r"\.[0-9]+Z$")


def cell(name: str, value: Any) -> str:
    """A value in one line; a time to the second."""
    if value is None:
        return "-"
    return printable(_FRACTION.sub("Z", value) if name.endswith("At") else str(value))


def block(values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Lines of names and values. What follows the first line of a value is marked, so that it cannot pose as a name."""
    name_width = max(map(len, values))
    room = max(_columns() - len(indent) - name_width - _GAP, 20) if _columns() else 0
    for name, value in values.items():
        texts = value.splitlines() if isinstance(value, str) else [value]
        lines = [part for text in texts for part in _wrapped(cell(name, text), room)] or [""]
        if len(lines) > _MAX_LINES:
            lines[_MAX_LINES - 1 :] = [f"({len(lines) - _MAX_LINES + 1} more lines, which --json shows)"]
        yield f"{indent}{name:{name_width}}  {lines[0]}".rstrip()
        for line in lines[1:]:
            yield f"{indent}{'':{name_width}}| {line}"


class Table:
    """Rows in columns as wide as the first rows need, cut and left out where a terminal is too narrow.

    Columns are left out from the right. Ids and times are never cut, and nothing is where there is no terminal.
    """

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        columns = _columns()
        self._widths = _fitted(names, widths, columns)
        self._is_cut = [columns > 0 and not _is_whole(name) for name in names]
        self.header = self.line(names)

    def line(self, cells: Sequence[str]) -> str:
        """A row of the table."""
        shown = zip(cells, self._widths, self._is_cut, strict=False)
        texts = ((_cut(text, width) if is_cut else text).ljust(width) for text, width, is_cut in shown)
        return (" " * _GAP).join(texts).rstrip()


def _columns() -> int:
    """How wide the terminal is; 0 where the output goes elsewhere, and COLUMNS does not say."""
    return shutil.get_terminal_size((0, 0)).columns


def _wrapped(text: str, room: int) -> Iterator[str]:
    text = text.strip()
    for start in range(0, len(text), room or len(text) or 1):
        yield text[start : start + room] if room else text


def _fitted(names: Sequence[str], widths: Sequence[int], columns: int) -> list[int]:
    """The widths of as many of the columns as fit, the widest cut first."""
    for count in range(len(widths), 1, -1):
        fitted = list(widths[:count])
        excess = sum(fitted) + _GAP * (count - 1) - columns if columns else 0
        while excess > 0:
            spare, place = max((fitted[place] - _least(names[place], widths[place]), place) for place in range(count))
            if spare <= 0:
                break
            fitted[place] -= 1
            excess -= 1
        if excess <= 0:
            return fitted
    return list(widths[:2])


def _is_whole(name: str) -> bool:
    return name == "id" or name.endswith("At")


def _least(name: str, width: int) -> int:
    """How narrow a column may become."""
    if _is_whole(name):
        return width
    return min(width, max(len(name), 16 if width > 16 else 8))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
