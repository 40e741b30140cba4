"""Requests that nobody has thought of, made by schemathesis from the OpenAPI document."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from conftest import Api, Process

CONFIG = """
seed = 1
continue-on-failure = true

[auth.openapi.apiKey]
api_key = "${API_KEY}"

[headers]
X-Account-Id = "acme"

[generation]
max-examples = 50
database = "none"

# A run that is not let in, or finds nothing to work on, would pass without having tested much.
[warnings]
fail-on = ["missing_auth", "missing_test_data"]

# The account that all calls act for must stay.
[[operations]]
include-operation-id = "deleteAccount"
parameters = { "path.account_id" = "leaving" }

# An id that has been made up has no keys.
[[operations]]
include-tag = "keys"
parameters = { "path.account_id" = "acme" }

# No JSON Schema can say which hosts are public, or that a time is in the future: 400.
# No more can it say what the webhook's ETag is just now: 412.
[[operations]]
include-operation-id = ["createDeliveryStatusWebhook", "createKey"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409"]
[[operations]]
include-operation-id = "updateDeliveryStatusWebhook"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "412"]
[[operations]]
include-operation-id = "deleteDeliveryStatusWebhook"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "412"]
"""


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
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
