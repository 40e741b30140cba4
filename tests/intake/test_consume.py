"""Events from real brokers: each stored once, whoever is killed, and refused ones set aside.

NATS comes with the tests. RabbitMQ is Debian's `rabbitmq-server`, and Kafka's jars are in `$KAFKA_HOME/libs`.
"""

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
from tests.intake.broker import Broker
from tests.intake.brokers import BROKERS
from tests.processes import Process
from tests.waiting import wait_until
from webhook_admin.db import Database

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
Consume = Callable[..., Process]
WAITING = text("""
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
""")


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own."""
    kind = BROKERS[request.param]
    if kind.missing:
        pytest.skip(kind.missing)
    broker = kind(tmp_path / "broker")
    yield broker
    broker.close()


@pytest.fixture
def consume(environment: pytest.MonkeyPatch, broker: Broker, tmp_path: Path) -> Iterator[Consume]:
    """Starts `webhook-admin consume` with these options."""
    processes: list[Process] = []

    def start(*options: str) -> Process:
        log = tmp_path / f"consume-{len(processes)}.log"
        command = [sys.executable, "-m", "webhook_admin", "consume", broker.url, "--from", broker.NAME]
        command += ["--dead-letter", broker.DEAD, *broker.options, *options]
        with log.open("w") as output:
            popen = subprocess.Popen(command, stdout=output, stderr=output, text=True)
        processes.append(Process("", popen, log))
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
    queue: Queue, consume: Consume, broker: Broker, platform: Api, customer: Api
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
    broker.publish(body(1, accountId="globex"), *bad, body(7, accountId="globex", id="same"), conflict)
    process = consume()
    wait_until(lambda: len(broker.dead_letters()) == len(bad) + 1, 20)
    assert process.stop() == 0
    assert broker.remaining == 0
    assert [row.message_id for row in queue.deliveries()] == ["msg_1", "msg_7"]
    assert queue.deliveries()[0].event_id.startswith(f"{broker.NAME}-")
    letters = {letter.body: json.loads(letter.problem) for letter in broker.dead_letters()}
    assert letters[conflict]["status"] == 409
    for data, field in bad.items():
        assert letters[data]["errors"][0]["field"] == field
        if field != "body":
            answer = platform("POST", "/events", json={"events": [json.loads(data)]}).json
            codes = [(f"events.0.{error['field']}", error["code"]) for error in letters[data]["errors"]]
            assert codes == [(error["field"], error["code"]) for error in answer["errors"]]
    assert "Traceback" not in process.log.read_text()


@ON_POSTGRESQL
def test_every_event_is_stored_once(queue: Queue, consume: Consume, broker: Broker) -> None:
    """The consumer is killed with a batch in hand, then the broker before it hears of a commit, and the store waits."""
    queue.customer()
    # Statements that wait for a lock of this one do so for as long as they may, and not it.
    patient = Database(queue.database.url, lock_seconds=60)
    killed = consume()
    wait_until(lambda: "Consuming" in killed.log.read_text(), 20)
    with patient.transaction() as transaction:
        transaction.execute(text("LOCK TABLE deliveries"))
        broker.publish(*map(body, range(50)))
        wait_until(lambda: has_batch_in_hand(queue), 20)
        killed.stop(signal.SIGKILL)
    assert queue.deliveries() == []
    process = consume()
    wait_until(lambda: len(queue.deliveries()) == 50, 30)
    with patient.transaction() as transaction:
        transaction.execute(text("LOCK TABLE deliveries"))
        broker.publish(*map(body, range(50, 100)))
        wait_until(lambda: has_batch_in_hand(queue), 20)
        broker.kill()
    patient.close()
    wait_until(lambda: len(queue.deliveries()) > 50)
    broker.start()
    broker.publish(*map(body, range(100, 150)))
    wait_until(lambda: len(queue.deliveries()) == 150, 30)
    assert process.stop() == 0
    assert sorted(row.message_id for row in queue.deliveries()) == sorted(f"msg_{number}" for number in range(150))
    assert broker.remaining == 0
    assert broker.dead_letters() == []


def has_batch_in_hand(queue: Queue) -> bool:
    """Whether somebody waits to store events."""
    with queue.database.connect() as connection:
        return bool(connection.scalar(WAITING))


@ON_SQLITE
@pytest.mark.parametrize("option", ["--from", "--dead-letter"])
def test_a_missing_source_is_said(queue: Queue, consume: Consume, broker: Broker, option: str) -> None:
    """The command ends with a sentence that names it, before it takes anything."""
    process = consume(option, "other")
    assert process.popen.wait(20) == 1
    assert process.log.read_text().splitlines()[-1].startswith("Error: ")
    assert "other" in process.log.read_text()


@ON_SQLITE
def test_dead_letters_do_not_come_back(queue: Queue, consume: Consume, broker: Broker) -> None:
    """They may not go to where the events come from."""
    process = consume("--dead-letter", "status.dead" if broker.url.startswith("nats:") else broker.NAME)
    assert process.popen.wait(20) == 1
    assert "come back" in process.log.read_text()


@ON_SQLITE
@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("redis://127.0.0.1", [], "URL must begin with nats://"),
        ("amqp://127.0.0.1", ["--group", "own"], "--group is not for amqp://."),
        ("kafka://127.0.0.1:9", ["--ack-wait", "5"], "--ack-wait is not for kafka://."),
        ("kafka://me:sesame@127.0.0.1:9", [], "sasl.username"),
        ("kafka://127.0.0.1:9?colour=red", [], "colour"),
        ("kafka://127.0.0.1:9?sasl.password", [], "sasl.password"),
        ("kafka://127.0.0.1:9?stats_cb=x", [], "refuses a setting"),
        ("kafka://", [], "URL has no host"),
        ("nats://me:sesame/@127.0.0.1:9", [], "URL has no host"),
        ("nats://[::1", [], "URL has no host"),
        ("amqp://127.0.0.1:99999/", [], "URL has no host"),
    ],
)
def test_a_wrong_url_or_option_is_said(
    environment: pytest.MonkeyPatch, queue: Queue, url: str, options: list[str], said: str
) -> None:
    """In a sentence, without the password."""
    command = [sys.executable, "-m", "webhook_admin", "consume", url, "--from", "status", "--dead-letter", "dead"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "sesame" not in done.stderr
