"""The golden files: `golden/<payload format>/<row or example>.jsonl`, pairs of lines.

The first line of a pair is a canonical event; the second is the exact bytes of the body that says it. An event that the
format cannot express is followed by the reason for skipping it, as a JSON string.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from webhook_admin.events import Event

FOLDER = Path(__file__).parent / "golden"


class Case(NamedTuple):
    """An event, and what is sent of it: a body, or nothing, and then why."""

    place: str
    event: Event
    body: bytes | None
    skipped: str | None


def cases(name: str) -> list[Case]:
    """All cases of a payload format; none if it has no folder."""
    return [case for file in sorted((FOLDER / name).glob("*.jsonl")) for case in read(file)]


def read(file: Path) -> list[Case]:
    """The cases of one file."""
    lines = file.read_bytes().split(b"\n")
    assert lines.pop() == b"", f"{file} ends within a line"
    return [_case(f"{file.name}:{number}", lines[number - 1], lines[number]) for number in range(1, len(lines) + 1, 2)]


def _case(place: str, event: bytes, said: bytes) -> Case:
    skipped = json.loads(said) if said.startswith(b'"') else None
    return Case(place, canonical(json.loads(event)), None if skipped else said, skipped)


def canonical(fields: dict[str, Any]) -> Event:
    """The event that a JSON object with the API's names says."""
    return Event(**{_attribute(name): value for name, value in fields.items()})


def _attribute(name: str) -> str:
    return "from_" if name == "from" else re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name)
