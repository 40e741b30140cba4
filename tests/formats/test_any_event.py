"""Whatever event the platform sends, in whatever payload format: a body that fits the schema, or a reason for none."""

import json

from hypothesis import given
from jsonschema import Draft202012Validator, FormatChecker

from tests.formats.any_event import EVENTS, bounded
from webhook_admin import formats
from webhook_admin.events import Event
from webhook_admin.formats import FORMATS

DATES = FormatChecker(["date-time"])
VALIDATORS = {name: Draft202012Validator(format_.SCHEMA, format_checker=DATES) for name, format_ in FORMATS.items()}


@bounded
@given(EVENTS)
def test_is_rendered_or_skipped_with_a_reason(event: Event) -> None:
    """Rendering never fails, gives the same bytes each time, and JSON in UTF-8 that fits the schema."""
    stored = Event.from_json(event.to_json())
    for name, validator in VALIDATORS.items():
        body = formats.render(name, event)
        assert body == formats.render(name, stored)
        if body is None:
            assert {name, event.status, event.reason or name} <= set(formats.skip_reason(name, event)[:-1].split())
        else:
            validator.validate(json.loads(body.decode()))
