"""The canonical event's timestamp: what is one, and what becomes of its digits (contract, section 1)."""

import pytest

from tests.api import URL_1, Api
from tests.web.event_calls import counts, event, faults, post, stored
from webhook_admin.db import Database

pytestmark = [pytest.mark.parametrize("store_url", ["sqlite"], indirect=True), pytest.mark.usefixtures("customer")]
TIMES = {
    "2026-04-09T14:39:40Z": "2026-04-09T14:39:40Z",
    "2026-04-09T14:39:40.69257Z": "2026-04-09T14:39:40.69257Z",
    "2026-04-09T14:39:40.692570Z": "2026-04-09T14:39:40.692570Z",
    "2026-04-09T14:39:40.6925701Z": "2026-04-09T14:39:40.6925701Z",
    f"2026-04-09T14:39:40.{'0' * 1_000}Z": f"2026-04-09T14:39:40.{'0' * 1_000}Z",
    "2026-04-09t14:39:40.1z": "2026-04-09T14:39:40.1Z",
    "2026-04-09T14:39:40.6925701+00:00": "2026-04-09T14:39:40.6925701Z",
    "2026-04-09T14:39:40-00:00": "2026-04-09T14:39:40Z",
    "2026-04-09T14:39:40.6925701+02:00": "2026-04-09T12:39:40.6925701Z",
    "2026-01-01T00:30:00.50-05:45": "2026-01-01T06:15:00.50Z",
    "2026-01-01T00:30:00.000+01:00": "2025-12-31T23:30:00.000Z",
    "2024-02-29T23:59:59+23:59": "2024-02-29T00:00:59Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9Z": "9999-12-31T23:59:59.9Z",
}
NO_TIMES = [
    "",
    "2026-04-09",
    "2026-04-09T14:39:40",
    "2026-04-09 14:39:40Z",
    "2026-04-09T14:39Z",
    "2026-04-09T14:39:40.Z",
    "2026-04-09T14:39:40,5Z",
    "2026-04-09T14:39:40+0200",
    "2026-04-09T14:39:40+02",
    "2026-04-09T14:39:40+24:00",
    "2026-04-09T14:39:40+02:60",
    "2026-02-29T14:39:40Z",
    "2026-02-30T14:39:40+01:00",
    "2026-13-01T14:39:40Z",
    "2026-00-01T14:39:40Z",
    "2026-04-31T14:39:40Z",
    "2026-04-09T24:00:00Z",
    "2026-04-09T14:60:00Z",
    "2016-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "2026-04-09T14:39:40Z\n",
    " 2026-04-09T14:39:40Z",
    "٢٠٢٦-04-09T14:39:40Z",
    "1775745580",
]


def test_times_keep_their_digits(platform: Api, database: Database) -> None:
    """A time in UTC is kept as it is; one with another offset is put into UTC and keeps the digits of its fraction."""
    for number, given in enumerate(TIMES):
        assert counts(post(platform, event(id=f"{number:02}", timestamp=given, callbackUrl=URL_1))) == (1, 0, 0), given
    assert [each.timestamp for each in stored(database)] == list(TIMES.values())


def test_times_that_are_none(platform: Api, database: Database) -> None:
    """What is no moment in RFC 3339, or a day that no calendar has, is refused."""
    for given in NO_TIMES:
        assert faults(post(platform, event(timestamp=given))) == [("events.0.timestamp", "invalid")], given
    long = f"2026-04-09T14:39:40.{'0' * 1_005}Z"
    assert faults(post(platform, event(timestamp=long))) == [("events.0.timestamp", "too_long")]
    assert stored(database) == []
