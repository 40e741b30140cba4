"""The signing secret is rotated while deliveries wait, are in flight, and come in (contract, sections 1 and 2)."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from tests.dispatch.gate import Gate
from tests.engine import Dispatch, Queue, event
from tests.receiver import Received, Receiver, answer, hold, in_turn
from tests.waiting import wait_until
from webhook_admin import signing_secrets
from webhook_admin.errors import RotationInProgress
from webhook_admin.models import webhooks
from webhook_admin.queue.lanes import Standing

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
VERIFY_IN_NODE = """
const { Webhook } = require("standardwebhooks");
const { secret, body, headers } = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(new Webhook(secret).verify(body, headers)));
"""


def rotate(queue: Queue, **options: Any) -> str:
    """Rotate the secret of `acme`; the new one."""
    with queue.database.transaction() as transaction:
        return signing_secrets.rotate(transaction, queue.cipher, "acme", datetime.now(UTC), **options).signing_secret


def end_overlap(queue: Queue) -> None:
    """Let the time of the overlap pass."""
    with queue.database.connect() as connection:
        a_second_ago = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(webhooks).values(previous_secret_expires_at=a_second_ago))


def fits(secret: str, request: Received) -> bool:
    """Whether the published library verifies the request with the secret."""
    try:
        Verifier(secret).verify(request.body, dict(request.headers))
    except WebhookVerificationError:
        return False
    return True


@pytest.fixture
def gate(receiver: Receiver) -> Iterator[Gate]:
    """A gate in front of the receiver."""
    with Gate(receiver.port) as gate:
        yield gate


def test_both_secrets_verify_during_the_overlap(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """One header has both signatures, that of the new secret first; once the overlap has ended, it is alone."""
    old = queue.customer(callback_url=receiver.url())
    new = rotate(queue)
    dispatch()
    queue.accept(event(1))
    queue.wait_for(DELIVERED=1)
    end_overlap(queue)
    queue.accept(event(2))
    queue.wait_for(DELIVERED=2)
    during, later = receiver.requests
    assert [fits(secret, during) for secret in (new, old)] == [True, True]
    for secret, signature in zip((new, old), during.headers["webhook-signature"].split(" "), strict=True):
        Verifier(secret).verify(during.body, dict(during.headers) | {"webhook-signature": signature})
    assert [fits(secret, later) for secret in (new, old)] == [True, False]


def test_without_overlap_the_old_secret_stops_at_once(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """Also for retries of what was first sent before."""
    held = hold(answer(500))
    old = queue.customer(callback_url=receiver.url("/", in_turn(held, answer())))
    dispatch(retry_schedule="0.05")
    queue.accept(event())
    wait_until(lambda: receiver.requests)
    new = rotate(queue, overlap_seconds=0)
    held.release()
    queue.wait_for(DELIVERED=1)
    before, after = receiver.requests
    assert before.body == after.body
    assert [(fits(old, request), fits(new, request)) for request in (before, after)] == [(True, False), (False, True)]


@pytest.mark.parametrize("is_own_url", [False, True], ids=["webhook", "per-message"])
def test_a_connection_that_is_being_opened_sends_nothing_old(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, gate: Gate, is_own_url: bool
) -> None:
    """The request that was signed before the rotation is given up, does not count, and is made again."""
    queue.customer(callback_url=gate.url("/"))
    dispatch()
    queue.accept(event(callback_url=gate.url("/own") if is_own_url else None))
    wait_until(lambda: gate.connections)
    new = rotate(queue, overlap_seconds=0)
    gate.open()
    queue.wait_for(DELIVERED=1)
    assert [fits(new, request) for request in receiver.requests] == [True]
    assert [row.number for row in queue.attempts()] == [1]


def test_dropping_the_previous_secret_counts_at_once(
    queue: Queue, dispatch: Dispatch, receiver: Receiver, gate: Gate
) -> None:
    """A request that was signed with both while its connection was being opened is signed anew."""
    old = queue.customer(callback_url=gate.url("/"))
    new = rotate(queue)
    dispatch()
    queue.accept(event())
    wait_until(lambda: gate.connections)
    with queue.database.connect() as connection:
        signing_secrets.drop_previous(connection, "acme", datetime.now(UTC))
    gate.open()
    queue.wait_for(DELIVERED=1)
    assert [(fits(new, request), fits(old, request)) for request in receiver.requests] == [(True, False)]


@ON_POSTGRESQL
def test_rotations_wait_for_each_other(queue: Queue) -> None:
    """One that begins before another is committed sees its overlap: no secret is dropped before it was used."""
    queue.customer()
    results: list[Exception] = []

    def rotate_again() -> None:
        try:
            rotate(queue)
        except RotationInProgress as error:
            results.append(error)

    second = threading.Thread(target=rotate_again)
    with queue.database.transaction() as transaction:
        signing_secrets.rotate(transaction, queue.cipher, "acme", datetime.now(UTC))
        second.start()
        wait_until(lambda: waits_for_a_lock(queue))
    second.join(10)
    assert len(results) == 1


def waits_for_a_lock(queue: Queue) -> bool:
    """Whether a statement waits for another transaction."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with queue.database.connect() as connection:
        return bool(connection.exec_driver_sql(waiting).scalar_one())


def test_what_was_learned_about_the_receiver_stays(queue: Queue) -> None:
    """A rotation is not another URL: the lane keeps its pause, its window and its standing, and is not marked."""
    queue.customer()
    queue.accept(event())
    (key,) = queue.lease()
    queue.release(key, failures=7, paused_until=2**50, standing=Standing.FAILING, window=3.5)
    (before,) = queue.lanes()
    rotate(queue)
    assert queue.lanes() == [before]
    assert queue.states() == {"PENDING": 1}


@ON_SQLITE
def test_the_javascript_library_verifies_both(queue: Queue, dispatch: Dispatch, receiver: Receiver) -> None:
    """The `standardwebhooks` of npm takes a notification with two signatures by either secret."""
    old = queue.customer(callback_url=receiver.url())
    new = rotate(queue)
    dispatch()
    queue.accept(event())
    queue.wait_for(DELIVERED=1)
    (request,) = receiver.requests
    for secret in (old, new):
        assert verified_in_node(secret, request) == request.body.decode()
    with pytest.raises(subprocess.CalledProcessError):
        verified_in_node("whsec_" + "A" * 43 + "=", request)


def verified_in_node(secret: str, request: Received) -> str:
    """The body, as verified by the library and written as the formats do; skips where the library is missing."""
    given = {"secret": secret, "body": request.body.decode(), "headers": request.headers}
    node = shutil.which("node")
    if not node or subprocess.run([node, "-e", 'require("standardwebhooks")'], capture_output=True).returncode:  # noqa: PLW1510
        pytest.skip("Node.js with standardwebhooks is missing: npm install standardwebhooks, and set NODE_PATH")
    done = subprocess.run(
        [node, "-e", VERIFY_IN_NODE], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
