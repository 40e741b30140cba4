"""Clients that hold on to a server: `python -m tests.soak.stalling_clients NAME PORT KEY`, until it is terminated.

Each attack keeps a number of connections open. One that the server closes is opened again a second later at most. A
line on standard output says that the first of them are open.
"""

import select
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

WEBHOOK = "/webhooks/delivery-status"
EVERY = 1.0  # seconds, between two rounds of opening what has been closed, and of dripping


@dataclass(frozen=True)
class Attack:
    """So many connections, each with these first bytes; then `drip` every second, or `flood` for as long as it goes."""

    connections: int
    opening: bytes
    drip: bytes = b""
    flood: bytes = b""


def _get(path: str, key: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n".encode()


def _body(method: str, path: str, key: str, header: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
    return f"{head}{header}\r\n\r\n".encode() + body


# A client's preface, empty SETTINGS, and HEADERS of stream 1 without END_HEADERS.
_SETTINGS, _HEADERS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), bytes([0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82])
_H2C = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS + _HEADERS

ATTACKS: Mapping[str, Callable[[str], Attack]] = {
    "half bodies": lambda key: Attack(50, _body("PUT", WEBHOOK, key, "Content-Length: 1000", b"{")),
    "half large bodies": lambda key: Attack(50, _body("POST", "/events", key, "Content-Length: 4000000", b"{")),
    "stalled chunks": lambda key: Attack(50, _body("PUT", WEBHOOK, key, "Transfer-Encoding: chunked", b"9\r\n{")),
    "bodies that drip": lambda key: Attack(50, _body("PUT", WEBHOOK, key, "Content-Length: 1000", b"{"), drip=b" "),
    "pipelined files that nobody reads": lambda key: Attack(200, b"", flood=_get("/docs/swagger-ui-bundle.js", key)),
    "pipelined GETs that nobody reads": lambda key: Attack(200, b"", flood=_get(WEBHOOK, key) * 20),
    "silent connections": lambda _key: Attack(1_500, b""),
    "idle connections": lambda key: Attack(1_500, _get("/health/live", key)),
    "slow headers": lambda _key: Attack(500, b"GET / HTTP/1.1\r\nX-Slow: ", drip=b"x"),
    "h2c with prior knowledge": lambda _key: Attack(50, _H2C),
}


def run(attack: Attack, port: int) -> None:
    """Attack until the process ends. Runs on Linux only."""
    if sys.platform != "linux":
        raise NotImplementedError("These clients need epoll: run them on Linux.")
    open_: dict[int, socket.socket] = {}
    poll = select.epoll()
    while True:
        due = time.monotonic() + EVERY
        for each in open_.values():
            _send(each, attack.drip)
        for _ in range(attack.connections - len(open_)):
            connection = _connect(port)
            if connection is None:
                break
            _send(connection, attack.opening)
            open_[connection.fileno()] = connection
            poll.register(connection, select.EPOLLRDHUP | (select.EPOLLOUT if attack.flood else 0))
        print("attacking", flush=True)  # noqa: T201  for the process that waits for it
        while (left := due - time.monotonic()) > 0:
            for number, happened in poll.poll(left):
                if happened & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                    open_.pop(number).close()
                else:
                    _send(open_[number], attack.flood)


def _connect(port: int) -> socket.socket | None:
    try:
        connection = socket.create_connection(("127.0.0.1", port), 5)
    except OSError:
        return None
    connection.setblocking(False)  # noqa: FBT003  the standard library's own word
    return connection


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        if data:
            connection.send(data)
    except OSError:
        # Full, or closed: the latter is seen when it is polled.
        return


if __name__ == "__main__":
    run(ATTACKS[sys.argv[1]](sys.argv[3]), int(sys.argv[2]))
