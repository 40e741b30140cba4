"""What the service does about a body that was made to keep it busy (contract, section 1)."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api import WEBHOOK, Api
from tests.web.event_calls import EVENT

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
SMALL, LARGE = 64 * 1024, 4 * 1024 * 1024
# Where a value is put: the body's beginning and end around it.
_EVENT = json.dumps({name: value for name, value in EVENT.items() if name != "accountId"})[:-1]
PLACES = {
    WEBHOOK: ('{"callbackUrl": "https://hooks.example.com/", "description": ', "}", SMALL),
    f"{WEBHOOK}/preview": (f'{{"event": {_EVENT}, "tags": ', "}}", SMALL),
    "/events": (f'{{"events": [{_EVENT}, "details": {{"groups": ', "}}]}", LARGE),
}
# Each as: how it begins, what is repeated, how it ends.
FILLINGS = {
    "numbers behind a surrogate pair": ('["\\ud83e\\udd84"', ",0", "]"),
    "numbers before a NUL": ("[0", ",0", ',"\\u0000"]'),
    "surrogate pairs": ("[0", ',"\\ud83e\\udd84"', "]"),
    "objects": ("[0", ",{}", "]"),
    "lists": ("[0", ",[[]]", "]"),
    "texts": ('[""', ',""', "]"),
    "names": ('{"a":0', ',"{}":0', "}"),
    "escapes": ('"', "\\\\", '"'),
    "commas and brackets": ('"', ",[", '"'),
    "an unfinished string": ('"', '\\",', ""),
}


def bodies(path: str) -> Iterator[tuple[str, str]]:
    """Bodies for a call: as large as it may be, and with as many values as it may have."""
    start, end, limit = PLACES[path]
    for what, (first, more, last) in FILLINGS.items():
        room = limit - len(start + first + last + end) - 100
        for number in (room // (len(more) + 5 * ("{}" in more)), limit // 60):
            repeated = (more.replace("{}", f"{place:x}", 1) if '"{}"' in more else more for place in range(number))
            yield what, start + first + "".join(repeated) + last + end


def count_calls(work: Callable[[], Any]) -> int:
    """How many functions are called, Python's and C's; unlike the time, it is the same on every machine."""
    count = 0

    def called(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("path", PLACES)
def test_no_body_keeps_the_service_busy(platform: Api, customer: Api, path: str) -> None:
    """Whatever a body of the permitted size holds: a call or two for each value that it may have, and no more."""
    caller = platform if path == "/events" else customer
    values = PLACES[path][2] // 20
    for what, body in bodies(path):
        assert len(body) <= PLACES[path][2]
        options = {"data": body.encode(), "content_type": "application/json"}
        answers: list[int] = []
        calls = count_calls(lambda: answers.append(caller("POST", path, **options).status_code))  # noqa: B023
        assert answers[0] in (202, 400), what
        assert calls < 10_000 + 2 * values, what
