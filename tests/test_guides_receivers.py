"""The receivers that the customers' guide shows: each believes what the service signs, and nothing else."""

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.engine import Configure, Dispatch, Queue, event
from tests.guides_text import guide
from tests.receiver import AUTHORITY
from tests.test_guides import ON_SQLITE, PROGRAMS, SUFFIXES, require
from tests.waiting import wait_until
from webhook_admin import formats
from webhook_admin.dispatch import signing
from webhook_admin.formats import FORMATS

SHOWN = guide("customers").section("Verify notifications")
SECRET, OTHER_SECRET = ("whsec_" + base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2))
FLASK = [sys.executable, "-m", "flask", "--app", "receiver", "run", "--port"]
Start = Callable[..., int]


@pytest.fixture
def start_receiver(tmp_path: Path) -> Iterator[Start]:
    """Starts the receiver in a language as a process, with a signing secret; returns its port on loopback.

    It prints to `receiver.log`.
    """
    processes = []

    def start(language: str, secret: str, *options: str | Path) -> int:
        command = require(language)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        file = tmp_path / f"receiver.{SUFFIXES[language]}"
        file.write_text(SHOWN.blocks(language)[0])
        commands: dict[str, list[str | Path]] = {
            "python": [*FLASK, str(port), *options],
            "javascript": [*command, file],
            "php": [*command, "-S", f"127.0.0.1:{port}", file],
        }
        environment = os.environ | {"SIGNING_SECRET": secret, "PORT": str(port)}
        with (tmp_path / "receiver.log").open("w") as log:
            processes.append(
                subprocess.Popen(commands[language], cwd=tmp_path, env=environment, stdout=log, stderr=log)
            )
        wait_until(lambda: _listens(port))
        return port

    yield start
    for process in processes:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@ON_SQLITE
def test_notifications_of_every_format_are_verified(
    start_receiver: Start, configure: Configure, dispatch: Dispatch, queue: Queue, tmp_path: Path
) -> None:
    """A dispatcher's are acknowledged in every payload format; those that another secret signed are refused."""
    certificate = tmp_path / "certificate.pem"
    AUTHORITY.ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    port = start_receiver("python", queue.customer(), "--cert", certificate, "--key", certificate)
    queue.customer("mallory")
    dispatch(retry_schedule="0.05")
    own = {"callback_url": f"https://127.0.0.1:{port}/delivery-status"}
    for number, name in enumerate(FORMATS):
        status = "QUEUED" if name == "phonovation-v2" else "SENT"
        queue.accept(event(number, status=status, payload_format=name, **own))
    queue.accept(event(9, "mallory", **own))
    queue.wait_for(DELIVERED=len(FORMATS), FAILED=1)
    assert {row.status_code for row in queue.attempts(account_id="mallory")} == {401}
    printed = (tmp_path / "receiver.log").read_text()
    for delivery in queue.deliveries():
        # Its threads print at the same time, so that a line may be cut by another.
        assert (delivery.id in printed) == (delivery.account_id == "acme")


@pytest.mark.parametrize("language", PROGRAMS)
def test_it_is_not_fooled(language: str, start_receiver: Start, tmp_path: Path) -> None:
    """Anything else than a signed notification is 401: changed, unsigned, out of date, or not well-formed."""
    url = f"http://127.0.0.1:{start_receiver(language, SECRET)}/delivery-status"

    def post(body: bytes, headers: dict[str, str]) -> int:
        return requests.post(url, body, headers=headers, timeout=10).status_code

    body, now = b'{"messageId":"1"}', int(time.time())
    good = signing.headers([SECRET], "dlv_1", now, body)
    assert post(body, good) == post(body, signing.headers([OTHER_SECRET, SECRET], "dlv_1", now, body)) == 200
    wait_until(lambda: (tmp_path / "receiver.log").read_text().count("dlv_1") >= 2)
    assert post(body, signing.headers([OTHER_SECRET], "dlv_1", now, body)) == 401
    for text in (body + b" ", b"", b"\xff"):
        assert post(text, good) == 401
    for name in good:
        assert post(body, {other: value for other, value in good.items() if other != name}) == 401
    for change in ("", "nonsense", "v1", "v1,", "v1,###", "v1,\xfc", "v2,AAAA", "v1,AAAA v1,BBBB", "v1,a,b"):
        assert post(body, good | {"webhook-signature": change}) == 401, change
    for late in (now - 3600, now + 3600):
        assert post(body, signing.headers([SECRET], "dlv_1", late, body)) == 401
    for changed in (str(now + 1), "", "now", "-1", "9" * 5000):
        assert post(body, good | {"webhook-timestamp": changed}) == 401, changed


def test_the_check_of_x_signature_that_is_shown() -> None:
    """It holds for what mta-v1 sends, and not for another body, secret or signature."""
    names: dict[str, Any] = {}
    (shown,) = guide("formats").section("`mta-v1`").blocks("python")
    exec(shown, names)
    sent = formats.headers("mta-v1", b"{}", signing.key(SECRET))["X-Signature"]
    assert names["is_genuine"](b"{}", sent, SECRET)
    for body, signature, key in (
        (b"[]", sent, SECRET),
        (b"{}", sent, OTHER_SECRET),
        (b"{}", "", SECRET),
        (b"{}", "\xfc", SECRET),
    ):
        assert not names["is_genuine"](body, signature, key)
