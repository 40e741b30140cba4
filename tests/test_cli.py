"""The command line: what it prints, where, and with which exit status."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL

from tests.api import URL_1, WEBHOOK, Api
from webhook_admin import cli, errors
from webhook_admin.cli import main, refusals

Run = Callable[..., Result]
HTTP_CALL = re.compile(r"\b(GET|POST|PUT|DELETE) /")
CREATE_GLOBEX = "Create it with `webhook-admin accounts create globex`."


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Run:
    """Runs `webhook-admin` with these arguments on the store."""
    return lambda *arguments: CliRunner().invoke(main, arguments, catch_exceptions=False)


def printed(result: Result) -> Any:
    """The JSON on standard output."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def items(result: Result) -> Any:
    """The items of the page on standard output."""
    return printed(result)["items"]


def test_an_account_is_created_and_listed(run: Run) -> None:
    """What `create` prints is what `list` shows, and the API's own object."""
    account = printed(run("accounts", "create", "acme", "--name", "Acme Ltd", "--json"))
    assert account.keys() == {"id", "name", "createdAt", "updatedAt"}
    assert items(run("accounts", "list", "--json")) == [account]


def test_lists_are_the_apis(run: Run, platform: Api) -> None:
    """The objects of `--json` and of the API are the same."""
    printed(run("accounts", "create", "acme", "--json"))
    printed(run("keys", "create", "--account", "acme", "--name", "deploy", "--json"))
    assert platform("POST", WEBHOOK, json={"callbackUrl": URL_1}, headers={"X-Account-Id": "acme"}).status_code == 201
    assert printed(run("accounts", "list", "--json")) == platform("GET", "/accounts").json
    keys = platform("GET", "/accounts/acme/keys").json
    assert printed(run("keys", "list", "--account", "acme", "--json")) == keys
    assert printed(run("webhooks", "list", "--json")) == platform("GET", "/webhooks").json
    webhook = platform("GET", WEBHOOK, headers={"X-Account-Id": "acme"}).json
    assert printed(run("webhooks", "show", "--account", "acme", "--json")) == webhook


def test_webhooks_are_filtered_by_status(run: Run, customer: Api) -> None:
    """`--status` takes the contract's words, in upper or lower case."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    active = items(run("webhooks", "list", "--status", "active", "--json"))
    assert [webhook["accountId"] for webhook in active] == ["acme"]
    assert items(run("webhooks", "list", "--status", "DISABLED", "--json")) == []


def test_a_list_has_pages(run: Run, platform: Api) -> None:
    """50 items unless --limit says otherwise; `next` and standard error say that there are more; --all has them all."""
    for number in range(501):
        platform("PUT", f"/accounts/a{number:03}")
    assert printed(run("accounts", "list", "--json")) == platform("GET", "/accounts?limit=50").json
    page = run("accounts", "list", "--limit", "2")
    assert (page.stdout.split()[4::4], "--all" in page.stderr) == (["a000", "a001"], True)
    everything = printed(run("accounts", "list", "--all", "--json"))
    assert ([account["id"] for account in everything["items"]], everything["next"]) == (
        [f"a{number:03}" for number in range(501)],
        None,
    )
    assert len(run("accounts", "list", "--all").stdout.splitlines()) == 502


@pytest.mark.parametrize("columns", ["0", "60"])
def test_later_pages_are_not_cut(run: Run, platform: Api, environment: pytest.MonkeyPatch, columns: str) -> None:
    """Ids are whole, also where those of the first page were shorter; without a terminal, so is everything."""
    environment.setenv("COLUMNS", columns)
    for number in range(500):
        platform("PUT", f"/accounts/a{number:03}")
    platform("PUT", f"/accounts/{'b' * 64}", json={"name": "n" * 100})
    last = run("accounts", "list", "--all").stdout.splitlines()[-1]
    assert last.startswith("b" * 64)
    assert ("n" * 100 in last) == (columns == "0")


def test_an_empty_list_is_an_empty_page(run: Run) -> None:
    """A script need not treat it as a special case."""
    for arguments in ([], ["--all"]):
        assert printed(run("accounts", "list", "--json", *arguments)) == {"items": [], "next": None}


def test_a_table_is_for_people(run: Run) -> None:
    """Without --json, a list has a header and aligned columns."""
    run("accounts", "create", "a", "--name", "First")
    run("accounts", "create", "longer", "--name", "Second")
    header, first, second = run("accounts", "list").stdout.splitlines()
    assert header.index("name") == first.index("First") == second.index("Second")


def test_a_key_that_was_made_works(run: Run, anyone: Api) -> None:
    """An account key of the command line opens the account's webhook."""
    run("accounts", "create", "acme")
    anyone.key = printed(run("keys", "create", "--account", "acme", "--json"))["key"]
    assert anyone("GET", "/webhooks/delivery-status").status_code == 404


