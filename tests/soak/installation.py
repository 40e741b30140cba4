"""The service on one store, as real processes, and the platform that posts events to it."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
import requests
from sqlalchemy import URL

from tests.soak.processes import THIS_PROGRAM, Running, free_port
from tests.soak.waiting import until
from webhook_admin.config import PREFIX

SECRET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
WEBHOOK = "/webhooks/delivery-status"


class Installation:
    """One API and as many dispatchers as wanted; `settings` are the environment's, in lower case.

    Receivers may be on loopback, with certificates of the authority in `ca_file`. `program` is how `webhook-admin` is
    called; the store's schema must be its own.
    """

    def __init__(
        self, store: URL, folder: Path, ca_file: Path, program: Sequence[str] = THIS_PROGRAM, /, **settings: object
    ) -> None:
        self.store = store
        self._program = program
        self._folder = folder
        own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        given = {
            "database_url": store.render_as_string(hide_password=False),
            "data_dir": folder,
            "secret_key": SECRET_KEY,
            "allowed_networks": "127.0.0.0/8",
            "ca_bundle": ca_file,
            "log_level": "warning",
        }
        self.environment = own | _environment(given | settings)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.dispatchers: list[Running] = []
        self._started: list[Running] = []

    def __enter__(self) -> Self:
        self.key: str = json.loads(self.run("keys", "create", "--platform", "--json"))["key"]
        command = [*self._program, "serve", "--port", str(self._port)]
        self.api = Running(command, self.environment, self._folder / "serve.log", self._port)
        try:
            until(self.is_answering, 20)
        except TimeoutError as error:
            self.__exit__(TimeoutError, error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in (self.api, *self._started):
            running.kill()
            if error:
                click.echo(f"{running.log.name}:\n{running.log.read_text()[-3_000:]}", err=True)

    def run(self, *command: str) -> str:
        """Run a `webhook-admin` command to its end; what it prints."""
        done = subprocess.run(
            [*self._program, *command], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dispatch(self) -> Running:
        """Start one more dispatcher, and wait until it dispatches."""
        dispatcher = self.start("Dispatching.", "dispatch")
        self.dispatchers.append(dispatcher)
        return dispatcher

    def start(self, word: str, *command: str, **settings: object) -> Running:
        """Start a `webhook-admin` command that runs on, with these settings changed, and wait until it says this."""
        log = self._folder / f"{command[0]}-{len(self._started)}.log"
        running = Running([*self._program, *command], self.environment | _environment(settings), log)
        self._started.append(running)
        until(lambda: word in log.read_text(), 20)
        return running

    def is_answering(self) -> bool:
        """Whether the API is up."""
        try:
            return requests.get(f"{self.url}/health/live", timeout=5).ok
        except requests.RequestException:
            return False

    def call(self, method: str, path: str, account: str | None = None, **body: Any) -> requests.Response:
        """A call with the platform's key, for an account or not."""
        headers = {"X-API-Key": self.key, "X-Account-Id": account}
        return requests.request(method, self.url + path, headers=headers, json=body or None, timeout=60)

    def register(self, account: str, callback_url: str | None = None) -> None:
        """Make the account, and its webhook if there is a callback URL."""
        self.call("PUT", f"/accounts/{account}", name=account).raise_for_status()
        if callback_url:
            self.call("POST", WEBHOOK, account, callbackUrl=callback_url).raise_for_status()

    def tracebacks(self) -> int:
        """How many tracebacks are in the logs."""
        return sum(running.tracebacks() for running in (self.api, *self._started))


def _environment(settings: Mapping[str, object]) -> dict[str, str]:
    return {PREFIX + name.upper(): str(value) for name, value in settings.items()}
