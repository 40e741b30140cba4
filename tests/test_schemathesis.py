"""Requests that nobody has thought of, made by schemathesis from the OpenAPI document."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis

from tests.api import URL_1, Api
from tests.processes import Process
from webhook_admin.events import UNSUCCESSFUL

# More, or others, by the environment: SCHEMATHESIS_EXAMPLES=200 SCHEMATHESIS_SEED=2 pytest tests/test_schemathesis.py
EXAMPLES, SEED = (os.environ.get(f"SCHEMATHESIS_{name}", number) for name, number in (("EXAMPLES", 20), ("SEED", 1)))
CONFIG = f"""
seed = {SEED}
continue-on-failure = true

[auth.openapi.apiKey]
api_key = "${{API_KEY}}"

[headers]
X-Account-Id = "acme"

[generation]
max-examples = {EXAMPLES}
database = "none"

# A run that is not let in, or finds nothing to work on, would pass without having tested much.
[warnings]
fail-on = ["missing_auth", "missing_test_data"]

# The account that all calls act for must stay.
[[operations]]
include-operation-id = "deleteAccount"
parameters = {{ "path.account_id" = "leaving" }}

# An id that has been made up has no keys.
[[operations]]
include-tag = "keys"
parameters = {{ "path.account_id" = "acme" }}

# No JSON Schema can say which hosts are public, or that a time is in the future: 400.
# No more can it say what the webhook's ETag is just now: 412.
[[operations]]
include-operation-id = ["createDeliveryStatusWebhook", "createKey"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409"]
# An event's account must exist, and a reason needs its status: 400.
[[operations]]
include-operation-id = "acceptEvents"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "409"]
# So it does in a preview, whose account is the caller's, and may have no webhook: 400, 404.
[[operations]]
include-operation-id = "previewDeliveryStatusNotification"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404"]
# While an overlap runs, another rotation must be forced: 409.
[[operations]]
include-operation-id = "rotateSigningSecret"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409"]
# No schema forbids NUL: 400. What is too long may make the whole body too large: 413.
[[operations]]
include-operation-id = "verifyNotification"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404"]
checks.negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "406", "413", "415"]
# A test's callback URL is judged as a webhook's; it may have no webhook to go to, or a disabled one.
[[operations]]
include-operation-id = "sendTestEvent"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409"]
# Nothing that a call says has an effect on what this one finds: there is a webhook, or there is none.
[[operations]]
include-operation-id = ["dropPreviousSecret", "verifyNotification"]
warnings = false
# Other calls erase the deliveries that there are.
[[operations]]
include-operation-id = "resendDelivery"
warnings = false
[[operations]]
include-operation-id = "updateDeliveryStatusWebhook"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "412"]
[[operations]]
include-operation-id = "deleteDeliveryStatusWebhook"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "412"]
"""


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_every_answer_is_in_the_document(
    start: Callable[..., Process], platform: Api, make_customer: Callable[[str], Api], tmp_path: Path
) -> None:
    """Whatever is sent, the answer is one that the document describes; what it allows is taken, the rest refused."""
    for account_id in ("acme", "leaving"):
        make_customer(account_id)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", f"{start().url}/openapi.json"],
        cwd=tmp_path,
        env=os.environ | {"API_KEY": str(platform.key), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1_200,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_events_that_the_document_allows_are_accepted(anyone: Api, platform: Api, customer: Api) -> None:
    """What the schema of an event allows is accepted, but for what no schema can say about a field."""
    operation = schemathesis.openapi.from_dict(anyone("GET", "/openapi.json").json)["/events"]["POST"]

    def sensible(event: dict[str, Any]) -> dict[str, Any]:
        kept = event if event["status"] in UNSUCCESSFUL else {**event, "reason": None}
        return {name: value for name, value in kept.items() if value is not None} | {
            "accountId": "acme",
            "callbackUrl": URL_1,
        }

    phases = [hypothesis.Phase.generate]
    statuses = set()

    @hypothesis.settings(max_examples=40, deadline=None, database=None, derandomize=True, phases=phases)
    @hypothesis.given(operation.as_strategy())
    def check(case: Any) -> None:
        answer = platform("POST", "/events", json={"events": list(map(sensible, case.body["events"]))})
        # No schema forbids NUL, and an id may come twice by chance.
        assert {error["code"] for error in answer.json.get("errors", [])} <= {"invalid_character"}, answer.text
        statuses.add(answer.status_code)

    check()
    assert 202 in statuses
    assert statuses <= {202, 400, 409}
