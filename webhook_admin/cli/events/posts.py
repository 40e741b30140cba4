"""Sending events to a service's API: patiently, and line by line where it refuses some."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click
import requests
from requests.auth import AuthBase

from webhook_admin.cli.events.lines import Line

# Seconds to wait after each failed try; how long to wait for a connection, and for an answer.
PAUSES = (1, 2, 4, 8, 15)
_LONGEST_PAUSE = 60
_TIMEOUT = (5, 120)
_AGAIN = "Run the command again once that is mended: what has been accepted is not doubled."
_EVENT = re.compile(r"events\.([0-9]+)(?:\.(.+))?", re.DOTALL)
_PROBLEM = "application/problem+json"
# What only the API itself answers; a 413 may be a proxy's, and smaller calls get past that too.
_JUDGEMENTS = {(202, "application/json"), (400, _PROBLEM), (409, _PROBLEM)}
_REASONS = {
    401: "The service does not accept this API key: it takes a valid platform key.",
    403: "This API key may not send events: it takes a platform key.",
}


@dataclass
class Summary:
    """How many lines became what."""

    accepted: int = 0
    duplicates: int = 0
    unrouted: int = 0
    refused: int = 0


class Client:
    """A service's POST /events."""

    def __init__(self, url: str, key: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = f"{url.rstrip('/')}/events"
        self._sleep = sleep
        self._session = requests.Session()
        # As authentication, requests would otherwise look for one in .netrc, and send both.
        self._session.auth = _Key(key)

    def post(self, events: Sequence[bytes]) -> requests.Response:
        """What the service makes of the events: 202, or the status that refuses them.

        Tries again while the service is away or busy. Raises `ClickException` for everything that is not about the
        events themselves.
        """
        body = b'{"events":[%b]}' % b",".join(events)
        for pause in PAUSES:
            answer = self._try(body)
            if answer is not None and answer.status_code not in (429, 502, 503, 504):
                return self._judgement(answer)
            if pause == PAUSES[0]:
                click.echo(f"{self._url} is not available just now: trying again.", err=True)
            self._sleep(max(pause, _retry_after(answer)))
        answer = self._try(body)
        if answer is None:
            raise click.ClickException(f"{self._url} cannot be reached. {_AGAIN}")
        return self._judgement(answer)

    def _try(self, body: bytes) -> requests.Response | None:
        """The answer; None if there is no service, or none that answers to the end."""
        headers = {"Content-Type": "application/json"}
        try:
            # A redirect would take the key along, to whatever host it names.
            return self._session.post(self._url, body, headers=headers, timeout=_TIMEOUT, allow_redirects=False)
        except requests.exceptions.SSLError:
            raise click.ClickException(f"{self._url} has no certificate that can be trusted.") from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
            return None
        except requests.RequestException:
            raise click.ClickException(f"{self._url} is not a URL that can be called.") from None

    def _judgement(self, answer: requests.Response) -> requests.Response:
        status = answer.status_code
        if status == requests.codes.request_entity_too_large or (status, _media_type(answer)) in _JUDGEMENTS:
            return answer
        detail = _REASONS.get(status) or f"{self._url} answered {status}. {_detail(answer)}".strip()
        raise click.ClickException(f"{detail} {_AGAIN}")


class _Key(AuthBase):
    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-API-Key"] = self._key
        return request


class Sending:
    """The sending of a file; `refuse` is told each line that is refused, and why."""

    def __init__(self, client: Client, refuse: Callable[[int, str], None]) -> None:
        self.summary = Summary()
        self._client = client
        self._refuse = refuse

    def send(self, lines: Sequence[Line]) -> None:
        """Send a batch: all of its lines but those that are refused. Raises `ClickException`."""
        for line in lines:
            if line.fault:
                self._refused(line, [line.fault])
        self._send([line for line in lines if line.event])

    def _send(self, lines: Sequence[Line]) -> None:
        # The API takes all or none, so that the good lines are sent again without the bad.
        while lines:
            answer = self._client.post([line.event for line in lines])
            if answer.status_code == requests.codes.accepted:
                self._accepted(answer)
                return
            faults = _by_place(answer, len(lines))
            for place, of_line in faults.items():
                self._refused(lines[place], of_line)
            if faults:
                lines = [line for place, line in enumerate(lines) if place not in faults]
            elif len(lines) == 1:
                self._refused(lines[0], [_detail(answer)])
                return
            else:
                # Which line it is, the answer does not say: it is in one of the halves.
                half = len(lines) // 2
                self._send(lines[:half])
                lines = lines[half:]

    def _accepted(self, answer: requests.Response) -> None:
        counts = answer.json()
        self.summary.accepted += counts["accepted"]
        self.summary.duplicates += counts["duplicates"]
        self.summary.unrouted += counts["unrouted"]

    def _refused(self, line: Line, faults: Sequence[str]) -> None:
        self.summary.refused += 1
        for fault in faults:
            self._refuse(line.number, fault)


def _by_place(answer: requests.Response, count: int) -> dict[int, list[str]]:
    """What a refusal says about each of the events, by their places in the call."""
    faults: dict[int, list[str]] = {}
    errors = answer.json().get("errors", []) if _media_type(answer) == _PROBLEM else []
    for error in errors:
        named = _EVENT.fullmatch(error["field"])
        if named and int(named[1]) < count:
            message = f"{named[2]}: {error['message']}" if named[2] else error["message"]
            faults.setdefault(int(named[1]), []).append(message)
    return faults


def _detail(answer: requests.Response) -> str:
    return str(answer.json()["detail"]) if _media_type(answer) == _PROBLEM else answer.reason


def _media_type(answer: requests.Response) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0]


def _retry_after(answer: requests.Response | None) -> int:
    """The seconds that an answer asks to wait, within reason; 0 if it does not say."""
    asked = answer.headers.get("Retry-After", "") if answer is not None else ""
    return min(int(asked), _LONGEST_PAUSE) if asked.isdecimal() and asked.isascii() else 0
