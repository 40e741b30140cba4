"""`demo`: what a visitor sees, and what is left of it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

DEMO = [sys.executable, "-m", "webhook_admin", "demo"]
WEBHOOK_ID = re.compile(r"webhook-id: (dlv_[0-9a-f]{32})")
# Threads for connections end just after these; pycares has one for the whole process, which is not the demo's to end.
LEFT_OVER = """
import sys, threading, psutil
from webhook_admin.cli import main
main(["demo", "--json"], standalone_mode=False)
others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
for thread in others:
    thread.join(2)
left = [thread.name for thread in others if thread.is_alive() and "_run_safe_shutdown_loop" not in thread.name]
print(*left, *psutil.Process().net_connections(), sep="\\n", end="", file=sys.stderr)
"""
COUNTERS = "cat /proc/net/snmp /proc/net/snmp6"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The visitor's folder: nothing but an empty folder for temporary files."""
    home = tmp_path_factory.mktemp("home")
    (home / "tmp").mkdir()
    return home


@pytest.fixture(scope="module")
def environment(home: Path) -> dict[str, str]:
    """A visitor's environment with settings, good ones and bad, and with everything else that could get in the way."""
    nobody = "http://127.0.0.1:1"
    return os.environ | {
        "TMPDIR": str(home / "tmp"),
        "WEBHOOK_ADMIN_DATA_DIR": str(home / "data"),
        "WEBHOOK_ADMIN_DATABASE_URL": f"sqlite:///{home}/store.db",
        "WEBHOOK_ADMIN_LOG_LEVEL": "debug",
        "WEBHOOK_ADMIN_PORT": "eighty",
        "HTTP_PROXY": nobody,
        "HTTPS_PROXY": nobody,
        "ALL_PROXY": nobody,
        "REQUESTS_CA_BUNDLE": "/nowhere.pem",
        "PYTHONIOENCODING": "ascii",
    }


