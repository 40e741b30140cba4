"""Pairs of status and reason that a payload format's table does not list."""

from dataclasses import replace

import pytest

from tests.formats.golden_files import cases
from webhook_admin import formats
from webhook_admin.events import UNSUCCESSFUL, Event, Reason

EVENT = Event(
    id="evt_1",
    account_id="acme",
    message_id="m-1",
    channel="SMS",
    status="FAILED",
    timestamp="2026-04-09T14:39:40.69257Z",
)


@pytest.mark.parametrize("name", ["phonovation-v2", "routee", "insider", "mta-v1"])
def test_a_pair_without_a_row_is_written_by_the_row_of_its_status(name: str) -> None:
    """Each pair is a row of the contract's table, and then golden, or reads as its status does without a reason."""
    listed = {(case.event.status, case.event.reason) for case in cases(name) if case.body}
    pairs = {(status, reason) for status in UNSUCCESSFUL for reason in Reason} - listed
    assert pairs or name == "insider"
    for status, reason in pairs:
        alone = replace(EVENT, status=status)
        assert formats.render(name, replace(alone, reason=reason)) == formats.render(name, alone)
