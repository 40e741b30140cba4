"""Erasure: nothing is left of a recipient in the store, and of others everything."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.api import Api
from tests.engine import LANE, OWN_URL, Queue, errors, event, together
from webhook_admin.errors import DeliveryErased
from webhook_admin.models import attempts as attempts_table
from webhook_admin.models import deliveries as table
from webhook_admin.queue import attempts, clock, deliveries, due_deliveries, erasure, resend
from webhook_admin.queue.attempts import Attempt, Begun
from webhook_admin.queue.deliveries import ERASED, State, Transition
from webhook_admin.queue.due_deliveries import Due, Wanted
from webhook_admin.queue.erasure import Erased
from webhook_admin.queue.selection import Chosen, Filter

TO, OTHER = "+353861234567", "+353861234568"
SECRETS = ("secret", TO)
NOW = datetime.now(UTC)


def personal(number: int, **fields: Any) -> dict[str, Any]:
    """The fields of an event that says much about its recipient."""
    return {
        "number": number,
        "message_id": f"secret_{number}",
        "to": TO,
        "customer_message_id": "secret",
        "tags": {"name": "secret"},
        "error": {"code": 1, "message": "secret"},
    } | fields


def erase(queue: Queue, to: str = TO) -> Erased:
    """Erase a recipient."""
    return erasure.erase(queue.database, to, NOW)


def traces(queue: Queue) -> list[str]:
    """What is in the store about the recipient."""
    with queue.database.connect() as connection:
        rows = [*connection.execute(select(table)), *connection.execute(select(attempts_table))]
    return [str(value) for row in rows for value in row if any(each in str(value) for each in SECRETS)]


def attempt(id_: str, number: int = 1) -> Attempt:
    """An attempt whose answer says much about the recipient."""
    made: dict[str, Any] = {"started_at": 0, "duration_ms": 5, "outcome": "redirect", "status_code": 302}
    answer: dict[str, Any] = {
        "response": "secret",
        "detail": "A redirect to https://example.com/secret.",
        "hint": "Look.",
    }
    return Attempt(account_id="acme", delivery_id=id_, number=number, **made, **answer)


def record(queue: Queue, *made: Attempt) -> None:
    """Put attempts on record."""
    with queue.database.transaction() as transaction:
        attempts.record(transaction, made)


def change(queue: Queue, number: int, **values: object) -> None:
    """Write values into a delivery."""
    with queue.database.transaction() as transaction:
        transaction.execute(update(table).where(table.c.event_id == f"evt_{number}").values(values))


@pytest.fixture
def recipient(queue: Queue) -> Queue:
    """Of the recipient: one that waits, one that has failed, and one to a URL of its own; and one of somebody else."""
    queue.customer()
    queue.customer("globex")
    queue.accept(
        event(**personal(1)),
        event(**personal(2)),
        event(**personal(3, account_id="globex", callback_url=f"{OWN_URL}?id=secret")),
        event(4, to=OTHER),
        event(5),
    )
    change(queue, 2, state="FAILED", due_at=None, attempts=1, recorded=1, body='"secret"', state_detail="Failed.")
    record(queue, attempt(queue.delivery(2).id))
    return queue


def test_nothing_is_left(recipient: Queue) -> None:
    """Of all accounts, answers and bodies included; what waits is cancelled, other states and outcomes stay."""
    assert erase(recipient) == Erased(deliveries=3, cancelled=2)
    assert traces(recipient) == []
    assert [row.state for row in recipient.deliveries()] == ["CANCELLED", "FAILED", "CANCELLED", "PENDING", "PENDING"]
    assert [recipient.delivery(number).state_detail for number in (1, 2, 3, 4)] == [ERASED, "Failed.", ERASED, None]
    assert recipient.delivery(3).callback_url == "https://orders.example.com:443"
    (made,) = recipient.attempts()
    assert (made.outcome, made.status_code, made.hint) == ("redirect", 302, "Look.")
    assert erase(recipient) == Erased(0, 0)


def test_others_are_not_touched(recipient: Queue) -> None:
    """Nor those who have nothing in common with anybody but part of the number."""
    before = [recipient.delivery(number) for number in (4, 5)]
    erase(recipient)
    erase(recipient, "+35386123456")
    assert [recipient.delivery(number) for number in (4, 5)] == before


def test_more_than_a_step_takes(recipient: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are locked a few at a time, and several erasures at once share the work."""
    monkeypatch.setattr(erasure, "_BATCH", 2)
    recipient.accept(*(event(**personal(number)) for number in range(10, 25)))
    results = together(3, lambda _: erase(recipient))
    assert errors(results) == []
    assert (sum(each.deliveries for each in results), sum(each.cancelled for each in results)) == (18, 17)
    assert traces(recipient) == []


