"""The command line: what it prints, where, and with which exit status."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import Api
from sqlalchemy import URL

from webhook_admin.cli import main

Run = Callable[..., Result]


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Run:
    """Runs `webhook-admin` with these arguments on the store."""
    return lambda *arguments: CliRunner().invoke(main, arguments, catch_exceptions=False)


def printed(result: Result) -> Any:
    """The JSON on standard output."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_an_account_is_created_and_listed(run: Run) -> None:
    """What `create` prints is what `list` shows, and the API's own object."""
    account = printed(run("accounts", "create", "acme", "--name", "Acme Ltd", "--json"))
    assert account.keys() == {"id", "name", "createdAt", "updatedAt"}
    assert printed(run("accounts", "list", "--json")) == [account]


def test_lists_are_the_apis(run: Run, platform: Api) -> None:
    """The objects of `--json` and of the API are the same."""
    printed(run("accounts", "create", "acme", "--json"))
    printed(run("keys", "create", "--account", "acme", "--name", "deploy", "--json"))
    assert printed(run("accounts", "list", "--json")) == platform("GET", "/accounts").json["items"]
    keys = platform("GET", "/accounts/acme/keys").json["items"]
    assert printed(run("keys", "list", "--account", "acme", "--json")) == keys


def test_a_list_of_many_pages_is_one_array(run: Run, platform: Api) -> None:
    """A list command prints all there is, whatever the size of a page."""
    for number in range(501):
        platform("PUT", f"/accounts/a{number:03}")
    assert [account["id"] for account in printed(run("accounts", "list", "--json"))] == [
        f"a{number:03}" for number in range(501)
    ]
    assert len(run("accounts", "list").stdout.splitlines()) == 502


def test_an_empty_list_is_an_empty_array(run: Run) -> None:
    """A script need not treat it as a special case."""
    assert printed(run("accounts", "list", "--json")) == []


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
    assert printed(run("keys", "list", "--json")) == []


def test_a_time_of_expiry_is_kept_in_utc(run: Run) -> None:
    """--expires takes any offset."""
    key = printed(run("keys", "create", "--platform", "--expires", "2099-01-01T01:00:00+01:00", "--json"))
    assert key["expiresAt"] == "2099-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["accounts", "create", "a b"], "id: An account id is 1 to 64"),
        (["accounts", "create", "acme"], "There is an account with this id already."),
        (["accounts", "delete", "globex"], "There is no account with this id."),
        (["keys", "create", "--account", "globex"], "There is no account with this id."),
        (["keys", "create", "--platform", "--expires", "2020-01-01T00:00:00Z"], "must be in the future"),
        (["keys", "revoke", "key_0"], "There is no API key with this id"),
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
    assert printed(run("accounts", "list", "--json")) == [before]
    assert printed(run("keys", "list", "--json")) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["accounts", "create"],
        ["accounts", "create", "acme", "--name", ""],
        ["accounts", "create", "acme", "--name", "x" * 1025],
        ["keys", "create"],
        ["keys", "create", "--platform", "--account", "acme"],
        ["keys", "create", "--platform", "--expires", "tomorrow"],
        ["serve", "--port", "0"],
        ["unknown"],
    ],
)
def test_a_wrong_call_is_exit_status_2(run: Run, arguments: list[str]) -> None:
    """The usage is on standard error, and nothing has happened."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr
    assert printed(run("accounts", "list", "--json")) == []


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
