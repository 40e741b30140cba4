"""`events send`: a file of events goes to the API, and what does not is named by its line."""

import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from tests.api import URL_1, Api
from tests.processes import Process
from tests.shells import on_terminal
from webhook_admin.cli import main
from webhook_admin.cli.events import lines
from webhook_admin.cli.events.lines import batches
from webhook_admin.cli.events.platform_key import VARIABLE as KEY
from webhook_admin.db import Database
from webhook_admin.models import deliveries
from webhook_admin.web import event_schemas

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
EVENT = {
    "accountId": "acme",
    "messageId": "m-1",
    "channel": "SMS",
    "status": "DELIVERED",
    "timestamp": "2026-04-09T14:39:40.69257Z",
    "callbackUrl": URL_1,
}
Send = Callable[..., Result]


def line(**changes: Any) -> str:
    """An event as a line of a file."""
    return json.dumps(EVENT | changes)


@pytest.fixture
def url(app: Flask, environment: pytest.MonkeyPatch, platform: Api, customer: Api) -> Iterator[str]:
    """The service on a port; that and a platform key are in the environment, and the account `acme` is there."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    environment.setenv("WEBHOOK_ADMIN_PORT", str(server.port))
    environment.setenv(KEY, str(platform.key))
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def send(url: str, tmp_path: Path) -> Send:
    """Runs `events send` on a file of these lines."""

    def send(*lines: str | bytes, options: tuple[str, ...] = ()) -> Result:
        file = tmp_path / "events.jsonl"
        file.write_bytes(b"".join((one.encode() if isinstance(one, str) else one) + b"\n" for one in lines))
        return CliRunner().invoke(main, ["events", "send", str(file), *options], catch_exceptions=False)

    return send


def stored(database: Database, column: str = "message_id") -> list[str]:
    """A column of the deliveries on record, in order."""
    with database.connect() as connection:
        return sorted(connection.execute(select(deliveries.c[column])).scalars())


def said(result: Result) -> list[str]:
    """What the command has said on standard error, where the log of the service in this process goes too."""
    return [text for text in result.stderr.splitlines() if not text.startswith("timestamp=")]


# What is sent


def test_a_file_is_sent(send: Send, database: Database) -> None:
    """Every line becomes an event; nothing is printed but the summary, and that on standard error."""
    result = send(*(line(messageId=f"{number:04}") for number in range(2_500)))
    assert said(result) == ["accepted 2500, duplicates 0, unrouted 0, refused 0"]
    assert (result.exit_code, result.stdout) == (0, "")
    assert stored(database) == [f"{number:04}" for number in range(2_500)]


@ON_SQLITE
def test_standard_input_is_sent(url: str, database: Database) -> None:
    """`-` is standard input."""
    result = CliRunner().invoke(main, ["events", "send", "-", "--url", f"{url}/"], input=line())
    assert (result.exit_code, stored(database)) == (0, ["m-1"])


@ON_SQLITE
def test_the_summary_as_json(send: Send) -> None:
    """--json prints the summary on standard output."""
    result = send(line(), line(), line(callbackUrl=URL_1, status="X"), options=("--json",))
    assert json.loads(result.stdout) == {"accepted": 1, "duplicates": 1, "unrouted": 0, "refused": 1}


@ON_SQLITE
def test_sending_twice_changes_nothing(send: Send, database: Database) -> None:
    """A line that has been accepted is a duplicate next time, with an id or without, however it is laid out."""
    with_id, without = line(id="one"), line(messageId="m-2", details={"price": 0.10})
    assert "accepted 2, duplicates 0" in send(with_id, without).stderr
    laid_out = "  " + json.dumps(dict(reversed(json.loads(without).items())), separators=(" ,", " : ")) + "\r"
    assert "accepted 0, duplicates 3" in send(with_id, without, laid_out).stderr
    ids = stored(database, "event_id")
    assert len(ids) == 2
    assert "one" in ids


@ON_SQLITE
def test_lines_that_differ_are_different_events(send: Send) -> None:
    """Without ids, whatever differs in content is another event."""
    lines = [line(), line(status="READ"), line(timestamp="2026-04-09T14:39:40.692570Z"), line(tags={"a": "b"})]
    assert "accepted 4, duplicates 0" in send(*lines).stderr


@ON_SQLITE
def test_more_than_one_call_may_have(send: Send) -> None:
    """Lines that are long are sent in as many calls as their bytes need."""
    assert "accepted 120," in send(*(line(messageId=str(number), details={"groups": ["x" * 1_000] * 100})
                                     for number in range(120))).stderr  # fmt: skip


# What is refused


REFUSED: dict[int, tuple[str | bytes, str]] = {
    2: ("{", "Must be valid JSON"),
    4: ('{"accountId": "acme", "accountId": "acme"}', "accountId: This key is there twice."),
    5: ("[]", "Must be a JSON object."),
    6: (line(status="LOST"), "status: Must be one of: QUEUED,"),
    7: (line(accountId="nobody"), "accountId: There is no account with this id."),
    9: (line(id="one", status="READ"), "The event one of account acme is on record already"),
    10: ('{"price": NaN}', "Must be valid JSON, which has no NaN."),
    11: (line(to="\0"), "to: NUL characters"),
    12: ("[" * 100_000, "Must not be nested so deeply."),
    13: (b"\xff", "Must be encoded in UTF-8."),
    14: (line(messageId="x" * 5_000_000), "Must not be longer than a call may be."),
    15: ("{}", "accountId: This field is required."),
    16: (line(**{"\x1b[2J\n": "x"}), "\ufffd[2J : There is no such field here."),
}


def test_refused_lines_are_named_and_the_others_sent(send: Send, database: Database) -> None:
    """Each bad line is named with what is wrong; all good ones get in, blank ones are skipped; exit status 1."""
    lines: dict[int, str | bytes] = {1: line(id="one"), 3: "", 8: line(messageId="m-2"), 17: line(messageId="m-3")}
    lines |= {number: text for number, (text, _) in REFUSED.items()}
    result = send(*(lines[number] for number in sorted(lines)))
    assert (result.exit_code, result.stdout) == (1, "")
    *refusals, summary = said(result)
    assert summary == f"accepted 3, duplicates 0, unrouted 0, refused {len(REFUSED)}"
    for number, (_, fault) in REFUSED.items():
        assert [text for text in refusals if text.startswith(f"line {number}: {fault}")], number
    assert {int(text.split(":")[0].removeprefix("line ")) for text in refusals} == set(REFUSED)
    assert stored(database) == ["m-1", "m-2", "m-3"]


@ON_SQLITE
def test_every_bad_line_of_a_bad_file_is_named(send: Send) -> None:
    """However many lines are bad, more than the API lists in one answer, each is named once."""
    result = send(
        *(line(messageId=str(number), status="READ" if number % 100 == 7 else "LOST") for number in range(1_200))
    )
    named = [text.split(":")[0] for text in said(result)[:-1]]
    assert named == [f"line {number + 1}" for number in range(1_200) if number % 100 != 7]
    assert "accepted 12," in result.stderr


# Who may send


@pytest.mark.parametrize(
    ("who", "sentence"), [("nobody", "does not accept this API key"), ("customer", "may not send")]
)
@ON_SQLITE
def test_a_key_that_may_not_is_one_sentence(send: Send, customer: Api, who: str, sentence: str) -> None:
    """A key that is unknown or an account's is a plain sentence with exit status 1, and is not repeated."""
    key = str(customer.key) if who == "customer" else "secret-of-nobody"
    result = send(line(), options=("--key", key))
    assert (result.exit_code, result.stdout) == (1, "")
    assert said(result)[-1].startswith("Error: ")
    assert sentence in result.stderr
    assert key not in result.output


