"""The guides: their examples run, and what they say of the code is true."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import requests
from sqlalchemy import URL

from tests import format_tables
from tests.api import WEBHOOK, Api
from tests.guides_text import GUIDES, ROOT, guide, run_shell
from tests.processes import Process
from tests.shells import OpenShell, free_port, listens
from tests.waiting import wait_until
from webhook_admin import formats
from webhook_admin.config import Settings
from webhook_admin.events import Reason
from webhook_admin.formats import FORMATS
from webhook_admin.queue.deliveries import State
from webhook_admin.sender.request import Outcome
from webhook_admin.verification.findings import FindingCode
from webhook_admin.web.event_schemas import Event, EventDetails

CUSTOMERS, FORMATS_GUIDE, PLATFORM, OPERATIONS = map(guide, ["customers", "formats", "platform", "operations"])
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
PROGRAMS = {"python": [sys.executable], "javascript": ["node"], "php": ["php"]}
SUFFIXES = {"python": "py", "javascript": "mjs", "php": "php"}


def require(language: str) -> list[str]:
    """The interpreter of the language; a test is skipped where there is none."""
    command = PROGRAMS[language]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    return command


@pytest.fixture
def up(start: Callable[..., Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """`webhook-admin up` on a fresh store in `tmp_path`: what the examples need to know of it."""
    monkeypatch.chdir(tmp_path)
    service = start("up")
    key = re.search(r"KEY=(whpk_\w+)", service.log.read_text())
    assert key
    return {"URL": service.url, "KEY": key[1]}


@pytest.fixture
def account_key(up: dict[str, str], tmp_path: Path) -> str:
    """A key of the account `acme` of that service."""
    made = run_shell(
        tmp_path, "webhook-admin accounts create acme --json && webhook-admin keys create --account acme --json"
    )
    return re.search(r"whak_\w+", made)[0]  # type: ignore[index]


@pytest.mark.parametrize("name", ["customers", "formats", "platform", "operations"])
def test_every_shell_example_works_as_it_stands(
    name: str, up: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A reader who copies the blocks of a guide one after the other sees each of them succeed."""
    # The platform's guide makes the account itself.
    key = "" if name == "platform" else request.getfixturevalue("account_key")
    assert run_shell(tmp_path, "\n".join(guide(name).blocks("bash")), **up, API_KEY=key)


