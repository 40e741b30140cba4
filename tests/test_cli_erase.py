"""`erase`."""

import json

import pytest
from click.testing import CliRunner, Result

from tests.engine import Queue, event
from webhook_admin.cli import main

TO = "+353861234567"


def run(*arguments: str) -> Result:
    """Run `webhook-admin erase` with these arguments on the store."""
    return CliRunner().invoke(main, ["erase", *arguments], catch_exceptions=False)


@pytest.mark.usefixtures("environment")
def test_a_recipient_is_erased(queue: Queue) -> None:
    """What was blanked and cancelled is counted, as the API does."""
    queue.customer()
    queue.accept(event(1, to=TO), event(2, to=TO), event(3))
    assert json.loads(run("--to", TO, "--json").stdout) == {"deliveries": 2, "cancelled": 2}
    assert run("--to", TO).stdout == "deliveries 0, cancelled 0\n"
    assert queue.states() == {"CANCELLED": 2, "PENDING": 1}


@pytest.mark.usefixtures("environment", "queue")
@pytest.mark.parametrize("arguments", [[], ["--to", "353861234567"], ["--to", "+0"], ["--to", ""], ["--to", "Acme"]])
def test_nonsense_is_refused(arguments: list[str]) -> None:
    """A recipient is a number in E.164."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--to" in result.stderr
