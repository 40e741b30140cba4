"""Log lines: their two formats, and what is never in them."""

import ast
import json
import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

import webhook_admin
from webhook_admin import logs

LOGGING = {"write", *(f"log.{level}" for level in ("debug", "info", "warning", "error", "exception"))}
KEY = "whak_0199c7a2b6f07d3e8a51c04f6e2b9d18_" + "a2" * 26 + "0011aaff"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwbXl9SUrE4Rk="
QUERY = "https://hooks.example.com/cb?token=sesame"


def written(capsys: pytest.CaptureFixture[str], format_: str, **values: object) -> str:
    """The line that logging `values` writes to standard error."""
    logs.configure("info", format_)
    structlog.get_logger().info("request", **values)
    return capsys.readouterr().err


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A line can be read by a program, with its time and level."""
    line = json.loads(written(capsys, "json", status=200, path='/a"\nb'))
    assert line["path"] == '/a"\nb'
    assert line["status"] == 200
    assert {"timestamp", "level", "event"} <= line.keys()


def test_text_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A value with a line break in it cannot pose as a line of its own."""
    line = written(capsys, "text", path="/a\nlevel=error event=forged")
    assert line.count("\n") == 1
    assert 'path="/a\\nlevel=error event=forged"' in line


@pytest.mark.parametrize("format_", ["text", "json"])
def test_no_line_drives_a_terminal(capsys: pytest.CaptureFixture[str], format_: str) -> None:
    """Control characters and marks that turn the direction of writing round are escaped."""
    line = written(capsys, format_, response="\x1b]0;pwned\x07 \x9b31m \u202e \u2028 \x7f")
    assert line.rstrip("\n").isprintable()
    assert r"\u001b]0;pwned\u0007" in line


@pytest.mark.parametrize("format_", ["text", "json"])
def test_times_are_in_utc_with_z(capsys: pytest.CaptureFixture[str], format_: str) -> None:
    """The line's own time and every other one are written alike."""
    line = written(capsys, format_, next_attempt_at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC))
    times = re.findall(r"\d{4}-\d\d-\d\dT[0-9:.]+\S*?(?=[ \",\n])", line)
    assert len(times) == 2
    assert all(time.endswith("Z") for time in times)


def test_one_thing_has_one_name() -> None:
    """What a line names by its id is called `..._id`, in every line."""
    things = {"account", "delivery", "key", "webhook", "message", "event"}
    found = [
        (file.name, node.lineno, keyword.arg)
        for file in Path(webhook_admin.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in LOGGING
        for keyword in node.keywords
        if keyword.arg in things
    ]
    assert found == []


@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize("value", [KEY, KEY.replace("whak", "whpk"), SECRET, f"key={KEY}&x", QUERY, {"url": QUERY}])
def test_secrets_are_hidden(capsys: pytest.CaptureFixture[str], format_: str, value: object) -> None:
    """Wherever a key, a signing secret or a query string comes from, it is not written."""
    line = written(capsys, format_, value=value, status=200)
    assert "[hidden]" in line
    assert "status" in line
    assert not any(secret in line for secret in (KEY[5:], SECRET[6:], "sesame"))


@pytest.mark.parametrize("format_", ["text", "json"])
def test_the_libraries_log_the_same_way(capsys: pytest.CaptureFixture[str], format_: str) -> None:
    """A warning of a library has the service's format, and its secrets are hidden as well."""
    logs.configure("info", format_)
    logging.getLogger("another.package").warning("cannot reach %s", QUERY)
    line = capsys.readouterr().err
    assert "cannot reach https://hooks.example.com/cb?[hidden]" in line
    assert "timestamp" in line


def test_the_level_holds_back_what_is_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    """LOG_LEVEL=warning silences the lines of requests."""
    logs.configure("warning", "text")
    structlog.get_logger().info("request")
    assert capsys.readouterr().err == ""


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The traceback of a failure is logged, without the secrets in its message."""
    logs.configure("info", "json")
    structlog.get_logger().error("failed", exc_info=_raised(ValueError(KEY)))
    line = json.loads(capsys.readouterr().err)
    assert "Traceback" in line["exception"]
    assert "whak_[hidden]" in line["exception"]


def _raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value
