"""The README, held against the code."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import WEBHOOK, Api, Process

from webhook_admin.cli import main
from webhook_admin.config import Settings

README = (Path(__file__).parent.parent / "README.md").read_text()


def section(title: str) -> str:
    """The text between this heading and the next of its level."""
    return re.split(r"^## ", README, flags=re.MULTILINE)[_headings().index(title) + 1]


def blocks(language: str) -> list[str]:
    """The README's code blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


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
    webhook, problem = map(json.loads, blocks("json"))
    created = customer("POST", WEBHOOK, json={"callbackUrl": webhook["callbackUrl"], "description": "Production"})
    assert list(created.json) == list(webhook)
    assert customer("POST", WEBHOOK, json={"callbackUrl": "http://hooks.example.com"}).json == problem


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
    for name in ("HOST", "PORT", "LOG_LEVEL", "LOG_FORMAT"):
        assert documented[name] == str(getattr(settings, name.lower()))
    assert documented["DATA_DIR"] == settings.data_dir.name


def test_every_command_that_is_named_exists() -> None:
    """Each `webhook-admin ...` in the text is a command of the program."""
    named = set(re.findall(r"webhook-admin ((?:up|serve|db|accounts|keys)(?: [a-z]+)?)", README))
    assert len(named) > 7
    for command in named:
        assert CliRunner().invoke(main, [*command.split(), "--help"]).exit_code == 0, command


def _headings() -> list[str]:
    return re.findall(r"^## (.*)$", README, flags=re.MULTILINE)
