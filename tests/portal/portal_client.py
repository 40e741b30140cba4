"""What the page's tests work with: a browser that keeps cookies and sends what a browser sends."""

import re
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Browser:
    """A browser of today, on localhost."""

    client: FlaskClient

    def get(self, path: str, **options: Any) -> TestResponse:
        """What a link leads to."""
        return self.client.get(path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        """What a form of the page leads to."""
        return self.client.post(path, headers=SAME_ORIGIN | options.pop("headers", {}), **options)

    def sign_in(self, key: str | None) -> TestResponse:
        """Sign in with an API key."""
        return self.post("/portal/sign-in", data={"key": key})


def said(answer: TestResponse) -> str:
    """The page with its white space as a browser shows it."""
    return " ".join(answer.text.split())


def form_token(html: str) -> str:
    """The token of a form."""
    found = re.search(r'name="form_token" value="(\w+)"', html)
    assert found
    return found[1]
