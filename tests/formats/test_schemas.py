"""The schemas say no less than the documents that they come from, and no more."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.formats.golden_files import cases
from webhook_admin.formats import FORMATS


def closed(schema: Any) -> Any:
    """The schema, its objects closed to other properties than those that it names."""
    if isinstance(schema, list):
        return list(map(closed, schema))
    if not isinstance(schema, dict):
        return schema
    conditions = {"if", "then", "else", "not"}
    below = {name: value if name in conditions else closed(value) for name, value in schema.items()}
    return below | ({"additionalProperties": False} if "properties" in schema and schema.get("type") else {})


@pytest.mark.parametrize("name", FORMATS)
def test_the_schema_names_every_property(name: str) -> None:
    """No body has a property, at any depth, that the schema does not name; yet a format may grow."""
    exact, open_ = Draft202012Validator(closed(FORMATS[name].SCHEMA)), Draft202012Validator(FORMATS[name].SCHEMA)
    for case in cases(name):
        if case.body:
            body = json.loads(case.body)
            assert exact.is_valid(body)
            assert not exact.is_valid(body | {"more": 1})
            assert open_.is_valid(body | {"more": 1})


@pytest.mark.parametrize("name", ["phonovation-v2", "insider", "routee"])
def test_the_schema_tells_the_kinds_of_bodies_apart(name: str) -> None:
    """Of a body of one kind every property is required, and the properties of another kind do not fit."""
    validator = Draft202012Validator(FORMATS[name].SCHEMA)
    kinds = {tuple(body): body for case in cases(name) if case.body for body in [json.loads(case.body)]}
    for properties, body in kinds.items():
        assert validator.is_valid(body)
        for missing in properties:
            assert not validator.is_valid({key: value for key, value in body.items() if key != missing})
        for others, other in kinds.items():
            assert set(others) <= set(properties) or not validator.is_valid(other | body)
