"""The README, held against the code: its lines run, and its tour works as it stands."""

import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.guides_text import GUIDES, README, ROOT
from tests.processes import Process
from tests.shells import OpenShell, free_port, listens
from tests.waiting import wait_until
from webhook_admin.cli import COMMANDS, main

TOUR = README.section("Try it in five minutes")
DOCUMENTS = {file.name: file.read_text() for file in [ROOT / "README.md", *GUIDES.glob("*.md")]}


def test_the_tour_works_as_it_stands(open_shell: OpenShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who copies its blocks into three shells sees a notification verified, and another fail and come later.

    Only the ports and the waits between attempts are others.
    """
    api, receiver = free_port(), free_port()
    monkeypatch.setenv("WEBHOOK_ADMIN_PORT", api)
    monkeypatch.setenv("WEBHOOK_ADMIN_RETRY_SCHEDULE", "1,1,1,1,1,1,1,1")
    receive, serve = TOUR.blocks("sh")
    register, fail = (text.replace("8080", api).replace("8443", receiver) for text in TOUR.blocks("bash"))
    receive = receive.replace("receive", f"receive --port {receiver}")
    first, second, third = open_shell("receiver"), open_shell("service"), open_shell("calls")
    first.type(receive, "Ctrl-C ends it.")
    second.type(serve, "Ctrl-C stops it.")
    wait_until(lambda: listens(api))
    third.type(register, '"accepted":1')
    wait_until(lambda: "  verified, answered 200" in first.output)
    shown = TOUR.blocks("text")[0]
    for name in re.findall(r"^  (\S+) ", shown, flags=re.MULTILINE):
        assert f"\n  {name} " in first.output
    first.interrupt()
    wait_until(lambda: "1 received, 1 verified." in first.output)
    third.type(fail, "Attempt 1")
    assert "Connection refused" in third.output
    first.type(receive, '"eventId":"evt-2"')
    assert first.output.count("  verified, answered 200") == 2


@pytest.mark.parametrize("title", ["Run it", "Test it"])
def test_one_line_is_enough(title: str) -> None:
    """Running and testing take one line of shell each."""
    first = README.section(title).blocks("sh")[0]
    assert first.count("\n") == 1
    assert first.startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_up_prints_what_is_shown(
    start: Callable[..., Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start, line by line; only address, folder and key are others."""
    monkeypatch.setenv("WEBHOOK_ADMIN_DATA_DIR", str(tmp_path / "webhook-admin-data"))
    up = start("up")
    printed = up.log.read_text().replace(up.url, "http://127.0.0.1:8080").replace(str(tmp_path), "...")
    assert re.sub(r"whpk_\w+", "whpk_...", printed).startswith(README.section("Run it").blocks("text")[0])


def test_it_is_short() -> None:
    """A reader in a hurry gets to its end."""
    assert README.text.count("\n") <= 200


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_that_is_named_exists(name: str) -> None:
    """Each `webhook-admin ...` in a document is a command of the program, and the options behind it are its."""
    for line in re.findall(r"webhook-admin ((?:[a-z]+\b ?)+[^|\n`#)$]*)", DOCUMENTS[name]):
        words = line.split()
        if words[0] not in COMMANDS:
            continue
        command = main.get_command(click.Context(main), words[0])
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words[1])
        assert command, words
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", line)) <= options, line
        assert CliRunner().invoke(command, ["--help"]).exit_code == 0


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_is_linked_exists(name: str) -> None:
    """Links to other hosts are https; all others lead to a file."""
    folder = ROOT if name == "README.md" else GUIDES
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", DOCUMENTS[name]):
        assert target.startswith("https://") or (folder / target).is_file(), target
