"""The documents that the payload formats come from: their examples, word for word, and their lists."""

import json
import re
from typing import Any

import pytest

from tests.formats.documents import EXAMPLES, MTA_CODES, ROUTEE
from tests.formats.golden_files import FOLDER, read
from webhook_admin.formats import FORMATS
from webhook_admin.formats.mta_v1 import Code


def bodies(place: str) -> list[Any]:
    """The bodies of a golden file, each object as a list of its pairs, so that their order counts."""
    return [ordered(case.body.decode()) for case in read(FOLDER / f"{place}.jsonl") if case.body]


def ordered(text: str) -> Any:
    """A JSON text, each object as a list of its pairs."""
    return json.loads(text, object_pairs_hook=list)


@pytest.mark.parametrize("place", EXAMPLES)
def test_an_example_is_sent_as_it_stands(place: str) -> None:
    """A golden file has the document's example: same keys in the same order, same values of the same types."""
    assert [repr(body) for body in bodies(place)] == [repr(ordered(EXAMPLES[place]))]


def test_no_golden_example_is_without_its_document() -> None:
    """Each golden file named for an example is held against it here."""
    shown = {f"{file.parent.name}/{file.stem}" for file in FOLDER.glob("insider/document-*.jsonl")}
    assert shown == {place for place in EXAMPLES if place.startswith("insider/")}


def types(value: Any) -> Any:
    """A body with the name of its type in the place of each value, as document 001 shows it."""
    if isinstance(value, dict):
        return {key: types(below) for key, below in value.items()}
    if isinstance(value, list):
        return [types(below) for below in value]
    return {str: "string", int: "number", float: "number"}[type(value)]


def test_routee_has_the_keys_and_types_of_the_document() -> None:
    """A report of which everything is known has the document's 19 keys, in its order, each of its type."""
    [case] = read(FOLDER / "routee" / "document-example.jsonl")
    assert case.body
    assert json.dumps(types(json.loads(case.body))) == json.dumps(json.loads(ROUTEE))


def test_routee_has_all_keys_always() -> None:
    """Whatever is known, a report has the document's keys in its order, down to the reason."""
    for file in (FOLDER / "routee").glob("*.jsonl"):
        for case in read(file):
            if case.body:
                assert keys(json.loads(case.body)) == keys(json.loads(ROUTEE))


def keys(value: Any) -> Any:
    """The keys of an object, in their order, and those of the objects in it."""
    return [(key, keys(below)) for key, below in value.items()] if isinstance(value, dict) else None


def test_phonovation_takes_the_timestamps_of_the_document() -> None:
    """Five, six and seven fractional digits arrive as they are."""
    written = [dict(body)["FinishedAt"] for body in bodies("phonovation-v2/document-finished-at")]
    assert written == ["2026-04-09T14:39:40.69257Z", "2025-06-06T17:50:57.675187Z", "2025-06-06T17:55:48.6689654Z"]


def test_phonovation_echoes_the_notify_ids_of_the_document() -> None:
    """The id from the campaign request, or an empty string if there was none."""
    written = [dict(body)["NotifyId"] for body in bodies("phonovation-v2/document-notify-id")]
    assert written == ["order-001", "", ""]


def test_mta_codes_are_the_documents() -> None:
    """All fourteen, by name and number, and each of them in a golden file that is named for it."""
    listed = {name: int(number) for name, number in re.findall(r"(\w+) = (\d+)", MTA_CODES)}
    assert {code.name: code.value for code in Code} == listed
    for name, number in listed.items():
        rows = bodies(f"mta-v1/{number:02}-{name.lower().replace('_', '-')}")
        assert {dict(body)["status"] for body in rows} == {number}


def test_mta_echoes_the_tags_of_the_document() -> None:
    """An object of the tags that the customer provided."""
    assert [dict(body)["tags"] for body in bodies("mta-v1/document-tags")] == [[("key", "value")]]


@pytest.mark.parametrize("name", FORMATS)
def test_a_receiver_may_answer_as_the_document_says(name: str) -> None:
    """Document 003 asks for any 2xx, all others for 200 and nothing else."""
    assert {code for code in range(600) if code in FORMATS[name].SUCCESS} == (
        set(range(200, 300)) if name == "standard" else {200}
    )
