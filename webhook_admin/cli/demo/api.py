"""Calls over HTTP, as any program would make them."""

from http import HTTPStatus
from typing import Any

import click
import requests

TIMEOUT = 10  # seconds


def open_session() -> requests.Session:
    """Connections that no proxy and no .netrc of the environment's has to do with."""
    session = requests.Session()
    session.trust_env = False
    return session


class Api:
    """The service's API, called with one key."""

    def __init__(self, session: requests.Session, url: str, key: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"X-API-Key": key}

    def call(self, method: str, path: str, body: dict[str, Any], expected: HTTPStatus) -> dict[str, Any]:
        """The object in the answer. Raises `ClickException` for any other status than the expected one."""
        answer = self._session.request(method, self._url + path, json=body, headers=self._headers, timeout=TIMEOUT)
        if answer.status_code != expected:
            raise click.ClickException(f"{method} {path} answered {answer.status_code}: {answer.text.strip()}")
        content: dict[str, Any] = answer.json()
        return content