@pytest.mark.parametrize("key", [None, "", "secret\n", "secret\u0131", " secret"])
def test_a_key_that_is_none_is_bad_usage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str | None) -> None:
    """No key, or what cannot be one, is exit status 2, and is not repeated."""
    if key is not None:
        monkeypatch.setenv(KEY, key)
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["events", "send", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert KEY in result.stderr
    assert "secret" not in result.output


@ON_SQLITE
def test_a_key_may_be_in_a_file(send: Send, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is used before the environment's, and does not show in a list of processes."""
    (tmp_path / "key").write_text(f"{os.environ[KEY]}\n")
    environment.setenv(KEY, "another")
    assert send(line(), options=("--key-file", str(tmp_path / "key"))).exit_code == 0


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (b"key", ("--key", "another"), "Say one of --key and --key-file."),
        (b"", (), "An API key has printable ASCII characters only."),
        (b"two\nlines", (), "An API key has printable ASCII characters only."),
        (b"\xff", (), "is not a text file."),
        (None, (), "no such file or directory."),
    ],
)
def test_a_file_without_a_key_is_bad_usage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, options: tuple[str, ...], sentence: str
) -> None:
    """What is wrong is said in a sentence, which does not repeat what is in the file."""
    monkeypatch.setenv(KEY, "good")
    events, key = tmp_path / "events", tmp_path / "key"
    events.touch()
    if content is not None:
        key.write_bytes(content)
    result = CliRunner().invoke(main, ["events", "send", str(events), "--key-file", str(key), *options])
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert "lines" not in result.output


# Of any size, and to be watched


def test_a_call_is_as_large_as_the_api_takes() -> None:
    """The command's limits, which load nothing of the API, are the API's."""
    assert (lines.MAX_EVENTS, lines.MAX_BODY) == (event_schemas.MOST_EVENTS, event_schemas.MAX_BODY)


def test_a_long_file_is_not_held_in_memory() -> None:
    """A file is read as it is sent: of 60 MB never more than a few are held."""
    file = BytesIO(f"{line(details={'groups': ['x' * 1_000] * 10})}\n".encode() * 6_000)
    tracemalloc.start()
    try:
        assert sum(map(len, batches(file))) == 6_000
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@ON_SQLITE
def test_progress_is_shown_on_a_terminal(
    start: Callable[..., Process], platform: Api, customer: Api, tmp_path: Path
) -> None:
    """On a terminal a bar grows to 100 %, and a refusal stands on a line of its own."""
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join([line(), "{", line(messageId="m-2")]))
    status, _, shown = on_terminal("events", "send", str(file), "--url", start().url, "--key", str(platform.key))
    assert status == 1
    assert b"100%" in shown
    assert b"\r\x1b[Kline 2: Must be valid JSON" in shown
    assert shown.endswith(b"accepted 2, duplicates 0, unrouted 0, refused 1\r\n")