def test_a_platform_key_that_was_made_works(run: Run, anyone: Api) -> None:
    """A platform key belongs to no account and manages all of them."""
    key = printed(run("keys", "create", "--platform", "--json"))
    assert key["accountId"] is None
    anyone.key = key["key"]
    assert anyone("GET", "/accounts").status_code == 200


def test_a_revoked_key_stops_working(run: Run, anyone: Api) -> None:
    """`keys revoke` takes effect on the next request."""
    key = printed(run("keys", "create", "--platform", "--json"))
    anyone.key = key["key"]
    assert anyone("GET", "/accounts").status_code == 200
    assert run("keys", "revoke", key["id"]).exit_code == 0
    assert anyone("GET", "/accounts").status_code == 401


def test_a_deleted_account_takes_its_keys_along(run: Run, anyone: Api) -> None:
    """`accounts delete` stops the account's keys at once."""
    run("accounts", "create", "acme")
    anyone.key = printed(run("keys", "create", "--account", "acme", "--json"))["key"]
    assert run("accounts", "delete", "acme").exit_code == 0
    assert anyone("GET", "/webhooks/delivery-status").status_code == 401
    assert items(run("keys", "list", "--json")) == []


def test_a_time_of_expiry_is_kept_in_utc(run: Run) -> None:
    """--expires takes any offset."""
    key = printed(run("keys", "create", "--platform", "--expires", "2099-01-01T01:00:00+01:00", "--json"))
    assert key["expiresAt"] == "2099-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["accounts", "create", "a b"], "An account id is 1 to 64"),
        (["accounts", "create", "acme"], "There is an account acme already."),
        (["accounts", "delete", "globex"], f"There is no account globex. {CREATE_GLOBEX}"),
        (["keys", "create", "--account", "globex"], f"There is no account globex. {CREATE_GLOBEX}"),
        (["keys", "create", "--platform", "--expires", "2020-01-01T00:00:00Z"], "must be in the future"),
        (["keys", "revoke", "key_0"], "There is no API key key_0"),
        (["webhooks", "show", "--account", "acme"], "The account acme has no webhook."),
        (["deliveries", "show", "dlv_0"], "There is no delivery dlv_0."),
    ],
)
def test_a_refusal_is_one_sentence_on_standard_error(run: Run, arguments: list[str], sentence: str) -> None:
    """Exit status 1, nothing on standard output, nothing changed."""
    before = printed(run("accounts", "create", "acme", "--json"))
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert sentence in result.stderr
    assert items(run("accounts", "list", "--json")) == [before]
    assert items(run("keys", "list", "--json")) == []
    assert not HTTP_CALL.search(result.stderr)


def test_a_third_key_is_refused_in_the_words_of_commands(run: Run) -> None:
    """The sentence names the commands that make room."""
    run("accounts", "create", "acme")
    results = [run("keys", "create", "--account", "acme") for _ in range(3)]
    assert [result.exit_code for result in results] == [0, 0, 1]
    assert "`webhook-admin keys list --account acme`" in results[2].stderr
    assert not HTTP_CALL.search(results[2].stderr)


