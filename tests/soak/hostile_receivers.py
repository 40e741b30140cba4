"""Receivers that do everything wrong that a receiver can do."""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests import receiver as behaviours
from tests.nameserver import Nameserver
from tests.receiver import Behaviour, Receiver
from tests.receiver_process import ReceiverProcess
from tests.soak import namespace
from tests.soak.processes import free_port

SILENT = "silent-{}.example.com"
SILENT_NAMES = 5
HOSTS, PORTS = 50, 100  # of hanging origins
STALL = 1.5, 3.0  # seconds until a TLS handshake is answered, when the client has given up
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 0\r\n\r\n"
LARGE = 2_000_000  # bytes of an answer that nobody reads to its end
PAUSE = 0.2  # seconds before what is much, so that not all of the machine's time is spent on it


async def half_close(writer: asyncio.StreamWriter) -> None:
    """End this side of the TCP connection without an answer, and go on reading."""
    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
    await writer.wait_closed()


BEHAVIOURS: Mapping[str, Behaviour] = {
    "hang": behaviours.hang,
    "drip": behaviours.drip(),
    "reset": behaviours.reset,
    "close": behaviours.close,
    "half-closed": half_close,
    "half head, reset": behaviours.raw_then_reset(HEAD + b"Content-Le"),
    "long body": behaviours.after(PAUSE, behaviours.raw_then_close(HEAD + b"\r\n" + b"x" * 200_000)),
    "endless body": behaviours.after(PAUSE, behaviours.endless()),
    "endless chunk": behaviours.after(
        PAUSE, behaviours.endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n", b"x" * 10_000)
    ),
    "large answer": behaviours.after(
        PAUSE, behaviours.raw(HEAD + b"Content-Length: %d\r\n\r\n" % LARGE + b"x" * LARGE)
    ),
    "header bomb": behaviours.after(PAUSE, behaviours.raw_then_close(HEAD + b"X: y\r\n" * 100_000)),
    "endless header": behaviours.after(PAUSE, behaviours.endless(HEAD + b"X: ", b"y" * 10_000)),
    "endless 1xx": behaviours.after(PAUSE, behaviours.endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)),
    "103": behaviours.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "garbage": behaviours.raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    "redirect": behaviours.answer(302, headers={"Location": "/"}),
    "busy": behaviours.answer(503, headers={"Retry-After": "1"}),
    "truncated": behaviours.raw_then_close(HEAD + b"Content-Length: 10\r\n\r\nabc"),
    "gone": behaviours.answer(410),
    "double answer": behaviours.raw(OK + OK),
    "surplus": behaviours.raw(b"HTTP/1.1 204 No Content\r\n\r\n" + b"x" * 1_000),
}


class HostileReceivers:
    """All of them, as long as the stack lasts; `urls` has one of each kind, `hanging_urls` thousands of origins."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._receiver = stack.enter_context(Receiver())
        certificates = [behaviours.expired(), behaviours.wrong_host(), behaviours.untrusted()]
        others = [Receiver(plain=True), *(Receiver(tls=each) for each in certificates)]
        self._stalling = stack.enter_context(ReceiverProcess(folder / "stalling", handshake=STALL))
        self._hanging = stack.enter_context(ReceiverProcess(folder / "hanging", hosts=HOSTS, ports=PORTS))
        self.urls = [
            *(self._receiver.url(f"/{number}", each) for number, each in enumerate(BEHAVIOURS.values())),
            *(stack.enter_context(each).url() for each in others),
            f"{self._stalling.base_url}/ok",
            # Nobody listens there.
            f"https://127.0.0.2:{free_port()}/",
        ]
        if namespace.is_inside():
            names = [SILENT.format(number) for number in range(SILENT_NAMES)]
            stack.enter_context(Nameserver(dict.fromkeys(names), namespace.NAMESERVER, 53))
            self.urls += [f"https://{name}/" for name in names]
        self.hanging_urls = [f"{origin}/hang" for origin in self._hanging.origins()]
        self.ca_file = folder / "authorities.pem"
        authorities = [self._receiver.ca_file, self._stalling.ca_file, self._hanging.ca_file]
        self.ca_file.write_text("".join(each.read_text() for each in authorities))

    def seen(self) -> int:
        """How many requests they have seen."""
        return len(self._receiver.requests) + len(self._hanging.seen()) + len(self._stalling.seen())
