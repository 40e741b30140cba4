"""Events from a real NATS server: each stored once, whoever is killed, and refused ones set aside."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.api import Api
from tests.engine import Queue
from tests.intake.nats_server import DEAD, STREAM, NatsServer
from tests.processes import Process
from tests.waiting import wait_until
from webhook_admin.db import Database
from webhook_admin.intake.jetstream import PROBLEM

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
Consume = Callable[..., Process]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of the test's own."""
    server = NatsServer(tmp_path / "nats")
    yield server
    server.kill()


@pytest.fixture
def consume(environment: pytest.MonkeyPatch, server: NatsServer, tmp_path: Path) -> Iterator[Consume]:
    """Starts `webhook-admin consume` with these options."""
    processes: list[Process] = []

    def start(*options: str) -> Process:
        log = tmp_path / f"consume-{len(processes)}.log"
        command = [sys.executable, "-m", "webhook_admin", "consume", server.url, "--stream", STREAM, "--ack-wait", "1"]
        with log.open("w") as output:
            popen = subprocess.Popen([*command, "--dead-letter", DEAD, *options], stdout=output, stderr=output)
        processes.append(Process("", popen, log))  # type: ignore[arg-type]
        return processes[-1]

    yield start
    for process in processes:
        if process.popen.poll() is None:
            process.stop(signal.SIGKILL)


def body(number: int = 1, **fields: Any) -> bytes:
    """A message with an event that has no id."""
    event = {"accountId": "acme", "messageId": f"msg_{number}", "channel": "SMS", "status": "SENT"}
    return json.dumps(event | {"timestamp": "2026-04-09T14:39:40.69257Z"} | fields).encode()


@ON_SQLITE
def test_refused_events_stop_no_others(
    queue: Queue, consume: Consume, server: NatsServer, platform: Api, customer: Api
) -> None:
    """Each goes to the dead letters as it came, with the problem that POST /events would answer; the rest is stored."""
    queue.customer("globex")
    bad = {
        b"{": "body",
        b"[]": "body",
        body(status="GONE"): "status",
        body(accountId="nobody"): "accountId",
        body(to="353", tags={"a": 1}): "to",
        body(callbackUrl="http://example.com/"): "callbackUrl",
    }
    conflict = body(8, accountId="globex", id="same")
    server.publish(body(1, accountId="globex"), *bad, body(7, accountId="globex", id="same"), conflict)
    process = consume()
    wait_until(lambda: len(server.dead_letters()) == len(bad) + 1, 20)
    wait_until(lambda: server.in_hand == 0)
    assert [row.message_id for row in queue.deliveries()] == ["msg_1", "msg_7"]
    assert queue.deliveries()[0].event_id.startswith(f"{STREAM}-1-")
    letters = {letter.data: json.loads(letter.headers[PROBLEM]) for letter in server.dead_letters()}
    assert letters[conflict]["status"] == 409
    for data, field in bad.items():
        assert letters[data]["errors"][0]["field"] == field
        if field != "body":
            answer = platform("POST", "/events", json={"events": [json.loads(data)]}).json
            codes = [(f"events.0.{error['field']}", error["code"]) for error in letters[data]["errors"]]
            assert codes == [(error["field"], error["code"]) for error in answer["errors"]]
    assert process.stop() == 0
    assert "Traceback" not in process.log.read_text()


@ON_POSTGRESQL
def test_every_event_is_stored_once(queue: Queue, consume: Consume, server: NatsServer) -> None:
    """The consumer is killed with a batch in hand, then the server before it hears of a commit, and the store waits."""
    queue.customer()
    # Statements that wait for a lock of this one do so for as long as they may, and not it.
    patient = Database(queue.database.url, lock_seconds=60)
    killed = consume()
    wait_until(lambda: "Consuming" in killed.log.read_text(), 20)
    with patient.transaction() as transaction:
        transaction.execute(text("LOCK TABLE deliveries"))
        server.publish(*map(body, range(50)))
        wait_until(lambda: server.in_hand)
        killed.stop(signal.SIGKILL)
    assert queue.deliveries() == []
    process = consume()
    wait_until(lambda: len(queue.deliveries()) == 50, 20)
    wait_until(lambda: server.in_hand == 0)
    with patient.transaction() as transaction:
        transaction.execute(text("LOCK TABLE deliveries"))
        server.publish(*map(body, range(50, 100)))
        wait_until(lambda: server.in_hand)
        server.kill()
    patient.close()
    wait_until(lambda: len(queue.deliveries()) > 50)
    server.start()
    server.publish(*map(body, range(100, 150)))
    wait_until(lambda: len(queue.deliveries()) == 150)
    wait_until(lambda: server.in_hand == 0)
    assert sorted(row.message_id for row in queue.deliveries()) == sorted(f"msg_{number}" for number in range(150))
    assert server.dead_letters() == []
    assert process.stop() == 0


@ON_SQLITE
@pytest.mark.parametrize(
    ("options", "said"),
    [(["--stream", "OTHER"], "no stream OTHER"), (["--dead-letter", "status.dead"], "No stream but STATUS takes")],
)
def test_a_missing_stream_is_said(queue: Queue, consume: Consume, options: list[str], said: str) -> None:
    """The command ends with a sentence, before it takes anything."""
    process = consume(*options)
    assert process.popen.wait(20) == 1
    assert said in process.log.read_text()