def test_every_error_that_names_a_call_has_words_for_the_command_line() -> None:
    """What says `PUT /accounts` to a program says `accounts create` to a person, if a command can meet it."""
    speak_of_calls = {kind for kind in kinds(errors.Error) if HTTP_CALL.search(kind.detail)}
    # No command registers a webhook.
    assert speak_of_calls - {errors.WebhookExists} <= set(refusals.SENTENCES)
    for template in refusals.SENTENCES.values():
        assert not HTTP_CALL.search(template)


def kinds(kind: type[errors.Error]) -> set[type[errors.Error]]:
    """The errors of a kind, and of all kinds of it."""
    return {kind}.union(*map(kinds, kind.__subclasses__()))


# Printed by a command that has ended: which of the libraries that are slow to load it has loaded.
LOADED = """
import sys
from webhook_admin.cli import main
try:
    main(sys.argv[1:])
finally:
    slow = {"flask", "flask_smorest", "granian", "alembic", "uvloop", "pycurl", "structlog", "cryptography"}
    print(*sorted(slow & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("command", "others"),
    [
        ("--help", {"sqlalchemy", "marshmallow", "requests"}),
        ("--version", {"sqlalchemy", "marshmallow", "requests"}),
        ("accounts list", {"requests", "psycopg"}),
        ("keys list", {"requests", "psycopg"}),
        ("webhooks list", {"requests", "psycopg"}),
        ("deliveries list", {"requests", "psycopg"}),
        ("events send /dev/null --key key", {"sqlalchemy", "marshmallow"}),
    ],
)
def test_a_command_loads_what_it_needs(
    sqlite_url: URL, environment: pytest.MonkeyPatch, command: str, others: set[str]
) -> None:
    """No command of a person's waits for the web framework, the server, the migrations or the sender to load."""
    environment.setenv("WEBHOOK_ADMIN_DATABASE_URL", str(sqlite_url))
    script = LOADED.replace("slow = {", f"slow = {{*{others},")
    done = subprocess.run([sys.executable, "-c", script, *command.split()], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == ""


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_short_help_is_the_commands_own(name: str) -> None:
    """What `--help` shows without loading the command is the first sentence of the command's help."""
    command = main.get_command(click.Context(main), name)
    assert command
    assert cli.COMMANDS[name].short_help == command.get_short_help_str(64)


def test_help_names_every_command() -> None:
    """`--help` lists each with its short help, on a line of its own."""
    shown = CliRunner().invoke(main, ["--help"]).stdout
    for name, command in cli.COMMANDS.items():
        assert f"\n  {name:10}  {command.short_help}\n" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["accounts", "create"],
        ["accounts", "create", "acme", "--name", ""],
        ["accounts", "create", "acme", "--name", "x" * 1025],
        ["keys", "create"],
        ["keys", "create", "--platform", "--account", "acme"],
        ["keys", "create", "--platform", "--expires", "tomorrow"],
        ["keys", "list", "--account", "a b"],
        ["accounts", "list", "--limit", "501"],
        ["serve", "--port", "0"],
        ["unknown"],
    ],
)
def test_a_wrong_call_is_exit_status_2(run: Run, arguments: list[str]) -> None:
    """The usage is on standard error, and nothing has happened."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr
    assert items(run("accounts", "list", "--json")) == []


def test_a_bad_setting_stops_every_command(run: Run, environment: pytest.MonkeyPatch) -> None:
    """The setting is named, with exit status 1."""
    environment.setenv("WEBHOOK_ADMIN_PORT", "eighty")
    for command in (["up"], ["serve"], ["db", "upgrade"], ["accounts", "list"]):
        result = run(*command)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: WEBHOOK_ADMIN_PORT: ")


def test_db_upgrade_says_what_it_did(environment: pytest.MonkeyPatch, run: Run, store_url: URL) -> None:
    """On a store that is up to date it does nothing, and says so."""
    result = run("db", "upgrade")
    assert (result.exit_code, result.stderr) == (0, "The schema is up to date.\n")
