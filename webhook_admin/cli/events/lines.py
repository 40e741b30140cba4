"""Events from a JSON Lines file, in batches that one call of the API takes."""

import hashlib
import json
from collections.abc import Iterator
from itertools import count
from typing import IO, Any, NamedTuple

from webhook_admin.errors import InvalidInput
from webhook_admin.web.strict_json import decode

# What one call of POST /events takes: events, and bytes of its body.
MAX_EVENTS = 1_000
MAX_BODY = 4 * 1024 * 1024
# Bytes; what is left of a body is for what stands around the events, and for an id.
_MAX_LINE = MAX_BODY - 1024


class Line(NamedTuple):
    """A line of the file, and how many bytes it has there: an event in JSON, or why it is none; both empty if blank."""

    number: int
    length: int
    event: bytes = b""
    fault: str = ""


def batches(file: IO[bytes]) -> Iterator[list[Line]]:
    """The file's lines, in order, so many at a time as fit into one call."""
    batch: list[Line] = []
    size = 0
    for line in _lines(file):
        size += len(line.event) + 1
        if len(batch) == MAX_EVENTS or size > _MAX_LINE:
            yield batch
            batch, size = [], len(line.event) + 1
        batch.append(line)
    if batch:
        yield batch


def derived_id(event: dict[str, Any]) -> str:
    """The id that this content always gets, whatever the order of its fields, so that sending it again is harmless."""
    content = json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"evt_{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def _lines(file: IO[bytes]) -> Iterator[Line]:
    for number in count(1):
        text = file.readline(_MAX_LINE)
        if not text:
            return
        if len(text) == _MAX_LINE and not text.endswith(b"\n"):
            yield Line(number, len(text) + _skip_rest(file), fault="Must not be longer than a call may be.")
        else:
            yield _line(number, text)


def _skip_rest(file: IO[bytes]) -> int:
    """Read on to the end of the line, however far; how many bytes it was."""
    skipped = 0
    while text := file.readline(_MAX_LINE):
        skipped += len(text)
        if text.endswith(b"\n"):
            break
    return skipped


def _line(number: int, text: bytes) -> Line:
    event = text.strip()
    if not event:
        return Line(number, len(text))
    try:
        return Line(number, len(text), _with_id(event))
    except InvalidInput as error:
        faults = (f"{'' if field == 'body' else f'{field}: '}{message}" for field, _, message in error.errors)
        return Line(number, len(text), fault=" ".join(faults))
    except RecursionError:
        return Line(number, len(text), fault="Must not be nested so deeply.")


def _with_id(text: bytes) -> bytes:
    """The event with an id. All else stays as it was written: numbers keep their digits."""
    event = decode(text, MAX_BODY)
    if not isinstance(event, dict) or "id" in event:
        return text
    return b'{"id":"%b"%b%b' % (derived_id(event).encode(), b"," if event else b"", text[1:])
