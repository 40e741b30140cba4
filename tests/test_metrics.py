"""Metrics of real processes, and the dashboard and the alert rules that are made of them."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import psutil
import pytest
import requests
import yaml
from prometheus_client.core import CollectorRegistry
from sqlalchemy import URL

from tests.engine import Configure, Queue
from tests.guides_text import ROOT
from tests.processes import Process
from tests.receiver import Receiver, answer
from tests.scrape import Scrape, scrape_port
from tests.shells import free_port
from tests.waiting import wait_until
from webhook_admin.db import Database
from webhook_admin.metrics.of_processes import memory
from webhook_admin.metrics.of_store import StoreCollector

OPERATIONS = ROOT / "webhook_admin" / "operations"
ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
EVENT = {"accountId": "acme", "messageId": "1", "channel": "SMS", "status": "SENT", "timestamp": "2026-04-09T14:39:40Z"}


@pytest.fixture
def scrape(configure: Configure) -> Callable[[], Scrape]:
    """Gives the commands that are started a port for metrics, and scrapes it."""
    port = free_port()
    configure(metrics_port=port, lease_seconds=1)
    return lambda: scrape_port(port)


@pytest.fixture
def busy(
    scrape: Callable[[], Scrape], queue: Queue, start: Callable[..., Process], receiver: Receiver, platform: Any
) -> Process:
    """`up`, with metrics, that has taken two events in a call and has delivered one of them."""
    queue.customer(callback_url=receiver.url("/ok"))
    up = start("up")
    gone = {"callbackUrl": receiver.url("/gone", answer(410))}
    events = [EVENT | {"id": "1"}, EVENT | {"id": "1"}, EVENT | gone | {"id": "2"}]
    posted = requests.post(f"{up.url}/events", json={"events": events}, headers={"X-API-Key": platform.key}, timeout=10)
    assert posted.json() == {"accepted": 2, "duplicates": 1, "unrouted": 0}
    assert requests.get(f"{up.url}/nowhere", timeout=10).status_code == 404
    queue.wait_for(DELIVERED=1, FAILED=1)
    return up


@ON_POSTGRESQL
def test_a_scrape_says_what_happened(busy: Process, scrape: Callable[[], Scrape], queue: Queue) -> None:
    """Requests, events, attempts and latencies of all processes, on one port; no sum goes back when one is killed.

    Nor are files left behind when all are.
    """
    folder = folder_of(busy)
    wait_until(lambda: scrape()("attempts_total") == 2)
    killed = psutil.Process(busy.popen.pid).children()
    for each in killed:
        each.kill()
    wait_until(lambda: requests.get(f"{busy.url}/health/live", timeout=10).ok)
    seen = scrape()
    assert seen("attempts_total", outcome="delivered") == seen("attempts_total", outcome="http_status") == 1
    assert seen("acknowledged_seconds_count") == 1
    assert seen("events_total", result="accepted") == 2
    assert seen("events_total", result="duplicate") == 1
    assert seen("requests_total", method="POST", route="/events", status="202") == 1
    assert seen("requests_total", route="none", status="404") == 1
    assert seen("request_duration_seconds_count", route="/events") == 1
    assert seen("store_steps_total", step="accept") == 1
    assert seen("store_seconds_total", step="fetch") > 0
    assert seen("requests_in_flight") == seen("pending_deliveries") == seen("overdue_seconds") == 0
    assert seen("lanes", state="idle") == len(queue.lanes())
    busy.stop(signal.SIGKILL)
    wait_until(lambda: not folder.exists())


def folder_of(process: Process) -> Path:
    """Where the processes of a command keep their metrics."""
    children = psutil.Process(process.popen.pid).children()
    folders = list((memory() or Path(tempfile.gettempdir())).glob("webhook-admin-metrics-*"))
    return next(folder for folder in folders for child in children if list(folder.glob(f"gauge_*_{child.pid}.db")))


@ON_SQLITE
def test_dashboard_and_alerts_name_what_is_there(busy: Process, scrape: Callable[[], Scrape]) -> None:
    """Each metric and label in each expression is one that a running service has, and each expression is PromQL."""
    labels: dict[str, set[str]] = {}
    wait_until(lambda: scrape()("store_steps_total", step="send") > 0)
    for sample in scrape().samples:
        labels.setdefault(sample.name, set()).update(sample.labels)
    expressions = list(_expressions())
    assert len(expressions) > 15
    for expression in expressions:
        for metric, names in _used(promql_parser.parse(expression.replace("$__rate_interval", "5m"))):
            assert metric in labels, expression
            assert names <= labels[metric], expression
    metrics = {name.removesuffix("_bucket") for name in labels if not name.endswith(("_count", "_sum", "_created"))}
    assert not {name for name in metrics if name not in "".join(expressions)}
    folder = folder_of(busy)
    assert busy.stop() == 0
    assert not folder.exists()


def _expressions() -> Iterator[str]:
    for group in yaml.safe_load((OPERATIONS / "alerts.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads((OPERATIONS / "dashboard.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def _used(node: Any, grouped: frozenset[str] = frozenset()) -> Iterator[tuple[str, frozenset[str]]]:
    """The metrics in an expression, each with the labels that it is chosen and grouped by."""
    if isinstance(node, promql_parser.VectorSelector):
        assert node.name
        yield node.name, grouped | {matcher.name for matcher in node.matchers.matchers}
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
        grouped = grouped | set(node.modifier.labels)
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        if (below := getattr(node, name, None)) is not None:
            yield from _used(below, grouped)
    for below in getattr(node, "args", ()):
        yield from _used(below, grouped)


@ON_SQLITE
def test_a_port_in_use_is_said(configure: Configure) -> None:
    """A command whose port for metrics is taken does not start, and names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        configure(metrics_port=other.getsockname()[1])
        command = [sys.executable, "-m", "webhook_admin", "dispatch"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "Cannot listen for scrapes on 127.0.0.1" in done.stderr
    assert "WEBHOOK_ADMIN_METRICS_PORT" in done.stderr


def test_a_store_that_is_away_leaves_the_rest(store_url: URL, tmp_path: Path) -> None:
    """The scrape says so, and has no number from before."""
    away = URL.create("sqlite", database=str(tmp_path / "none.db"))
    if store_url.drivername != "sqlite":
        away = URL.create(store_url.drivername, host="127.0.0.1", port=int(free_port()), database="none")
    for url, is_up, pending in ((store_url, 1, 0), (away, 0, None)):
        registry = CollectorRegistry()
        database = Database(url)
        registry.register(StoreCollector(database))
        assert registry.get_sample_value("webhook_admin_store_up") == is_up
        assert registry.get_sample_value("webhook_admin_pending_deliveries") == pending
        database.close()
