"""Which addresses a host has, asked without a thread for each question: a silent name server delays nobody else."""

import asyncio
import time
from collections.abc import Sequence
from ipaddress import ip_address
from math import inf

import pycares
from aiodns import DNSResolver
from aiodns.error import DNSError

from webhook_admin.callback_urls import Network, may_connect
from webhook_admin.sender import hints
from webhook_admin.sender.request import BLOCKED, Outcome, Trouble

MAX_ADDRESSES = 4  # of one family that are tried in one attempt
_MAX_ANSWERS = 20_000
# ARES_AI_NOSORT, which pycares has no name for. Sorting would open a socket towards every address, forbidden ones too.
_NO_SORT = 1 << 7
# Names are absolute: no search domain of this machine's is appended. EDNS is the default that flags of one's own undo.
_FLAGS = pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_EDNS
_TROUBLE = {
    pycares.errno.ARES_ENOTFOUND: ("There is no host named {}.", hints.HOST),
    pycares.errno.ARES_ENODATA: ("The host {} has no address (A or AAAA record).", hints.HOST),
    pycares.errno.ARES_ESERVFAIL: ("The name servers could not resolve {} (SERVFAIL).", hints.NAME_SERVERS),
}
Addresses = tuple[str, ...]  # in the order to try them


class Resolver:
    """Looks hosts up, and keeps an answer as long as its time to live says. /etc/hosts counts, as elsewhere."""

    def __init__(self, allowed: Sequence[Network], nameservers: Sequence[str]) -> None:
        self._allowed = allowed
        self._dns = DNSResolver(nameservers, flags=_FLAGS, timeout=2, tries=3)
        self._answers: dict[str, tuple[Addresses, float]] = {}
        self._asking: dict[str, asyncio.Task[Addresses | Trouble]] = {}

    async def close(self) -> None:
        await self._dns.close()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def known(self, host: str) -> Addresses:
        """What is known without asking: of address literals, of localhost, and by answers that are not yet old."""
        addresses, expires = self._answers.get(host) or self._literal(host)
        return addresses if expires > time.monotonic() else ()

    async def look_up(self, host: str) -> Addresses:
        """Ask the name servers, once for all who ask for the same host meanwhile. Raises `Trouble`."""
        if host not in self._asking:
            self._asking[host] = asyncio.create_task(self._ask(host))
        answer = await asyncio.shield(self._asking[host])
        if isinstance(answer, Trouble):
            raise Trouble(*answer.args)
        return answer

    async def _ask(self, host: str) -> Addresses | Trouble:
        try:
            result = await self._dns.getaddrinfo(host.removesuffix("."), flags=_NO_SORT)
        except DNSError as error:
            detail, hint = _TROUBLE.get(error.args[0], ("The name servers gave no answer for {}.", hints.NAME_SERVERS))
            return Trouble(Outcome.DNS, detail.format(host), hint)  # returned: perhaps nobody is left to catch it
        finally:
            del self._asking[host]
        expires = time.monotonic() + min(node.ttl for node in result.nodes)
        return self._keep(host, [node.addr[0].decode() for node in result.nodes], expires)[0] or Trouble(*BLOCKED)

    def _literal(self, host: str) -> tuple[Addresses, float]:
        if host == "localhost":
            return self._keep(host, [one for one in ("127.0.0.1", "::1") if may_connect(one, self._allowed)], inf)
        try:
            return self._keep(host, [str(ip_address(host))], inf)
        except ValueError:
            return (), 0.0

    def _keep(self, host: str, addresses: Sequence[str], expires: float) -> tuple[Addresses, float]:
        """Keep those to try: none at all if one is forbidden, since no honest receiver is half public."""
        if not all(may_connect(address, self._allowed) for address in addresses):
            addresses = ()
        v6, v4 = ([one for one in addresses if (":" in one) is is_v6] for is_v6 in (True, False))
        if len(self._answers) >= _MAX_ANSWERS:
            self._answers.clear()
        answer = self._answers[host] = (*v6[:MAX_ADDRESSES], *v4[:MAX_ADDRESSES]), expires
        return answer
