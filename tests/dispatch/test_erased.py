"""An erasure beside a running dispatcher."""

import pytest

from tests.engine import Dispatch, Queue, event
from tests.receiver import Receiver, answer, hold
from tests.waiting import wait_until
from webhook_admin import logs
from webhook_admin.queue import clock, erasure
from webhook_admin.queue.deliveries import ERASED

TO = "+353861234567"


@pytest.mark.parametrize(("status", "state"), [(500, "CANCELLED"), (200, "DELIVERED")])
def test_what_is_in_flight_is_recorded_and_not_repeated(
    dispatch: Dispatch, receiver: Receiver, queue: Queue, capsys: pytest.CaptureFixture[str], status: int, state: str
) -> None:
    """Its outcome counts, its answer is not kept, and the log does not know the recipient."""
    logs.configure("debug", "text")
    held = hold(answer(status, f"{TO} says hello".encode()))
    queue.customer(callback_url=receiver.url("/", held))
    dispatch(retry_schedule="3600")
    queue.accept(event(to=TO))
    wait_until(lambda: receiver.requests)
    with_attempt_in_flight = erasure.erase(queue.database, TO, clock.moment(clock.now()))
    assert with_attempt_in_flight == (1, 0)
    held.release()
    queue.wait_for(**{state: 1})
    (made,) = queue.attempts()
    assert (made.status_code, made.response, made.detail) == (status, None, None)
    assert queue.delivery().state_detail == (ERASED if state == "CANCELLED" else None)
    assert (queue.delivery().body, len(receiver.requests)) == (None, 1)
    shown = capsys.readouterr()
    assert "event=attempt" in shown.err
    assert TO not in shown.err + shown.out
