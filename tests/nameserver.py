"""A DNS server on loopback whose answers change from question to question, or that never answers."""

import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Self

Answers = Sequence[Sequence[str]]
"""What a name has, one list for each time that it is asked for; the last for all further times. A `.` ends an alias."""

A, CNAME, AAAA = 1, 5, 28


class Nameserver:
    """Answers for the names it has been given; for `None`, not at all; for others, that there is no such name."""

    def __init__(
        self, names: Mapping[str, Answers | None], address: str = "127.0.0.1", port: int = 0, ttl: int = 0
    ) -> None:
        self._names = names
        self._ttl = ttl
        self._times: dict[tuple[str, int], int] = {}
        self.questions: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self.address = "{}:{}".format(*self._socket.getsockname())

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # An empty datagram to itself ends the thread, which is waiting for the next question.
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def asked(self, name: str) -> int:
        """How often its IPv4 address has been asked for."""
        return self.questions.count((name, A))

    def _serve(self) -> None:
        while True:
            message, client = self._socket.recvfrom(4_096)
            if not message:
                return
            name, end = _name(message)
            (kind,) = struct.unpack_from("!H", message, end)
            self.questions.append((name, kind))
            reply = self._reply(message, name, kind, end + 4)
            if reply:
                self._socket.sendto(reply, client)

    def _reply(self, message: bytes, name: str, kind: int, end: int) -> bytes | None:
        if name in self._names and self._names[name] is None:
            return None
        records = [_record(value, self._ttl) for value in self._values(name, kind)]
        code = 0 if name in self._names else 3
        # Truncation is for larger answers than these; EDNS is ignored.
        head = message[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        return head + message[12:end] + b"".join(records)

    def _values(self, name: str, kind: int) -> list[str]:
        answers = self._names.get(name)
        if not answers:
            return []
        times = self._times.get((name, kind), 0)
        self._times[name, kind] = times + 1
        return [value for value in answers[min(times, len(answers) - 1)] if _kind(value) in {kind, CNAME}]


def _name(message: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    return ".".join(labels), at + 1


def _kind(value: str) -> int:
    if value.endswith("."):
        return CNAME
    return AAAA if ":" in value else A


def _record(value: str, ttl: int) -> bytes:
    kind = _kind(value)
    data = _labels(value) if kind == CNAME else ip_address(value).packed
    return struct.pack("!HHHIH", 0xC00C, kind, 1, ttl, len(data)) + data


def _labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
