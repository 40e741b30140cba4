"""A receiver need not be written by hand: classes can be generated from the payload formats' schemas."""

import importlib
import json
from typing import Any

import pytest
from golden_files import cases
from openapi_python_client import Config, MetaType, generate
from openapi_python_client.config import ConfigFile

from webhook_admin.formats import FORMATS


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Python classes that openapi-python-client has generated from the schemas, without a warning."""
    folder = tmp_path_factory.mktemp("generated")
    document = {
        "openapi": "3.1.0",
        "info": {"title": "receiver", "version": "1"},
        "paths": {},
        "components": {"schemas": {name: format_.SCHEMA for name, format_ in FORMATS.items()}},
    }
    (folder / "openapi.json").write_text(json.dumps(document))
    config = Config.from_sources(
        ConfigFile(post_hooks=[]),  # by default it would format what it has written
        MetaType.NONE,
        document_source=folder / "openapi.json",
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
    """Nothing of a body is unknown to the class, and nothing that it wants is missing."""
    generated = getattr(models, "".join(part.capitalize() for part in name.split("-")))
    for case in cases(name):
        if case.body:
            body = json.loads(case.body)
            understood = generated.from_dict(body)
            assert understood.to_dict().keys() == body.keys()
            assert not getattr(understood, "additional_properties", None)
