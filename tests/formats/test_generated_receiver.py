"""A receiver need not be written by hand: classes can be generated from the OpenAPI document."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from openapi_python_client import Config, MetaType, generate
from openapi_python_client.config import ConfigFile

from tests.formats.golden_files import cases
from webhook_admin.formats import FORMATS

DOCUMENT = Path(__file__).parents[2] / "openapi" / "openapi.json"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Python classes that openapi-python-client has generated from the document, without a warning."""
    folder = tmp_path_factory.mktemp("generated")
    config = Config.from_sources(
        ConfigFile(post_hooks=[]),  # by default it would format what it has written
        MetaType.NONE,
        document_source=DOCUMENT,
        file_encoding="utf-8",
        overwrite=True,
        output_path=folder / "generated_receiver",
    )
    assert generate(config=config) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("generated_receiver.models")


@pytest.mark.parametrize("name", FORMATS)
def test_generated_classes_read_every_golden_body(models: Any, name: str) -> None:
    """The class is named for the format; nothing of a body is unknown to it, and nothing that it wants is missing."""
    generated = getattr(models, "".join(part.capitalize() for part in name.split("-")))
    for case in cases(name):
        if case.body:
            body = json.loads(case.body)
            understood = generated.from_dict(body)
            assert understood.to_dict().keys() == body.keys()
            assert not getattr(understood, "additional_properties", None)
