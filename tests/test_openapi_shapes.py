"""The schemas of the OpenAPI document are such that generators of code understand them, and clients outlive changes."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from webhook_admin import callback_urls
from webhook_admin.field_errors import Code
from webhook_admin.web import enumerations
from webhook_admin.web.fields import Checked

FILE = Path(__file__).parent.parent / "openapi" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
CODES = set(get_args(Code))


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """All objects within a part of the document, examples left out."""
    if isinstance(part, dict):
        yield part
        part = [below for name, below in part.items() if name not in ("examples", "example", "const")]
    if isinstance(part, list):
        for below in part:
            yield from parts(below)


def reachable(part: Any) -> dict[str, Any]:
    """The named schemas that a part of the document refers to, also by way of others."""
    found: dict[str, Any] = {}
    waiting = [part]
    while waiting:
        for below in parts(waiting.pop()):
            name = str(below.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found[name] = SCHEMAS[name]
                waiting.append(SCHEMAS[name])
    return found


def objects(schemas: dict[str, Any]) -> dict[str, Any]:
    """Those of the named schemas that are objects with properties."""
    return {name: schema for name, schema in schemas.items() if schema.get("properties")}


OPERATIONS = [
    operation for path in DOCUMENT["paths"].values() for method, operation in path.items() if method != "parameters"
]
REQUESTS = objects(reachable([operation.get("requestBody") for operation in OPERATIONS]))
ANSWERS = objects(reachable([operation["responses"] for operation in OPERATIONS] + [DOCUMENT["webhooks"]]))


def test_requests_are_closed_and_answers_open() -> None:
    """A field that a call does not know is refused; an answer, or a notification, may have new ones any day."""
    assert REQUESTS
    assert ANSWERS
    assert {name for name, schema in REQUESTS.items() if schema.get("additionalProperties") is not False} == set()
    assert [schema for schema in parts(list(ANSWERS.values())) if schema.get("additionalProperties") is False] == []
    assert REQUESTS.keys().isdisjoint(ANSWERS)


def test_nullable_is_no_list_of_types() -> None:
    """What may be null is `anyOf`: lists of types, and null among the values of a list, break generators."""
    for part in parts(DOCUMENT):
        assert not isinstance(part.get("type"), list)
        assert None not in (part["enum"] if isinstance(part.get("enum"), list) else [])


def test_schemas_have_no_titles() -> None:
    """A class is named for its place in the document; a title would give two of them one name."""
    assert [schema for schema in parts(SCHEMAS) if isinstance(schema.get("title"), str)] == []


@pytest.mark.parametrize("enumeration", enumerations.ALL, ids=lambda enumeration: enumeration.name)
def test_an_enumeration_has_a_name(enumeration: enumerations.Enumeration) -> None:
    """Each list of values stands in the document once, under its name, and is referred to wherever it is meant."""
    assert SCHEMAS[enumeration.name]["enum"] == list(enumeration)
    assert [part for part in parts(DOCUMENT) if part.get("enum") == list(enumeration)] == [SCHEMAS[enumeration.name]]
    assert enumeration.reference["$ref"] in {part.get("$ref") for part in parts(DOCUMENT)}


def test_no_list_of_values_stands_twice() -> None:
    """Lists that belong to one payload format have no name, and are nowhere else: a generator names them by place."""
    lists = Counter(tuple(part["enum"]) for part in parts(DOCUMENT) if isinstance(part.get("enum"), list))
    assert [values for values, times in lists.items() if times > 1] == []
    assert [part for part in parts(DOCUMENT["paths"]) if "enum" in part] == []


def kinds(base: type[Any]) -> Iterator[type[Any]]:
    """A class and all that inherit from it."""
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def test_every_code_is_listed() -> None:
    """What a field or a callback URL can be refused for is a code that the document has."""
    own = {code for kind in kinds(Checked) for code in vars(kind).get("default_error_messages", {})}
    assert own
    assert own <= CODES
    assert {refusal.name.lower() for refusal in callback_urls.Refusal} <= CODES


def test_the_service_is_where_the_document_comes_from() -> None:
    """One server, relative to the document, and somebody to turn to."""
    assert [server["url"] for server in DOCUMENT["servers"]] == ["."]
    assert DOCUMENT["info"]["contact"]["name"]
