"""The schema of a notification in the OpenAPI document, held against every body that there is a golden file of."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from tests.formats.golden_files import cases
from webhook_admin.formats import FORMATS

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())


def validator(schema: dict[str, Any]) -> OAS31Validator:
    """What holds a value against a schema of the document."""
    return OAS31Validator(schema | {"components": DOCUMENT["components"]}, format_checker=oas31_format_checker)


NOTIFICATION = validator(DOCUMENT["components"]["schemas"]["Notification"])
BRANCHES = dict(zip(FORMATS, map(validator, NOTIFICATION.schema["oneOf"]), strict=True))


@pytest.mark.parametrize("name", FORMATS)
def test_a_body_is_of_one_format(name: str) -> None:
    """Every golden body fits, and fits the schema of its own format alone, so that a receiver can tell which it is."""
    bodies = [json.loads(case.body) for case in cases(name) if case.body]
    assert bodies
    for body in bodies:
        assert [branch for branch, schema in BRANCHES.items() if schema.is_valid(body)] == [name]
        NOTIFICATION.validate(body)