def test_an_erased_event_is_a_duplicate(recipient: Queue) -> None:
    """Whatever it says: nobody can compare it any more, and it must not come back."""
    erase(recipient)
    again = recipient.accept(event(**personal(1)), event(**personal(2, status="READ")))
    assert (again.accepted, again.duplicates) == (0, 2)
    assert traces(recipient) == []


def test_an_erased_delivery_is_not_resent(recipient: Queue) -> None:
    """Alone it is refused; among others it is left out."""
    erase(recipient)
    with recipient.database.transaction() as transaction, pytest.raises(DeliveryErased):
        resend.one(transaction, "acme", recipient.delivery(2).id, NOW)
    with recipient.database.transaction() as transaction:
        assert resend.choose(transaction, Filter(account_id="acme"), NOW).deliveries == []
        assert resend.some(transaction, "acme", [Chosen(recipient.delivery(2).id, "FAILED")], NOW) == 0


def test_deliveries_from_before_the_column(recipient: Queue) -> None:
    """Their recipients are read out of their events; one that is damaged hides no other."""
    with recipient.database.transaction() as transaction:
        transaction.execute(update(table).values(recipient=""))
    change(recipient, 5, event="{")
    assert erase(recipient).deliveries == 3
    assert [recipient.delivery(number).recipient for number in (1, 4, 5)] == [None, OTHER, None]


def test_they_can_still_be_looked_at(recipient: Queue, platform: Api) -> None:
    """With state and attempts, and without the event; statistics count what was cancelled."""
    assert platform("POST", "/erasures", json={"to": TO}).json == {"deliveries": 3, "cancelled": 2}
    shown = platform("GET", f"/deliveries/{recipient.delivery(2).id}", headers={"X-Account-Id": "acme"}).json
    assert (shown["messageId"], shown["eventId"], shown["event"], shown["timestamp"]) == ("", "evt_2", None, None)
    assert [made["response"] for made in shown["attempts"]] == [None]
    counted = platform("GET", "/webhooks/delivery-status/statistics", headers={"X-Account-Id": "acme"}).json
    assert counted["cancelled"] == 1


def begun(due: Due, number: int, now: int) -> Begun:
    """The delivery's attempt of this number, as it begins."""
    return Begun(
        account_id=due.account_id,
        id=due.id,
        attempts=number,
        begun_at=now,
        callback_url="https://secret.example/",
        payload_format="standard",
    )


def in_flight(queue: Queue) -> Due:
    """Begin an attempt for the first delivery; the delivery as it was before."""
    now = clock.now()
    with queue.database.transaction() as transaction:
        due = due_deliveries.due(transaction, [Wanted(LANE, 1, [])], now)[0]
        begun: dict[str, Any] = {
            "attempts": 1,
            "begun_at": now,
            "callback_url": "https://example.com/",
            "payload_format": "standard",
        }
        assert attempts.begin(transaction, [Begun(account_id=due.account_id, id=due.id, **begun)])
    return due


def concluded(queue: Queue, due: Due, **state: Any) -> set[str]:
    """Give the delivery its next state after the attempt; the ids of those whose answers are not to be kept."""
    transition = Transition(account_id=due.account_id, id=due.id, attempts=1, **state)
    with queue.database.transaction() as transaction:
        return deliveries.conclude(transaction, [transition]).erased


def test_what_comes_of_an_attempt_in_flight_is_recorded(recipient: Queue) -> None:
    """A success counts; after a failure the delivery is due at once, to be cancelled, and no body is kept."""
    due = in_flight(recipient)
    assert erase(recipient) == Erased(3, 1)
    assert recipient.delivery(1).state == "PENDING"
    later = clock.now() + 60_000
    assert concluded(recipient, due, state=State.PENDING, due_at=later, body="secret") == {due.id}
    row = recipient.delivery(1)
    assert (row.state, row.due_at, row.body, row.recorded) == ("PENDING", due.due_at, None, 1)
    assert traces(recipient) == []


def test_an_answer_that_comes_too_late_is_not_kept(recipient: Queue) -> None:
    """Also by a dispatcher that has lost the delivery meanwhile."""
    due = in_flight(recipient)
    assert concluded(recipient, due, state=State.FAILED) == set()
    assert concluded(recipient, due, state=State.FAILED) == set()
    erase(recipient)
    assert concluded(recipient, due, state=State.FAILED) == {due.id}
    kept = attempts.without_answer(attempt(due.id))
    assert (kept.response, kept.detail, kept.status_code) == (None, None, 302)


def test_an_attempt_of_what_was_read_before_is_not_begun(recipient: Queue) -> None:
    """A delivery whose dispatcher has died is erased while another one takes it over."""
    due = in_flight(recipient)
    erase(recipient)
    with recipient.database.transaction() as transaction:
        begun: dict[str, Any] = {
            "attempts": 2,
            "begun_at": 0,
            "callback_url": "https://secret.example/",
            "payload_format": "standard",
        }
        assert attempts.begin(transaction, [Begun(account_id=due.account_id, id=due.id, **begun)]) == set()
