"""Which notifications of a message wait for others, and which are superseded (contract, section 1, Order)."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.dispatch.test_decide import NOW, WEBHOOK, due
from tests.engine import event
from webhook_admin.dispatch import order
from webhook_admin.dispatch.retry import HOUR, MINUTE, SECOND
from webhook_admin.events import Status
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.queue.siblings import Sibling

ORDERED = replace(WEBHOOK, ordering="message", superseded="skip")
RANKS = [
    {Status.QUEUED},
    {Status.SENDING},
    {Status.SENT},
    {Status.DELIVERED, Status.UNDELIVERED, Status.FAILED, Status.REJECTED, Status.EXPIRED},
    {Status.READ},
]


def ordered(**fields: Any) -> Due:
    """A delivery, `dlv_5`, of a webhook with both options."""
    return due(**{"id": "dlv_5", "webhook": ORDERED} | fields)


def sibling(id_: str = "dlv_4", due_at: int | None = NOW, *, is_in_flight: bool = False, **fields: Any) -> Sibling:
    """Another delivery of its message."""
    return Sibling(id=id_, event=event(**fields).to_json(), due_at=due_at, is_in_flight=is_in_flight)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("other", Status)
def test_a_greater_rank_is_newer(status: Status, other: Status) -> None:
    """Whatever the timestamps say; within a rank, the later timestamp is."""
    ranks = {each: rank for rank, statuses in enumerate(RANKS) for each in statuses}
    early = event(status=status, timestamp="2026-04-09T14:39:40Z")
    late = event(status=other, timestamp="2026-04-09T14:39:41Z")
    assert (late.newness > early.newness) == (ranks[other] >= ranks[status])


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-04-09T14:39:40Z", "2026-04-09T14:39:40.1Z"),
        ("2026-04-09T14:39:40.09Z", "2026-04-09T14:39:40.1Z"),
        ("2026-04-09T14:39:40.9999999Z", "2026-04-09T14:39:41Z"),
        ("2026-04-09T14:39:40.12345Z", "2026-04-09T14:39:40.123456Z"),
    ],
)
def test_fractions_count(earlier: str, later: str) -> None:
    """Timestamps are compared as numbers, however many digits they have."""
    assert event(timestamp=earlier).newness < event(timestamp=later).newness


def test_equal_times_are_equal() -> None:
    """Zeros at the end of a fraction make nothing newer."""
    same = [event(timestamp=f"2026-04-09T14:39:40{fraction}Z").newness for fraction in ("", ".0", ".00")]
    assert same[0] == same[1] == same[2]


def test_a_newer_status_supersedes() -> None:
    """The newest of several is the one that is named."""
    siblings = [sibling(status="DELIVERED"), sibling(status="READ"), sibling(status="QUEUED")]
    newer = order.superseded_by(ordered(), event(), "standard", siblings)
    assert newer
    assert newer.status == "READ"


@pytest.mark.parametrize("state", ["older", "same", "damaged", "inexpressible"])
def test_nothing_else_does(state: str) -> None:
    """Nor does a status that the format cannot express: it would leave the receiver with none at all."""
    siblings = {
        "older": sibling(status="SENDING"),
        "same": sibling(),
        "damaged": Sibling(id="dlv_4", event="{", due_at=None, is_in_flight=False),
        "inexpressible": sibling(status="READ"),
    }
    assert order.superseded_by(ordered(), event(), "insider", [siblings[state]]) is None


def test_superseded_ones_are_sent_by_default() -> None:
    """Only `skip` skips."""
    ordered_only = ordered(webhook=replace(ORDERED, superseded="send"))
    assert order.superseded_by(ordered_only, event(), "standard", [sibling(status="READ")]) is None


@pytest.mark.parametrize(
    ("other", "until"),
    [
        (sibling("dlv_4", NOW + MINUTE), NOW + MINUTE),
        (sibling("dlv_4", NOW), NOW + 10 * SECOND),
        (sibling("dlv_4", NOW + HOUR), NOW + 10 * MINUTE),
        (sibling("dlv_6", NOW, is_in_flight=True), NOW + 10 * SECOND),
        (sibling("dlv_6", NOW), None),
        (sibling("dlv_4", None), None),
    ],
)
def test_it_waits_for_earlier_ones(other: Sibling, until: int | None) -> None:
    """For pending ones that were accepted earlier, and for any that is in flight; until one of them is due again."""
    assert order.blocked_until(ordered(), [other], NOW) == until


def test_without_ordering_nothing_waits() -> None:
    """Only `message` orders."""
    assert order.blocked_until(ordered(webhook=replace(ORDERED, ordering="none")), [sibling()], NOW) is None


@pytest.mark.parametrize(
    ("fields", "depends"),
    [
        ({}, True),
        ({"webhook": replace(ORDERED, ordering="none")}, True),
        ({"webhook": replace(ORDERED, superseded="send")}, True),
        ({"webhook": WEBHOOK}, False),
        ({"webhook": None}, False),
        ({"webhook_id": None}, False),
        ({"webhook_id": "wh_2"}, False),
        ({"test": True}, False),
    ],
)
def test_only_deliveries_to_such_a_webhook_depend(fields: dict[str, Any], depends: bool) -> None:
    """Per-message URLs, tests and other webhooks are not touched, and cost no look at siblings."""
    assert order.depends_on_siblings(ordered(**fields)) is depends
