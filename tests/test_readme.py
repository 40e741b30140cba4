"""The README, held against the code."""

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from conftest import WEBHOOK, Api, Process, wait_until
from engine import Configure, Dispatch, Queue, event
from receiver import AUTHORITY, Receiver

from webhook_admin import formats, webhooks
from webhook_admin.cli import main
from webhook_admin.config import Settings
from webhook_admin.dispatch import signing
from webhook_admin.events import Status
from webhook_admin.formats import FORMATS

pytest_plugins = ["engine_fixtures"]

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)

README = (Path(__file__).parent.parent / "README.md").read_text()


def section(title: str) -> str:
    """The text between this heading and the next of its level."""
    return next(part for part in re.split(r"^## ", README, flags=re.MULTILINE) if part.startswith(f"{title}\n"))


def blocks(language: str, text: str = README) -> list[str]:
    """The README's code blocks in this language, or those of a part of it."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def table(title: str) -> list[list[str]]:
    """The rows of the section's table, without its header; back quotes taken off."""
    rows = [line for line in section(title).splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


def test_every_example_works_as_it_stands(
    start: Callable[..., Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who copies the shell blocks one after the other sees each of them succeed."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(tmp_path / "data"))
    up = start("up")
    key = re.search(r"KEY=(whpk_\w+)", up.log.read_text())
    assert key
    (tmp_path / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks("bash"))],
        env=os.environ | {"URL": up.url, "KEY": key[1], "CURL_HOME": str(tmp_path), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "signingSecret" in done.stdout


def test_the_answers_are_true(customer: Api) -> None:
    """The webhook that is shown has the fields of a real one; the problem that is shown is a real one."""
    webhook, problem = map(json.loads, blocks("json", section("For customers: configure your webhook")))
    created = customer("POST", WEBHOOK, json={"callbackUrl": webhook["callbackUrl"], "description": "Production"})
    assert list(created.json) == list(webhook)
    assert customer("POST", WEBHOOK, json={"callbackUrl": "http://hooks.example.com"}).json == problem


def test_the_event_that_is_shown_is_accepted(platform: Api, customer: Api) -> None:
    """The example of POST /events is a good one, and its answer is true."""
    text = re.search(r"/events .* -d '(.*?)'\n", section("For the platform: send events"), flags=re.DOTALL)
    assert text
    customer("POST", WEBHOOK, json={"callbackUrl": "https://hooks.example.com/"})
    done = platform("POST", "/events", data=text[1], content_type="application/json")
    assert (done.status_code, done.json) == (202, {"accepted": 1, "duplicates": 0, "unrouted": 0})


# Receiving notifications


RECEIVE = section("For customers: receive notifications")
RECEIVER, X_SIGNATURE = blocks("python", RECEIVE)


def test_the_bodies_that_are_shown_are_sent() -> None:
    """Each is what its payload format makes of the event, to the order of the keys."""
    names = re.findall(r"^`([a-z0-9-]+)`.*:\n\n```json", RECEIVE, flags=re.MULTILINE)
    # Whoever adds a format need not show it here.
    assert names == ["standard", "phonovation-v2", "routee", "insider", "mta-v1"]
    for name, text in zip(names, blocks("json", RECEIVE), strict=True):
        examples = formats.examples(name)
        assert json.dumps(json.loads(text)) == json.dumps(examples.get("UNDELIVERED") or examples["QUEUED"])


def test_the_table_of_formats_is_true() -> None:
    """It says which answer acknowledges, and which statuses a format has a way to say."""
    for name, success, says in table("For customers: receive notifications"):
        assert success == str(formats.success(name))
        named = set(re.findall(r"\b[A-Z]+\b", says))
        said = set(formats.examples(name))
        assert named == (set(Status) - said if "every status" in says else said)


@pytest.fixture
def shown_receiver(configure: Configure, queue: Queue, tmp_path: Path) -> Iterator[str]:
    """The URL of the receiver that is shown: a process, with TLS and the signing secret of `acme`."""
    (tmp_path / "receiver.py").write_text(RECEIVER)
    certificate = tmp_path / "certificate.pem"
    AUTHORITY.ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    command = ["flask", "--app", "receiver", "run", "--port", "0", "--cert", certificate, "--key", certificate]
    log = tmp_path / "receiver.log"
    with log.open("w") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=os.environ | {"SIGNING_SECRET": queue.customer()},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield wait_until(lambda: re.search(r"Running on (https://\S+)", log.read_text()))[1] + "/delivery-status"
    finally:
        popen.terminate()
        popen.wait(10)


@ON_SQLITE
def test_the_receiver_that_is_shown(shown_receiver: str, dispatch: Dispatch, queue: Queue, tmp_path: Path) -> None:
    """What it is sent is verified and acknowledged in every payload format; what another secret signed is refused."""
    queue.customer("mallory")
    dispatch(retry_schedule="0.05")
    for number, name in enumerate(FORMATS):
        status = "QUEUED" if name == "phonovation-v2" else "SENT"
        queue.accept(event(number, status=status, callback_url=shown_receiver, payload_format=name))
    queue.accept(event(9, "mallory", callback_url=shown_receiver))
    queue.wait_for(DELIVERED=len(FORMATS), FAILED=1)
    assert {row.status_code for row in queue.attempts(account_id="mallory")} == {401}
    printed = (tmp_path / "receiver.log").read_text()
    for delivery in queue.deliveries():
        # Its threads print at the same time, so that a line may be cut by another.
        assert (delivery.id in printed) == (delivery.account_id == "acme")


@ON_SQLITE
def test_the_receiver_that_is_shown_is_not_fooled(shown_receiver: str, receiver: Receiver, queue: Queue) -> None:
    """Whatever is sent instead of a signed notification is 401: changed, unsigned, out of date, or no such thing."""
    with queue.database.connect() as connection:
        secret = webhooks.signing_secret(connection, queue.cipher, "acme")

    def post(body: bytes, headers: dict[str, str]) -> int:
        return requests.post(
            shown_receiver, body, headers=headers, verify=str(receiver.ca_file), timeout=10
        ).status_code

    body, now = b'{"messageId":"1"}', int(time.time())
    good = signing.headers([secret], "dlv_1", now, body)
    assert post(body, good) == 200
    for text in (body + b" ", b"", b"\xff"):
        assert post(text, good) == 401
    for name in good:
        assert post(body, {other: value for other, value in good.items() if other != name}) == 401
    for change in ("", "nonsense", "v1", "v1,", "v1,###", "v1,\xfc", "v2,AAAA", "v1,AAAA v1,BBBB", "v1,a,b"):
        assert post(body, good | {"webhook-signature": change}) == 401, change
    for late in (now - 3600, now + 3600):
        assert post(body, signing.headers([secret], "dlv_1", late, body)) == 401
    assert post(body, good | {"webhook-timestamp": str(now + 1)}) == 401


def test_the_check_of_x_signature_that_is_shown() -> None:
    """It holds for what mta-v1 sends, and not for another body, secret or signature."""
    names: dict[str, Any] = {}
    exec(X_SIGNATURE, names)
    secret, other = ("whsec_" + base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2))
    sent = formats.headers("mta-v1", b"{}", signing.key(secret))["X-Signature"]
    assert names["is_genuine"](b"{}", sent, secret)
    for body, signature, key in (
        (b"[]", sent, secret),
        (b"{}", sent, other),
        (b"{}", "", secret),
        (b"{}", "\xfc", secret),
    ):
        assert not names["is_genuine"](body, signature, key)


def test_the_preview_that_is_shown(customer: Api) -> None:
    """The event is a good one, and without a webhook goes where it says, in the format that is asked for."""
    text = re.search(r"/preview .* -d '(.*?)'\n", RECEIVE, flags=re.DOTALL)
    assert text
    answer = customer("POST", f"{WEBHOOK}/preview", data=text[1], content_type="application/json")
    assert answer.json["url"] == "https://hooks.example.com/order-001"
    assert json.loads(answer.json["body"])["type"] == "delivery-status"


def test_the_schemas_are_where_it_says() -> None:
    """The OpenAPI document has the bodies' schemas under `components/schemas`."""
    document = json.loads((Path(__file__).parent.parent / "openapi" / "openapi.json").read_text())
    names = {"".join(part.capitalize() for part in name.split("-")) for name in FORMATS}
    assert names <= document["components"]["schemas"].keys()


# All the rest


@pytest.mark.parametrize("title", ["Run it", "Test it"])
def test_one_line_is_enough(title: str) -> None:
    """Running and testing take one line of shell each."""
    first = re.findall(r"^```sh\n(.*?)^```", section(title), flags=re.MULTILINE | re.DOTALL)[0]
    assert first.count("\n") == 1
    assert first.startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_the_settings_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The table names each setting and no other, with its true default."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment()
    documented = {name: default for name, default, _ in table("Settings")}
    assert documented.keys() == {field.name.upper() for field in fields(Settings)}
    for name in (
        *("HOST", "PORT", "LOG_LEVEL", "LOG_FORMAT", "LANE_CONCURRENCY", "MAX_IN_FLIGHT", "LEASE_SECONDS"),
        "RATE_LIMIT",
    ):
        assert documented[name] == str(getattr(settings, name.lower()))
    for name in ("DELIVERY_MAX_AGE", "CONNECT_TIMEOUT", "REQUEST_TIMEOUT"):
        assert float(documented[name]) == getattr(settings, name.lower())
    assert tuple(map(float, documented["RETRY_SCHEDULE"].split(","))) == settings.retry_schedule
    assert documented["DATA_DIR"] == settings.data_dir.name


def test_every_command_that_is_named_exists() -> None:
    """Each `webhook-admin ...` in the text is a command of the program."""
    commands = "up|serve|dispatch|demo|db|accounts|keys|webhooks|events|deliveries"
    named = set(re.findall(rf"webhook-admin ((?:{commands})\b(?: [a-z]+)?)", README))
    assert len(named) > 12
    for command in named:
        assert CliRunner().invoke(main, [*command.split(), "--help"]).exit_code == 0, command
