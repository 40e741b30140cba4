"""Programs that know nothing but the OpenAPI document: clients and receivers, generated and run."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openapi_python_client import Config, MetaType, generate
from openapi_python_client.config import ConfigFile

from tests.api import URL_1, URL_2, Api
from tests.processes import Process

FILE = Path(__file__).parent.parent / "openapi" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
SHOWN_EVENTS = DOCUMENT["paths"]["/events"]["post"]["requestBody"]["content"]["application/json"]["examples"]["events"][
    "value"
]["events"]
on_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


# openapi-python-client


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """A Python client that openapi-python-client has generated from the document, without a warning."""
    folder = tmp_path_factory.mktemp("generated")
    config = Config.from_sources(
        ConfigFile(post_hooks=[]),  # by default it would format what it has written
        MetaType.NONE,
        document_source=FILE,
        file_encoding="utf-8",
        overwrite=False,
        output_path=folder / "generated_client",
    )
    assert generate(config=config) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("generated_client")


@pytest.fixture
def call(generated: ModuleType, customer: Api, start: Callable[..., Process]) -> Iterator[Callable[..., Any]]:
    """Calls an operation of a running service through the generated client, with an account key."""
    with generated.AuthenticatedClient(start().url, customer.key) as client:

        def call(operation: str, **arguments: Any) -> Any:
            name = f"generated_client.api.delivery_status.{operation}_delivery_status_webhook"
            return importlib.import_module(name).sync_detailed(client=client, **arguments)

        yield call


@on_sqlite
def test_a_generated_client_manages_a_webhook(call: Callable[..., Any]) -> None:
    """A program that knows nothing but the document registers, reads, replaces and revokes a webhook."""
    models = importlib.import_module("generated_client.models")
    created = call("create", body=models.WebhookInput(URL_1)).parsed
    assert isinstance(created, models.CreatedWebhook)
    assert call("get").parsed.callback_url == URL_1
    replaced = call("update", body=models.WebhookInput(URL_2)).parsed
    assert (replaced.id, replaced.callback_url) == (created.id, URL_2)
    assert call("delete").status_code == 204
    assert call("get").status_code == 404


@on_sqlite
def test_a_generated_client_reads_a_problem(call: Callable[..., Any]) -> None:
    """It is told what is wrong with its input in fields, not in text to be searched."""
    models = importlib.import_module("generated_client.models")
    refused = call("create", body=models.WebhookInput("http://hooks.example.com/")).parsed
    assert isinstance(refused, models.Problem)
    assert refused.type_ is models.ProblemType.URNWEBHOOK_ADMININVALID_INPUT
    assert [(error.field, error.code) for error in refused.errors] == [
        ("callbackUrl", models.FieldErrorCode.NOT_HTTPS),
    ]


@on_sqlite
def test_a_generated_client_sends_events(
    generated: ModuleType, customer: Api, platform: Api, start: Callable[..., Process]
) -> None:
    """It makes the document's own example of a call, whose every field it has read, and is told what became of it."""
    models = importlib.import_module("generated_client.models")
    accept = importlib.import_module("generated_client.api.events.accept_events").sync
    body = models.EventsInput.from_dict({"events": SHOWN_EVENTS})
    assert [event.keys() for event in body.to_dict()["events"]] == [event.keys() for event in SHOWN_EVENTS]
    with generated.AuthenticatedClient(start().url, platform.key) as client:
        answer = accept(client=client, body=body)
        assert (answer.accepted, answer.duplicates, answer.unrouted) == (1, 0, 1)
        answer = accept(client=client, body=body)
        assert (answer.accepted, answer.duplicates, answer.unrouted) == (0, 1, 1)


# datamodel-code-generator


@pytest.fixture(scope="module")
def pydantic_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Pydantic classes that datamodel-code-generator has made of the document's schemas."""
    folder = tmp_path_factory.mktemp("pydantic")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "datamodel_code_generator",
        "--input",
        FILE,
        "--output",
        folder / "hooks_models.py",
    ]
    options = ["--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11", "--disable-timestamp"]
    subprocess.run([*command, *options, "--formatters", "builtin"], check=True, timeout=120)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("hooks_models")


def test_pydantic_classes_tell_notifications_apart(pydantic_models: Any) -> None:
    """A receiver that reads the document's examples of a notification gets an object of the format's class."""
    content = DOCUMENT["webhooks"]["deliveryStatus"]["post"]["requestBody"]["content"]["application/json"]
    for name, example in content["examples"].items():
        understood = pydantic_models.Notification.model_validate(example["value"]).root
        assert type(understood).__name__ == "".join(part.capitalize() for part in name.split("-"))


@on_sqlite
def test_pydantic_classes_read_answers(pydantic_models: Any, customer: Api) -> None:
    """What is made of an input is accepted, and the answers, also one with a field that is new, are understood."""
    asked = pydantic_models.WebhookInput(callbackUrl=URL_1).model_dump(mode="json", exclude_none=True)
    created = customer("POST", "/webhooks/delivery-status", json=asked).json
    assert (
        pydantic_models.CreatedWebhook.model_validate(created | {"new": 1}).status
        is pydantic_models.WebhookStatus.ACTIVE
    )
    refused = customer("POST", "/webhooks/delivery-status", json=asked | {"new": 1}).json
    assert [error.code.value for error in pydantic_models.Problem.model_validate(refused).errors] == ["unknown_field"]
    with pytest.raises(ValueError, match="new"):
        pydantic_models.WebhookInput(callbackUrl=URL_1, new=1)
