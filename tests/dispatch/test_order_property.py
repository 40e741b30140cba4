"""Any history of events in any order, receivers that fail at random, PUTs, resends and dispatchers that come and go."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine import Configure, Queue, Running, event
from tests.receiver import Behaviour, Receiver, after, answer, in_turn
from tests.waiting import wait_until
from webhook_admin.events import Event, Status
from webhook_admin.queue import resend
from webhook_admin.queue.deliveries import State
from webhook_admin.queue.selection import Filter
from webhook_admin.webhook_enums import Superseded

ACCOUNTS = count()
MESSAGES = ("m1", "m2")
Batch = Sequence[tuple[str, Status, int]]
BATCHES = st.lists(
    st.lists(st.tuples(st.sampled_from(MESSAGES), st.sampled_from(Status), st.integers(0, 2)), min_size=1, max_size=4),
    min_size=1,
    max_size=5,
)
# Status and seconds: some answers come so late that others overtake them.
ANSWERS = st.lists(st.tuples(st.sampled_from([200, 200, 500]), st.sampled_from([0, 0, 0.03])), max_size=12)
# As many successes widen the lane's window, so that several requests are in flight at once.
WARM_UP = 12
# After which batch what happens: the webhook is PUT anew, what has ended is resent, or another dispatcher takes over.
STEPS = st.lists(st.sampled_from(["nothing", "nothing", "put", "resend", "replace"]), min_size=5, max_size=5)
ENDED = (State.DELIVERED, State.FAILED, State.SKIPPED)


def behaviour(answers: Sequence[tuple[int, float]]) -> Behaviour:
    """Answers in turn, then success."""
    warm_up = [answer()] * WARM_UP
    return in_turn(*warm_up, *(after(seconds, answer(status)) for status, seconds in answers), answer())


def events_of(account_id: str, batches: Sequence[Batch]) -> list[list[Event]]:
    """The events of each batch; the number is the second of the timestamp."""
    numbers = count()
    return [
        [
            event(
                next(numbers),
                account_id,
                message_id=message_id,
                status=status,
                timestamp=f"2026-04-09T14:39:0{second}Z",
            )
            for message_id, status, second in batch
        ]
        for batch in batches
    ]


def resend_ended(queue: Queue, account_id: str) -> None:
    """Resend what has ended, as a call to `POST /deliveries/resend` does."""
    now = datetime.now(UTC)
    with queue.database.transaction() as transaction:
        matched = resend.choose(transaction, Filter(account_id=account_id, states=ENDED), now)
        resend.some(transaction, account_id, matched.deliveries, now)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, answers=ANSWERS, steps=STEPS, superseded=st.sampled_from(Superseded))
def test_a_receiver_never_sees_a_status_after_a_newer_one(
    queue: Queue,
    configure: Configure,
    receiver: Receiver,
    batches: Sequence[Batch],
    answers: Sequence[tuple[int, float]],
    steps: Sequence[str],
    superseded: str,
) -> None:
    """With `ordering: message`, no notification arrives after that of one accepted later, unless it is resent; with
    `superseded: skip`, none after a newer status. The newest status arrives or is on record as FAILED.
    """
    account_id = f"account-{next(ACCOUNTS)}"
    url = receiver.url(f"/{account_id}", behaviour(answers))
    queue.customer(account_id, url, ordering="message", superseded=superseded)
    chosen = configure(retry_schedule="0.05,0.05,0.05,0.05")
    with ExitStack() as running:
        dispatcher = running.enter_context(Running(chosen))
        queue.accept(*(event(f"warm-{number}", account_id) for number in range(WARM_UP)))
        wait_until(lambda: len(queue.deliveries(account_id=account_id, state="DELIVERED")) == WARM_UP, 30)
        for batch, step in zip(events_of(account_id, batches), steps, strict=False):
            queue.accept(*batch)
            if step == "put":
                queue.put_webhook(account_id, callback_url=url)
            elif step == "resend":
                resend_ended(queue, account_id)
            elif step == "replace":
                dispatcher.stop()
                dispatcher = running.enter_context(Running(chosen))
        wait_until(lambda: not queue.due_lanes(), 30)
    rows = queue.deliveries(account_id=account_id)
    accepted_at = {row.event_id: row.id for row in rows}
    by_event = {row.event_id: Event.from_json(row.event) for row in rows}
    seen = [by_event[json.loads(each.body)["eventId"]] for each in receiver.requests if each.path == f"/{account_id}"]
    states = {row.event_id: row.state for row in rows}
    for message_id in MESSAGES:
        ordered = [each for each in seen if each.message_id == message_id]
        if "resend" not in steps:
            assert ordered == sorted(ordered, key=lambda each: accepted_at[each.id])
        if superseded == Superseded.SKIP:
            assert ordered == sorted(ordered, key=lambda each: each.newness)
        accepted = [each for each in by_event.values() if each.message_id == message_id]
        newest = max((each.newness for each in accepted), default=None)
        assert {states[each.id] for each in accepted if each.newness == newest} <= {"DELIVERED", "FAILED"}
