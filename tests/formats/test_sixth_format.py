"""A payload format more: one file, one line in the table, one folder of golden files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import webhook_admin
from tests.formats import golden_files
from tests.formats import test_golden_files as shared_suite
from webhook_admin.formats import FORMATS

HERE = Path(__file__).parent
SIXTH = HERE / "sixth"


def test_passes_the_shared_suite_without_further_change(tmp_path: Path) -> None:
    """Whoever adds a format changes no test and no other code: shown on a copy of both."""
    shutil.copytree(Path(webhook_admin.__file__).parent, tmp_path / "webhook_admin")
    shutil.copytree(HERE, tmp_path / "tests" / "formats", ignore=shutil.ignore_patterns("sixth", "__pycache__"))
    shutil.copy(SIXTH / "pager.py", tmp_path / "webhook_admin" / "formats")
    (tmp_path / "tests" / "__init__.py").touch()
    shutil.copytree(SIXTH / "golden", tmp_path / "tests" / "formats" / "golden" / "pager")
    table = tmp_path / "webhook_admin" / "formats" / "__init__.py"
    lines = table.read_text().replace("import insider, mta_v1,", "import insider, mta_v1, pager,")
    table.write_text(lines.replace('    "mta-v1": mta_v1,\n', '    "mta-v1": mta_v1,\n    "pager": pager,\n'))
    suite = ["tests/formats/test_golden_files.py", "tests/formats/test_any_event.py"]
    suite += ["-k", "pager or any_event or each_folder"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *suite],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "test_bodies_are_exact[pager] PASSED" in done.stdout


@pytest.fixture
def golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of golden files of a sixth format, which is in the table for the time of a test."""
    monkeypatch.syspath_prepend(SIXTH)
    monkeypatch.setitem(FORMATS, "pager", import_module("pager"))
    monkeypatch.setattr(golden_files, "FOLDER", tmp_path)
    return shutil.copytree(SIXTH / "golden", tmp_path / "pager")


def _forget_the_folder(golden: Path) -> None:
    shutil.rmtree(golden)


def _forget_a_status(golden: Path) -> None:
    (golden / "arrived.jsonl").unlink()


def _forget_what_is_skipped(golden: Path) -> None:
    (golden / "skipped.jsonl").unlink()


@pytest.mark.parametrize("harm", [_forget_the_folder, _forget_a_status, _forget_what_is_skipped])
def test_does_not_get_in_without_golden_files(golden: Path, harm: Callable[[Path], None]) -> None:
    """The shared suite fails where a format's folder is missing, or says nothing of some status."""
    shared_suite.test_has_golden_files_for_every_status("pager")
    harm(golden)
    with pytest.raises(AssertionError):
        shared_suite.test_has_golden_files_for_every_status("pager")


def test_does_not_get_in_with_a_byte_changed(golden: Path) -> None:
    """The shared suite fails where one byte of a golden body is another."""
    shared_suite.test_bodies_are_exact("pager")
    file = golden / "arrived.jsonl"
    file.write_text(file.read_text().replace('"arrived":true', '"arrived": true'))
    with pytest.raises(AssertionError):
        shared_suite.test_bodies_are_exact("pager")
