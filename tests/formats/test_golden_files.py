"""What every payload format owes: golden files, bodies that fit its schema, and true words and examples about it."""

import json
from itertools import product
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from tests.formats import golden_files
from tests.formats.golden_files import cases
from webhook_admin import formats
from webhook_admin.events import UNSUCCESSFUL, Event, Reason, Status
from webhook_admin.formats import FORMATS

each_format = pytest.mark.parametrize("name", FORMATS)


def validator(name: str) -> Draft202012Validator:
    """What judges bodies by the format's schema."""
    return Draft202012Validator(FORMATS[name].SCHEMA, format_checker=FormatChecker(["date-time"]))


def can_say(name: str, status: Status) -> bool:
    """Whether the format says the status, be it with one reason only."""
    reasons = [None, *Reason] if status in UNSUCCESSFUL else [None]
    fields: dict[str, Any] = {
        "id": "evt_1",
        "account_id": "acme",
        "message_id": "m-1",
        "channel": "SMS",
        "timestamp": "2026-04-09T14:39:40Z",
    }
    return any(formats.render(name, Event(**fields, status=status, reason=reason)) for reason in reasons)


def test_each_folder_is_a_formats() -> None:
    """No golden file is left over that nothing is held against."""
    assert {folder.name for folder in golden_files.FOLDER.iterdir()} <= set(FORMATS)


@each_format
def test_has_golden_files_for_every_status(name: str) -> None:
    """Each status is there: with a body if the format can say it, and with the reason for skipping it if not."""
    said = {case.event.status for case in cases(name) if case.body}
    assert said == {status for status in Status if can_say(name, status)}
    assert said | {case.event.status for case in cases(name)} == set(Status)


@each_format
def test_bodies_are_exact(name: str) -> None:
    """Each golden event gives the golden bytes, or is skipped in the golden words."""
    for case in cases(name):
        assert (case.place, formats.render(name, case.event)) == (case.place, case.body)
        if case.skipped:
            assert formats.skip_reason(name, case.event) == case.skipped


@each_format
def test_an_event_in_store_gives_the_same_bytes(name: str) -> None:
    """What is sent does not depend on whether the event has been stored and read again in between."""
    for case in cases(name):
        assert formats.render(name, Event.from_json(case.event.to_json())) == case.body


@each_format
def test_golden_bodies_fit_the_schema(name: str) -> None:
    """A receiver that is generated from the schema understands every golden body."""
    Draft202012Validator.check_schema(FORMATS[name].SCHEMA)
    for case in cases(name):
        if case.body:
            validator(name).validate(json.loads(case.body))


@each_format
def test_the_schema_requires_what_is_always_there(name: str) -> None:
    """The schema is no mere shell: a body that lacks what every golden body has does not fit it."""
    bodies = [json.loads(case.body) for case in cases(name) if case.body]
    always = set.intersection(*map(set, bodies))
    assert always
    for body, missing in product(bodies, always):
        assert not validator(name).is_valid({key: value for key, value in body.items() if key != missing})


@each_format
def test_shows_an_example_for_each_status_that_it_can_say(name: str) -> None:
    """Its examples are bodies that it sends, one for each status."""
    examples = formats.examples(name)
    assert list(examples) == [status for status in Status if can_say(name, status)]
    for body in examples.values():
        validator(name).validate(body)


@each_format
def test_describes_itself(name: str) -> None:
    """People read what it is, and which answer it takes for success."""
    assert formats.description(name).endswith(".")
    assert 200 in formats.success(name)
    assert not {199, 300, 301, 404, 410, 500} & {code for code in range(600) if code in formats.success(name)}
    assert str(formats.success(name)) == ("2xx" if 204 in formats.success(name) else "200")


@each_format
def test_its_own_headers_can_be_sent(name: str) -> None:
    """They are printable, the same each time, and absent where there is no signing secret."""
    for body in [case.body for case in cases(name) if case.body]:
        headers = formats.headers(name, body, b"key")
        assert headers == formats.headers(name, body, b"key")
        assert all(text.isascii() and text.isprintable() for item in headers.items() for text in item)
        assert formats.headers(name, body, None) == {}
