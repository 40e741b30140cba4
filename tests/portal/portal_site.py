"""The service as its own process, on a store in which a day has happened; for tests in a real browser."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from sqlalchemy import URL, insert, update

from tests.engine import event
from tests.waiting import wait_until
from webhook_admin import accounts, encryption, keys, webhooks
from webhook_admin.config import Settings
from webhook_admin.db import Database, Transaction
from webhook_admin.events import Channel, Status
from webhook_admin.models import attempts, deliveries, lanes
from webhook_admin.queue import statistics
from webhook_admin.queue.accept import accept
from webhook_admin.queue.clock import HOUR, milliseconds
from webhook_admin.queue.statistics import Cell, Kind, of_latency

HOSTILE = "<script>document.title = 'taken'</script>\x1b[31m\u202egnp.exe" + "\x07" * 2_000
_URL = "https://hooks.example.com/delivery-status?tenant=42"
_REFUSED = "Connection refused by 203.0.113.7, port 443."
_HINT = "Check the port, that the server is running, and that its firewall lets this service in."


@dataclass(frozen=True)
class Site:
    """Where it is, and the keys that open it."""

    url: str
    key: str
    empty_key: str
    platform_key: str
    database: Database

    def link(self, host: str) -> str:
        """A link to look at `acme`, by way of a host."""
        headers = {"X-API-Key": self.platform_key, "Host": self.url.removeprefix("http://").replace("127.0.0.1", host)}
        answer = requests.post(
            f"{self.url}/accounts/acme/portal-links", json={"access": "read"}, headers=headers, timeout=10
        )
        return str(answer.json()["url"])


@contextmanager
def running(folder: Path, template: Path) -> Iterator[Site]:
    """The service on a SQLite store in the folder, until the block ends."""
    file = shutil.copy(template, folder / "webhook-admin.db")
    environment = {"WEBHOOK_ADMIN_DATA_DIR": str(folder), "WEBHOOK_ADMIN_RATE_LIMIT": "0"}
    settings = Settings.from_environment(environment)
    database = Database(URL.create("sqlite", database=str(file)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = _fill(database, settings)
    command = [sys.executable, "-m", "webhook_admin", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url), 20)
        yield Site(url, *own, database)
    finally:
        process.terminate()
        process.wait(30)
        database.close()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/live", timeout=5).ok
    except requests.ConnectionError:
        return False


def _fill(database: Database, settings: Settings) -> tuple[str, str, str]:
    """A day of the account `acme`; an account without anything; the keys of both, and the platform's."""
    now = datetime.now(UTC)
    cipher = encryption.load_cipher(settings)
    with database.transaction() as transaction:
        made = []
        for account_id in ("acme", "fresh"):
            accounts.create(transaction, account_id, now - timedelta(days=2))
            made.append(keys.create(transaction, account_id, now).key)
        made.append(keys.create(transaction, None, now).key)
        webhooks.register(transaction, cipher, "acme", now - timedelta(days=2), _URL)
        for number in range(120):
            given = {"status": list(Status)[number % 9], "channel": list(Channel)[number % 3], "to": "+353861234567"}
            accept(transaction, [event(number, **given)], now - timedelta(minutes=7 * (120 - number)))
        _conclude(transaction, now)
        _count(transaction, milliseconds(now) // HOUR)
    return made[0], made[1], made[2]


def _conclude(transaction: Transaction, now: datetime) -> None:
    """The first hundred have arrived, but for five that have failed; twelve of the others have been attempted."""
    rows = transaction.execute(deliveries.select().order_by(deliveries.c.id)).all()
    for number, row in enumerate(rows):
        attempted = number < 112
        failed = number % 20 == 7
        state = "PENDING" if number >= 100 else "FAILED" if failed else "DELIVERED"
        due_at = milliseconds(now) + 45_000 if state == "PENDING" else None
        made = 3 if state == "PENDING" or failed else 1
        values = {"state": state, "due_at": due_at, "callback_url": _URL, "payload_format": "standard"}
        if failed:
            values["state_detail"] = "All 3 attempts have failed."
        if attempted:
            values |= {"attempts": made, "recorded": made}
        transaction.execute(update(deliveries).where(deliveries.c.id == row.id).values(values))
        for count in range(made if attempted else 0):
            transaction.execute(insert(attempts).values(_attempt(row, count + 1, state == "DELIVERED", failed)))
    since = milliseconds(now - timedelta(minutes=140))
    paused = milliseconds(now) + 40_000
    transaction.execute(update(lanes).values(failing_since=since, paused_until=paused, failures=5, standing="failing"))


def _attempt(row: object, number: int, is_delivered: bool, is_answered: bool) -> dict[str, object]:
    started_at = row.created_at + 11 + (number - 1) * 5_000  # type: ignore[attr-defined]
    own = {"account_id": "acme", "delivery_id": row.id, "number": number, "started_at": started_at}  # type: ignore[attr-defined]
    if is_delivered:
        return own | {"duration_ms": 35, "outcome": "delivered", "status_code": 200, "response": "ok"}
    if is_answered:
        detail, hint = "The server answered 503 Service Unavailable.", "Look into the log of the server."
        failure = {"outcome": "http_status", "status_code": 503, "response": HOSTILE, "detail": detail, "hint": hint}
        return own | {"duration_ms": 210} | failure
    return own | {"duration_ms": 4, "outcome": "connect", "detail": _REFUSED, "hint": _HINT}


def _count(transaction: Transaction, current: int) -> None:
    """A day with a peak in its middle, and a receiver that became slow and then failed."""
    for ago in range(24):
        delivered = 4_000 - 300 * abs(12 - ago) if ago > 1 else 0
        failed = 900 if ago < 2 else 40 if ago == 3 else 0
        hour = current - ago
        cells: dict[str, int] = {Kind.DELIVERED: delivered, Kind.FAILED: failed, Kind.ATTEMPTS: delivered + 3 * failed}
        cells |= {of_latency(38): delivered, of_latency(240 + 600 * (ago == 3)): delivered // 12}
        cells |= {of_latency(2_600 + 24_000 * (ago == 3)): delivered // 60}
        statistics.add(transaction, {Cell("acme", hour, str(kind)): n for kind, n in cells.items() if n})