@pytest.fixture(scope="module")
def run(home: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command in the visitor's folder and environment, to its end."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=home, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture(scope="module")
def watched(run: Callable[..., subprocess.CompletedProcess[str]]) -> str:
    """What `demo` has printed, after it has ended well."""
    done = run(*DEMO)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def figures(run: Callable[..., subprocess.CompletedProcess[str]]) -> dict[str, Any]:
    """What `demo --json` has printed."""
    done = run(*DEMO, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_every_notification_is_seen_to_arrive_and_to_verify(watched: str) -> None:
    """Five events make six genuine requests, each shown with its id, its signature and the receiver's answer."""
    assert watched.count("POST /events") == 5
    assert watched.count("signature: v1,") == len(WEBHOOK_ID.findall(watched)) == 7
    assert watched.count("verified, answered 200 OK") == 5
    assert watched.count("verified, answered 503 Service Unavailable") == 1
    for status in ("QUEUED", "SENT", "DELIVERED", "READ", "UNDELIVERED"):
        assert f'"status":"{status}"' in watched


def test_the_retry_has_the_same_id(watched: str) -> None:
    """What was answered 503 comes again under its id; all other notifications have ids of their own."""
    *others, failed, retried, forged = WEBHOOK_ID.findall(watched)
    assert failed == retried == forged
    assert len({*others, failed}) == 5


def test_a_forged_copy_is_rejected(watched: str) -> None:
    """The same check that believes the service does not believe somebody who has changed a word."""
    assert watched.count("FORGED, answered 401 Unauthorized") == 1
    assert watched.count("signature does not match") == 1


def test_it_says_what_comes_next(watched: str) -> None:
    """The last lines name the commands and the file to go on with, after the figures and the measured time."""
    figures, seconds, _, *following = watched.splitlines()[-6:]
    assert figures == "5 events, 7 requests: 6 verified (1 of them a retry), 1 forged."
    assert re.match(r"It took [0-9]+\.[0-9] s, ", seconds)
    assert [line.split("  ")[1] for line in following] == ["webhook-admin up", "webhook-admin receive", "README.md"]


def test_it_fits_any_terminal(watched: str) -> None:
    """No line has more than 80 columns; without a terminal there are no colours."""
    assert max(map(len, watched.splitlines())) <= 80
    assert watched.isascii()
    assert "\x1b" not in watched


def test_secrets_are_shortened(watched: str) -> None:
    """A screen that others may see shows too little of a key or a secret to use it."""
    shown = re.findall(r"(?:whak_|whsec_|v1,)\S+", watched)
    assert len(shown) == 9
    assert all(len(secret) == 19 and secret.endswith("...") for secret in shown)


def test_json_says_what_has_come_of_it(figures: dict[str, Any]) -> None:
    """The figures agree with the deliveries on record, which are those of `deliveries show --json`."""
    deliveries = figures.pop("deliveries")
    assert figures.pop("seconds") > 0
    assert figures == {"eventsSent": 5, "requestsReceived": 7, "verified": 6, "retried": 1, "forged": 1}
    outcomes = [[attempt["outcome"] for attempt in delivery["attempts"]] for delivery in deliveries]
    assert outcomes == [["delivered"]] * 4 + [["http_status", "delivered"]]
    assert {delivery["state"] for delivery in deliveries} == {"DELIVERED"}


def test_nothing_is_left(watched: str, figures: dict[str, Any], home: Path) -> None:
    """No file anywhere in the visitor's folder, and no server on the ports."""
    assert [file.name for file in home.rglob("*")] == ["tmp"]
    ports = {int(port) for port in re.findall(r"https?://127\.0\.0\.1:([0-9]+)", watched)}
    assert len(ports) == 2
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_no_thread_and_no_socket_outlives_it(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Servers, dispatcher and connections end with the command, and not only with the process."""
    done = run(sys.executable, "-c", LEFT_OVER)
    assert (done.returncode, done.stderr.splitlines()) == (0, [])


@pytest.fixture
def begun(home: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A demo at work: its receiver has just answered 503."""
    with subprocess.Popen(
        DEMO, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert any("answered 503" in line for line in process.stdout)
        yield process
        process.kill()


def test_ctrl_c_ends_it_cleanly(begun: subprocess.Popen[str], home: Path) -> None:
    """In the middle of a retry's wait it ends at once, without a traceback, and leaves nothing."""
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=20)
    assert (begun.returncode, said) == (1, "\nAborted!\n")
    assert not list((home / "tmp").iterdir())


def test_a_reader_may_leave(begun: subprocess.Popen[str], home: Path) -> None:
    """`demo | head` ends without a word, and leaves nothing."""
    assert begun.stdout
    assert begun.stderr
    begun.stdout.close()
    assert begun.stderr.read() == ""
    assert begun.wait(20) == 1
    assert not list((home / "tmp").iterdir())


def test_trouble_is_one_plain_sentence(
    run: Callable[..., subprocess.CompletedProcess[str]], watched: str, home: Path
) -> None:
    """On a disk that takes no files it ends with exit status 1, and says why."""
    done = run("sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *DEMO)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: The demo cannot go on: .*\n", done.stderr)
    assert not list((home / "tmp").iterdir())


def test_nothing_leaves_the_machine(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Where there is no network but loopback it works, and asks for no other: no connection, no look-up of a name."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no right to make a network namespace: run as root on Linux")
    done = run("unshare", "--net", "sh", "-ec", f'ip link set lo up; "$@" >&2; {COUNTERS}', "sh", *DEMO)
    assert done.returncode == 0, done.stderr
    counted = _counters(done.stdout)
    assert counted["Tcp OutSegs"] > 0
    tried = ["Ip OutNoRoutes", "Ip6OutNoRoutes", "Udp OutDatagrams", "Udp6OutDatagrams"]
    assert {name: counted[name] for name in tried} == dict.fromkeys(tried, 0)


def _counters(text: str) -> dict[str, int]:
    """The counters of Linux's /proc/net/snmp and snmp6 (IPv6's, a line each), by name."""
    counted = {name: int(value) for name, value in re.findall(r"^(\w+)\s+([0-9]+)$", text, flags=re.MULTILINE)}
    for protocol, names, values in re.findall(r"^(\w+): (\D.*)\n\1: ([-0-9].*)$", text, flags=re.MULTILINE):
        counted |= {f"{protocol} {name}": int(value) for name, value in zip(names.split(), values.split(), strict=True)}
    return counted
