"""Calls of the API of the service in this process."""

from dataclasses import dataclass
from typing import Any, cast

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

URL_1 = "https://hooks.example.com/delivery-status?token=one"
URL_2 = "https://hooks.example.com/delivery-status?token=two"
WEBHOOK = "/webhooks/delivery-status"


class Answer(TestResponse):
    """An answer whose JSON a test may take apart at once: a shape that it does not have fails the test."""

    json: Any
    content_type: Any  # None where there is no body, which werkzeug's annotation leaves out


@dataclass
class Api:
    """The service in this process, called with one key; `account` is named in X-Account-Id."""

    client: FlaskClient
    key: str | None = None
    account: str | None = None

    def __call__(self, method: str, path: str, **options: Any) -> Answer:
        headers = {"X-API-Key": self.key, "X-Account-Id": self.account} | options.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        return cast("Answer", self.client.open(path, method=method, headers=headers, **options))
