"""Which addresses a host has, asked without a thread for each question: a silent name server delays nobody else."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address
from math import inf
from typing import NamedTuple

import pycares
from aiodns import DNSResolver
from aiodns.error import DNSError

from webhook_admin.callback_urls import Network, may_connect
from webhook_admin.sender.request import Outcome
from webhook_admin.sender.verdict import Failed, Verdict, printable

MAX_ADDRESSES = 4
"""Of one family that are tried in one attempt."""

_MAX_ANSWERS = 20_000
# ARES_AI_NOSORT, which pycares has no name for. Sorting would open a socket towards every address, forbidden ones too.
_NO_SORT = 1 << 7
# Names are absolute: no search domain of this machine's is appended. EDNS is the default that flags of one's own undo.
_FLAGS = pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_EDNS
_LOCALHOST = ("127.0.0.1", "::1")


class Resolved(NamedTuple):
    """The addresses of a host, in the order to try them; none if it may not be connected to."""

    addresses: tuple[str, ...]
    expires: float


class Resolver:
    """Looks hosts up, and keeps an answer as long as its time to live says. /etc/hosts counts, as elsewhere."""

    def __init__(self, allowed: Sequence[Network], nameservers: Sequence[str] = ()) -> None:
        self._allowed = allowed
        self._nameservers = nameservers
        self._answers: dict[str, Resolved] = {}
        self._under_way: dict[str, asyncio.Task[Resolved]] = {}

    async def open(self) -> None:
        """Get ready to ask, in this event loop."""
        self._dns = DNSResolver(self._nameservers, flags=_FLAGS, timeout=2, tries=3)

    async def close(self) -> None:
        """Give up all questions."""
        await self._dns.close()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def known(self, host: str) -> Resolved | None:
        """What is known about a host without asking anybody: address literals, localhost, and answers not yet old."""
        answer = self._answers.get(host) or self._keep(host, self._literal(host))
        return answer if answer and answer.expires > time.monotonic() else None

    async def look_up(self, host: str) -> Resolved:
        """Ask the name servers, once for all who ask for the same host meanwhile. Raises `Failed`."""
        task = self._under_way.get(host)
        if task is None:
            task = self._under_way[host] = asyncio.create_task(self._ask(host))
            task.add_done_callback(partial(self._asked, host))
        return await asyncio.shield(task)

    def _asked(self, host: str, task: asyncio.Task[Resolved]) -> None:
        del self._under_way[host]
        if not task.cancelled():
            # Whoever waited may have given up before; a failure is to be no surprise then.
            task.exception()

    async def _ask(self, host: str) -> Resolved:
        try:
            result = await self._dns.getaddrinfo(host.removesuffix("."), flags=_NO_SORT)
        except DNSError as error:
            raise Failed(_verdict(error, host)) from error
        addresses = tuple(node.addr[0].decode() for node in result.nodes)
        answer = Resolved(self._permitted(addresses), time.monotonic() + min(node.ttl for node in result.nodes))
        self._keep(host, answer)
        return answer

    def _permitted(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Those to try; none at all if one is forbidden, since no honest receiver is half public."""
        if not all(may_connect(address, self._allowed) for address in addresses):
            return ()
        v6 = [address for address in addresses if ":" in address]
        v4 = [address for address in addresses if ":" not in address]
        return (*v6[:MAX_ADDRESSES], *v4[:MAX_ADDRESSES])

    def _literal(self, host: str) -> Resolved | None:
        if host == "localhost":
            return Resolved(tuple(one for one in _LOCALHOST if may_connect(one, self._allowed)), inf)
        try:
            return Resolved(self._permitted((str(ip_address(host)),)), inf)
        except ValueError:
            return None

    def _keep(self, host: str, answer: Resolved | None) -> Resolved | None:
        if answer is not None:
            if len(self._answers) >= _MAX_ANSWERS:
                self._answers.clear()
            self._answers[host] = answer
        return answer


def _verdict(error: DNSError, host: str) -> Verdict:
    """Why the name servers told no address. The error's first argument is the code of c-ares."""
    code, text = (*error.args, "")[:2]
    match code:
        case pycares.errno.ARES_ENOTFOUND:
            detail, hint = f"There is no host named {host}.", "Check the spelling of the callback URL's host."
        case pycares.errno.ARES_ENODATA:
            detail, hint = f"{host} has no address: neither an A nor an AAAA record.", "Add a DNS record for the host."
        case pycares.errno.ARES_ETIMEOUT | pycares.errno.ARES_ECONNREFUSED:
            detail, hint = f"No answer from the name servers for {host}.", "Check the host's name servers."
        case pycares.errno.ARES_ESERVFAIL | pycares.errno.ARES_EREFUSED:
            detail = f"The name servers failed to look up {host}."
            hint = "Check the zone of the host: its delegation, and its DNSSEC signatures."
        case _:
            detail, hint = f"The look-up of {host} failed: {printable(str(text))}.", "Check the DNS zone of the host."
    return Verdict(Outcome.DNS, detail, hint)
