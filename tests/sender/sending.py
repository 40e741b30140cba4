"""What the sender's tests share: senders that may call loopback, requests like the dispatcher's, an event loop."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Protocol, TypeVar

import uvloop

from tests.receiver import Behaviour, Receiver
from webhook_admin.sender.sender import Outcome, Request, Result, Sender

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HEADERS = {"Content-Type": "application/json", "User-Agent": "webhook-admin/test", "webhook-id": "dlv_1"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BAD = OK.replace(b"200", b"500")
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
T = TypeVar("T")


class Trusted(Protocol):
    """A server, and the file with the certificate of its authority."""

    ca_file: Path


def sender(receiver: Trusted, **options: Any) -> Sender:
    """A sender that may call loopback and trusts the receiver's authority."""
    chosen = {"request_timeout": 5, "connect_timeout": 5, "allowed_networks": LOOPBACK, "ca_bundle": receiver.ca_file}
    return Sender(**{**chosen, **options})


def request(url: str, **options: Any) -> Request:
    """A request like the dispatcher's."""
    return Request(url, **({"body": b"{}", "headers": HEADERS, "account_id": "acme"} | options))


def run(main: Coroutine[Any, Any, T], loop: str = "asyncio") -> T:
    """Run to the end, in a new event loop of that kind."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(main)


def send(
    receiver: Trusted, *requests: Request, pause: float = 0, loop: str = "asyncio", **options: Any
) -> list[Result]:
    """Send the requests one after another, with a pause (seconds) between them."""

    async def main() -> list[Result]:
        results = []
        async with sender(receiver, **options) as open_sender:
            for number, one in enumerate(requests):
                await asyncio.sleep(pause if number else 0)
                results.append(await open_sender.send(one))
        return results

    return run(main(), loop)


def send_one(receiver: Receiver, behaviour: Behaviour, **options: Any) -> Result:
    """Send one request to a receiver that behaves so."""
    return send(receiver, request(receiver.url("/cb", behaviour)), **options)[0]


def outcomes(results: Sequence[Result]) -> list[tuple[Outcome, int | None]]:
    """Outcome and status code of each."""
    return [(result.outcome, result.status_code) for result in results]
