"""The fixture that opens shells."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shells import OpenShell, Shell


@pytest.fixture
def open_shell(tmp_path: Path) -> Iterator[OpenShell]:
    """Opens shells in a folder that has a .venv with the program."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    shells: list[Shell] = []

    def open_(name: str) -> Shell:
        shells.append(Shell(tmp_path, name))
        return shells[-1]

    yield open_
    for shell in reversed(shells):
        shell.close()
