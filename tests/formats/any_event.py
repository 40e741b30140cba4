"""Every event that the API accepts, as a strategy for hypothesis."""

from string import ascii_letters, digits
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from webhook_admin.events import UNSUCCESSFUL, Channel, Event, Reason, Status


def text(max_size: int, min_size: int = 0) -> st.SearchStrategy[str]:
    """Whatever a JSON string may hold, but for NUL and halves of surrogate pairs, which the API refuses."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.text(characters, min_size=min_size, max_size=max_size)


def _optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


_NUMBER = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
_DETAILS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(["smsId", "campaignTrackingId", "country", "operator", "campaignName"], text(20)),
    **dict.fromkeys(["applicationName", "direction", "originatingService", "senderName"], text(20)),
    **dict.fromkeys(["part", "parts"], st.integers(1, 2**63 - 1)),
    **dict.fromkeys(["latency", "price"], _NUMBER),
    "message": text(200),
    "groups": st.lists(text(20), max_size=3),
}
_FRACTION = st.just("") | st.text(digits, min_size=1, max_size=9).map(".{}".format)
_TIMESTAMPS = st.builds(
    lambda moment, fraction: f"{moment.isoformat(timespec='seconds')}{fraction}Z", st.datetimes(), _FRACTION
)
_MESSAGE_IDS = (
    text(128, min_size=1)
    | st.text(digits, min_size=1, max_size=128)
    | st.text(st.characters(categories=["Nd", "No"]), min_size=1, max_size=128)
)


def _events(status: Status) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        id=st.text(ascii_letters + digits + "_-", min_size=1, max_size=128),
        account_id=st.just("acme"),
        message_id=_MESSAGE_IDS,
        channel=st.sampled_from([channel.value for channel in Channel]),
        status=st.just(status.value),
        timestamp=_TIMESTAMPS,
        reason=_optional(st.sampled_from([reason.value for reason in Reason])) if status in UNSUCCESSFUL else st.none(),
        error=_optional(
            st.fixed_dictionaries({"code": st.integers(-(2**63), 2**63 - 1) | text(20), "message": text(50)})
        ),
        to=_optional(st.integers(10, 10**15 - 1).map("+{}".format)),
        from_=_optional(text(20)),
        customer_message_id=_optional(text(50)),
        tags=_optional(st.dictionaries(text(64, min_size=1), text(20), max_size=3)),
        details=st.fixed_dictionaries({}, optional=_DETAILS),
    )


# The same events in every run, and no failure because the machine is busy with something else.
bounded = settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
EVENTS: st.SearchStrategy[Event] = st.sampled_from(Status).flatmap(_events)
