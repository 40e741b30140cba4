"""The schemas say no less than the documents that they come from, and no more."""

import json

import pytest
from golden_files import cases
from jsonschema import Draft202012Validator

from webhook_admin.formats import FORMATS


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"standard"}))
def test_the_schema_has_no_more_than_the_document(name: str) -> None:
    """The formats of other owners do not grow: with one more property a body does not fit."""
    validator = Draft202012Validator(FORMATS[name].SCHEMA)
    for case in cases(name):
        if case.body:
            assert not validator.is_valid(json.loads(case.body) | {"more": 1})


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
