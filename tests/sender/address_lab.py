"""Run inside a network namespace of its own: sends to names whose addresses are forbidden, and prints what came of it.

python -m tests.sender.address_lab < cases.json

Each case is an id and `dns`: what its name has, one list for each question.
"""

import asyncio
import json
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.nameserver import Nameserver
from tests.receiver import AUTHORITY, Receiver, answer, in_turn
from webhook_admin.sender.sender import Request, Sender

PUBLIC = "93.184.216.34"
FORBIDDEN = (
    "127.0.0.1",
    "10.0.0.5",
    "169.254.169.254",
    "::1",
    "fd00:ec2::254",
    "2002:7f00:1::1",
    "64:ff9b::7f00:1",
)
PORT = 443
PLANTED = ("https://169.254.169.254/", "https://2130706433/", "https://127.1/", "https://[::1]/", "https://localhost/")


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True)


def prepare(folder: Path) -> None:
    """Give the namespace its addresses, and its own resolv.conf with a search list."""
    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")
    for address in (PUBLIC, *FORBIDDEN):
        if address not in {"127.0.0.1", "::1"}:
            run("ip", "address", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo", "nodad")
    file = folder / "resolv.conf"
    file.write_text("nameserver 127.0.0.53\nsearch prod.example.com\noptions ndots:5\n")
    run("mount", "--bind", str(file), "/etc/resolv.conf")


def traps() -> dict[socket.socket, str]:
    """A listening socket on every forbidden address: a connection to it is seen, whoever accepts it."""
    listeners = {}
    for address in FORBIDDEN:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listeners[socket.create_server((address, PORT), family=family)] = address
    return listeners


def caught(listeners: dict[socket.socket, str]) -> list[str]:
    """The addresses that have been connected to."""
    ready, _, _ = select.select(list(listeners), [], [], 0)
    return [listeners[listener] for listener in ready]


async def attempt(sender: Sender, urls: Sequence[str]) -> list[str]:
    """Outcomes of one attempt after another."""
    return [
        (await sender.send(Request(url, b"{}", {"Content-Type": "application/json"}, "acme"))).outcome for url in urls
    ]


async def explore(cases: dict[str, list[list[str]] | None], receiver: Receiver) -> dict[str, object]:
    """What came of each case: outcomes, forbidden addresses that were reached, and names that were asked for."""
    found: dict[str, object] = {}
    listeners = traps()
    names = {f"{case}.example.com": answers for case, answers in cases.items()}
    async with Sender(1, 2, (), receiver.ca_file) as sender:
        for case, answers in cases.items():
            # A name server of its own for each case, so that what was asked for is known.
            with Nameserver(names | {"db.prod": [[PUBLIC]]}, "127.0.0.53", 53) as nameserver:
                url = "https://db.prod/" if case == "dns-search" else f"https://{case}.example.com/{case}"
                urls = PLANTED if case == "dns-planted" else [url] * (2 if case == "dns-rebind-retry" else 1)
                outcomes = await attempt(sender, urls)
                asked = [name for name, _ in nameserver.questions]
            found[case] = {"outcomes": outcomes, "reached": caught(listeners), "asked": asked, "answers": answers}
    # The proof that a trap catches.
    socket.create_connection(("10.0.0.5", PORT), timeout=1).close()
    found["control"] = {"reached": caught(listeners)}
    return found


def main() -> None:
    """Read the cases, print the findings."""
    cases = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        with Receiver(PORT, AUTHORITY.server("*.example.com", "db.prod"), PUBLIC) as receiver:
            receiver.url("/dns-rebind-retry", in_turn(answer(503), answer(200)))
            print(json.dumps(asyncio.run(explore(cases, receiver))))  # noqa: T201  the findings


if __name__ == "__main__":
    main()