def test_the_installation_works_as_it_stands(
    open_shell: OpenShell, postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL, from the schema to the API and a dispatcher, and with another encryption key after that.

    The store, the address and the port are others, and the API and the dispatcher run in the background.
    """
    port = free_port()
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    (install,) = OPERATIONS.section("Install").blocks("sh")
    (change_key,) = OPERATIONS.section("Change the encryption key").blocks("sh")
    store = postgresql_url.set(drivername="postgresql").render_as_string(hide_password=False)
    for text, other in {
        "postgresql://webhooks:password@db.internal/webhooks": shlex.quote(store),
        "--host 0.0.0.0": f"--port {port} &",
        "webhook-admin dispatch ": "webhook-admin dispatch & ",
    }.items():
        assert text in install
        install = install.replace(text, other)
    shell = open_shell("operator")
    shell.type(install, "Dispatching.")
    wait_until(lambda: listens(port))
    assert requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=10).status_code == 200
    assert "whpk_" in shell.output
    shell.type(f"{change_key}webhook-admin keys list\n", "accountId")


@pytest.mark.parametrize("language", PROGRAMS)
def test_every_program_configures_the_webhook(
    language: str, up: dict[str, str], account_key: str, tmp_path: Path
) -> None:
    """Run twice, it creates the webhook and then keeps it."""
    command = require(language)
    file = tmp_path / f"configure.{SUFFIXES[language]}"
    file.write_text(CUSTOMERS.section("Configure your webhook").blocks(language)[0])
    environment = os.environ | up | {"API_KEY": account_key}
    first, second = (
        subprocess.run([*command, file], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert "whsec_" in first
    assert "hooks.example.com" in second
    assert "whsec_" not in second


@ON_SQLITE
def test_the_answers_are_true(customer: Api) -> None:
    """The webhook that is shown has the fields of a real one; the problem that is shown is a real one."""
    webhook, problem = map(json.loads, CUSTOMERS.section("Configure your webhook").blocks("json"))
    created = customer("POST", WEBHOOK, json={"callbackUrl": webhook["callbackUrl"], "description": "Production"})
    assert list(created.json) == list(webhook)
    assert customer("POST", WEBHOOK, json={"callbackUrl": "http://hooks.example.com"}).json == problem


@ON_SQLITE
def test_the_rotation_is_as_shown(customer: Api) -> None:
    """Its answer has these fields, and ends when the call says."""
    section = CUSTOMERS.section("Rotate the signing secret")
    (shown,) = map(json.loads, section.blocks("json"))
    asked = re.search(r"-d '(.*?)'\n", section.text)
    assert asked
    customer("POST", WEBHOOK, json={"callbackUrl": "https://hooks.example.com/"})
    done = customer("POST", f"{WEBHOOK}/signing-secret", data=asked[1], content_type="application/json")
    assert (done.status_code, list(done.json)) == (201, list(shown))


def test_the_findings_are_those_of_the_code() -> None:
    """Each has its row, in the order of the enumeration, and there is no other."""
    assert [row[0] for row in CUSTOMERS.section("A signature that is refused").rows()] == list(FindingCode)


@ON_SQLITE
def test_the_event_that_is_shown_is_accepted(platform: Api, customer: Api) -> None:
    """The answer that stands beside it is true."""
    section = PLATFORM.section("Send events")
    text = re.search(r"/events .* -d '(.*?)'\n", section.text, flags=re.DOTALL)
    answer = re.search(r"202 once .*?: `(.*?)`", section.text)
    assert text
    assert answer
    customer("POST", WEBHOOK, json={"callbackUrl": "https://hooks.example.com/"})
    done = platform("POST", "/events", data=text[1], content_type="application/json")
    assert (done.status_code, done.json) == (202, json.loads(answer[1]))


def test_outcomes_and_states_are_those_of_the_code() -> None:
    """Each has its row, and there is no other."""
    assert sorted(row[0] for row in CUSTOMERS.section("When something fails").rows(1)) == sorted(Outcome)
    assert sorted(row[0] for row in PLATFORM.section("Deliveries").rows()) == sorted(State)


def test_the_tables_of_formats_are_what_the_code_does() -> None:
    """`python -m tests.format_tables` prints them; each stands in its format's section."""
    assert FORMATS_GUIDE.tables()[0] == format_tables.overview()
    for name in format_tables.COLUMNS:
        assert FORMATS_GUIDE.section(f"`{name}`").tables() == format_tables.tables(name), name


def test_the_fields_of_the_standard_format_are_those_of_its_schema() -> None:
    """In their order, and `always` is said of those that are required."""
    schema = FORMATS["standard"].SCHEMA
    rows = FORMATS_GUIDE.section("`standard`").rows()
    assert [row[0] for row in rows] == list(schema["properties"])
    assert [row[0] for row in rows if row[1] == "always"] == list(schema["required"])


def test_the_bodies_that_are_shown_are_sent() -> None:
    """Each is what its payload format makes of the event, to the order of the keys."""
    for name in FORMATS:
        (text,) = FORMATS_GUIDE.section(f"`{name}`").blocks("json")
        examples = formats.examples(name)
        assert json.dumps(json.loads(text)) == json.dumps(examples.get("UNDELIVERED") or examples["QUEUED"])


def test_the_fields_of_an_event_are_those_of_the_code() -> None:
    """Each has its row, says truly whether it is required, and there is no other; likewise its details."""
    declared = {field.data_key or name: field.required for name, field in Event().fields.items()}
    rows = PLATFORM.section("The event").rows()
    assert {row[0]: row[1] == "required" for row in rows} == declared
    details = {name for row in PLATFORM.section("The event").rows(1) for name in re.findall(r"\w+", row[0])}
    assert details == EventDetails().fields.keys()


def test_the_reasons_are_those_of_the_code() -> None:
    """In their order."""
    assert [row[0] for row in PLATFORM.section("Reasons").rows()] == list(Reason)


def test_the_schemas_are_where_it_says() -> None:
    """The OpenAPI document has the bodies' schemas under `components/schemas`."""
    document = json.loads((ROOT / "openapi" / "openapi.json").read_text())
    names = {"".join(part.capitalize() for part in name.split("-")) for name in FORMATS}
    assert names <= document["components"]["schemas"].keys()


def test_the_settings_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The table names each setting and no other, with its true default."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment()
    documented = {name: default for name, default, _ in OPERATIONS.section("Settings").rows()}
    assert documented.keys() == {field.name.upper() for field in fields(Settings)}
    for name in (
        *(
            "HOST",
            "PORT",
            "METRICS_HOST",
            "METRICS_PORT",
            "LOG_LEVEL",
            "LOG_FORMAT",
            "LANE_CONCURRENCY",
            "MAX_IN_FLIGHT",
            "LEASE_SECONDS",
        ),
        "RATE_LIMIT",
    ):
        assert documented[name] == str(getattr(settings, name.lower()))
    for name in ("DELIVERY_MAX_AGE", "CONNECT_TIMEOUT", "REQUEST_TIMEOUT"):
        assert float(documented[name]) == getattr(settings, name.lower())
    assert tuple(map(float, documented["RETRY_SCHEDULE"].split(","))) == settings.retry_schedule
    assert documented["DATA_DIR"] == settings.data_dir.name


def test_every_event_of_the_log_is_explained() -> None:
    """The table of the log names each event that the code logs."""
    source = "".join(file.read_text() for file in GUIDES.parent.rglob("*.py"))
    logged = set(re.findall(r"\blog\.(?:info|warning|error|exception|log)\(\s*(?:level,\s*)?\"(\w+)\"", source))
    assert len(logged) > 7
    assert {row[0] for row in OPERATIONS.section("Logs and health").rows()} == logged


def test_every_long_run_is_named() -> None:
    """The table has each soak and benchmark that can be run, and no other."""
    modules = {
        f"{file.parent.name}.{file.stem}"
        for folder in ("soak", "benchmarks")
        for file in (ROOT / "tests" / folder).glob("*.py")
        if 'if __name__ == "__main__":' in file.read_text()
    }
    # These are started by others, in processes of their own.
    modules -= {"soak.namespace", "soak.stalling_clients", "benchmarks.ceilings"}
    assert {row[0] for row in guide("contributing").section("Soaks and benchmarks").rows()} == modules


@pytest.mark.parametrize("file", sorted(GUIDES.glob("*.md")), ids=lambda file: file.stem)
def test_every_link_leads_somewhere(file: Path) -> None:
    """To a section of this guide or of another, which is there as a file, too."""
    for target, anchor in re.findall(r"\]\((?!https://)([^)#]*)(?:#([^)]*))?\)", file.read_text()):
        linked = GUIDES / target if target else file
        titles = re.findall(r"^#+ (.*)$", linked.read_text(), flags=re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors, f"{target}#{anchor}"
