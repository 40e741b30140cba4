"""constraints.txt: the environment of developers and CI, beside the ranges of the package."""

import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
PINS = [Requirement(line) for line in LINES]


def test_every_requirement_has_a_version_in_its_range() -> None:
    """Those of the package and of all extras; a range that is moved, or a new requirement, moves the pins."""
    extras = PROJECT["optional-dependencies"].values()
    for text in [*PROJECT["dependencies"], *(each for extra in extras for each in extra)]:
        wanted = Requirement(text)
        versions = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
        assert versions, text
        for pin in versions:
            (exact,) = pin.specifier
            assert exact.operator == "=="
            assert wanted.specifier.contains(exact.version), text


def test_it_names_no_index() -> None:
    """A version is all that is fixed: where packages come from is the machine's own business."""
    assert not [line for line in LINES if "://" in line or line.startswith("-") or "@" in line]
