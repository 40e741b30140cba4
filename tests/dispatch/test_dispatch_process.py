"""`dispatch` and `up` as real processes: stopped, killed, and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.engine import Configure, Dispatch, Queue, event
from tests.processes import Process
from tests.receiver import Receiver, answer, hang, hold
from tests.waiting import wait_until

Start = Callable[..., Process]
# What stops at once stops within this many seconds, on a busy machine too.
SLACK = 3
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


@pytest.fixture
def dispatch_process(configure: Configure, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `webhook-admin dispatch` with these options and settings, and returns when it is at work."""
    processes: list[Process] = []

    def start(*options: str, **settings: object) -> Process:
        configure(**settings)
        log = tmp_path / f"dispatch-{len(processes)}.log"
        with log.open("w") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", "webhook_admin", "dispatch", *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        processes.append(Process("", popen, log))
        wait_until(lambda: "Dispatching" in log.read_text() or popen.poll() is not None)
        assert popen.poll() is None, log.read_text()
        return processes[-1]

    yield start
    for process in processes:
        if process.popen.poll() is None:
            process.stop(signal.SIGKILL)


def test_sigterm_lets_requests_end(queue: Queue, dispatch_process: Callable[..., Process], receiver: Receiver) -> None:
    """It exits 0 as soon as the attempts in flight are recorded; the rest waits, and every lane is free."""
    held = hold()
    queue.customer(callback_url=receiver.url("/", held))
    queue.accept(*map(event, range(500)))
    process = dispatch_process()
    wait_until(lambda: receiver.requests)
    process.popen.send_signal(signal.SIGTERM)
    held.release()
    started = time.monotonic()
    assert process.popen.wait(10) == 0
    assert time.monotonic() - started < SLACK
    assert queue.states()["DELIVERED"] == len(queue.attempts(outcome="delivered")) == len(receiver.requests) < 500
    assert queue.states()["PENDING"] == 500 - len(receiver.requests)
    assert queue.lease() == queue.due_lanes() == queue.pending_lanes()
    assert "Traceback" not in process.log.read_text()


@ON_SQLITE
def test_sigterm_ends_an_idle_one_at_once(queue: Queue, dispatch_process: Callable[..., Process]) -> None:
    """There is nothing to wait for."""
    process = dispatch_process()
    started = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - started < SLACK


@ON_SQLITE
def test_sigterm_waits_no_longer_than_a_request(
    queue: Queue, dispatch_process: Callable[..., Process], receiver: Receiver
) -> None:
    """A receiver that never answers keeps nobody from stopping: its attempt is a timeout, on record."""
    queue.customer(callback_url=receiver.url("/", hang))
    queue.accept(event())
    process = dispatch_process(request_timeout=1)
    wait_until(lambda: receiver.requests)
    started = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - started < 1 + SLACK
    assert queue.outcomes() == ["timeout"]


def test_what_a_killed_one_has_begun_is_unknown(
    queue: Queue, dispatch_process: Callable[..., Process], dispatch: Dispatch, receiver: Receiver
) -> None:
    """After kill -9 the next one finds its lanes as soon as the leases end, records the attempt, and makes the next."""
    queue.customer(callback_url=receiver.url("/", hang))
    queue.accept(event())
    process = dispatch_process(lease_seconds=1)
    wait_until(lambda: receiver.requests)
    process.stop(signal.SIGKILL)
    receiver.url("/", answer())
    dispatch()
    queue.wait_for(DELIVERED=1, seconds=3)
    queue.wait_for_rest()
    assert queue.outcomes() == ["unknown", "delivered"]
    assert len(receiver.requests) == 2
    assert receiver.requests[0].headers["webhook-id"] == receiver.requests[1].headers["webhook-id"]
    assert receiver.requests[0].body == receiver.requests[1].body


@ON_POSTGRESQL
def test_a_late_result_is_on_record_and_changes_nothing(
    queue: Queue, dispatch_process: Callable[..., Process], dispatch: Dispatch, receiver: Receiver
) -> None:
    """A dispatcher that was stopped for longer than its lease has lost its lanes, and only completes the record."""
    held = hold(answer(500))
    queue.customer(callback_url=receiver.url("/", held))
    queue.accept(event())
    process = dispatch_process(lease_seconds=1)
    wait_until(lambda: receiver.requests)
    process.popen.send_signal(signal.SIGSTOP)
    receiver.url("/", answer())
    dispatch(lease_seconds=30)
    queue.wait_for(DELIVERED=1, seconds=4)
    before = queue.delivery()
    assert queue.outcomes() == ["unknown", "delivered"]
    held.release()
    process.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: queue.outcomes() == ["http_status", "delivered"])
    assert queue.delivery() == before
    assert len(receiver.requests) == 2


@ON_POSTGRESQL
def test_several_workers(queue: Queue, dispatch_process: Callable[..., Process], receiver: Receiver) -> None:
    """`--workers 2` is two dispatchers; one that is killed is replaced, and SIGTERM ends both at once."""
    queue.customer(callback_url=receiver.url("/", hang))
    process = dispatch_process("--workers", "2", request_timeout=2, lease_seconds=1)
    wait_until(lambda: len(dispatchers_of(process)) == 2)
    dispatchers_of(process)[0].kill()
    wait_until(lambda: len(dispatchers_of(process)) == 2)
    for number in range(4):
        queue.accept(event(number, callback_url=receiver.url(f"/{number}", hang)))
    wait_until(lambda: len(receiver.requests) >= 4, 30)
    workers = dispatchers_of(process)
    started = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - started < 2 + SLACK
    assert not [each for each in workers if _lives(each)]
    assert "Traceback" not in process.log.read_text()


def dispatchers_of(process: Process) -> list[psutil.Process]:
    """The child processes that dispatch."""
    children = psutil.Process(process.popen.pid).children()
    return [each for each in children if _lives(each) and "multiprocessing.spawn" in " ".join(each.cmdline())]


@ON_SQLITE
def test_up_delivers(start: Start, queue: Queue, configure: Configure, receiver: Receiver) -> None:
    """One command is the API and a dispatcher, which is started again should it die; and it ends both."""
    configure(lease_seconds=1)
    queue.customer(callback_url=receiver.url("/ok"))
    up = start("up")
    queue.accept(event(1))
    queue.wait_for(DELIVERED=1)
    (killed,) = dispatchers_of(up)
    killed.kill()
    queue.accept(event(2))
    queue.wait_for(DELIVERED=2)
    (successor,) = dispatchers_of(up)
    assert successor != killed
    assert up.stop() == 0
    assert not successor.is_running()
    assert "Traceback" not in up.log.read_text()


@ON_SQLITE
def test_ups_dispatcher_does_not_outlive_it(
    start: Start, queue: Queue, configure: Configure, receiver: Receiver
) -> None:
    """Even if `up` is killed, nothing goes on sending behind its back."""
    configure()
    queue.customer(callback_url=receiver.url("/ok"))
    up = start("up")
    queue.accept(event(1))
    queue.wait_for(DELIVERED=1)
    children = psutil.Process(up.popen.pid).children(recursive=True)
    os.kill(up.popen.pid, signal.SIGKILL)
    up.popen.wait(10)
    wait_until(lambda: not [child for child in children if _lives(child)])
    queue.accept(event(2))
    assert queue.lease() == queue.due_lanes()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
