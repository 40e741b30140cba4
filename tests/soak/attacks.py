"""What accounts do that could delay the others: hanging receivers, many origins, dead name servers, long backlogs."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice

from tests.nameserver import Nameserver
from tests.receiver_process import ReceiverProcess
from tests.soak import namespace, platform
from tests.soak.installation import WEBHOOK, Installation
from tests.soak.platform import Event, Platform

BULK = 1_000
HOSTS = PORTS = 100
SLOW = 50  # milliseconds that the receiver of a backlog takes


class Attackers:
    """Accounts that attack. `receiver` has 10,000 origins; every number is multiplied by `scale`.

    Each method prepares an attack, and returns what carries it out.
    """

    def __init__(self, installation: Installation, receiver: ReceiverProcess, stack: ExitStack, scale: float) -> None:
        self._installation, self._receiver, self._stack, self._scale = installation, receiver, stack, scale
        self._slow_url = f"{receiver.base_url}/slow/{SLOW}"

    def hanging_origins(self, accounts: int, origins: int) -> Callable[[], int]:
        """So many accounts, each with an event for each of so many origins that finish the TLS handshake and hang.

        Of many accounts the number is scaled, of one the number of its origins.
        """
        accounts, origins = (self._scaled(accounts), origins) if accounts > 1 else (1, self._scaled(origins))
        names = [f"attacker-{number}" for number in range(accounts)]
        for name in names:
            self._installation.register(name)
        urls = [f"{origin}/hang" for origin in self._receiver.origins()]
        # Every origin is used by about as many accounts as every other.
        pairs = [(name, urls[(i * origins + j) % len(urls)]) for i, name in enumerate(names) for j in range(origins)]
        return partial(self._post, [platform.event(name, callbackUrl=url) for name, url in pairs])

    def backlog(self, count: int) -> Callable[[], int]:
        """One account with so many events for a receiver that answers after 50 ms."""
        self._installation.register("attacker", self._slow_url)
        return partial(self._post, [platform.event("attacker") for _ in range(self._scaled(count))])

    def resend(self, count: int) -> Callable[[], int]:
        """One account that has so many deliveries sent again: its webhook was deleted while they waited."""
        self._delete(self.backlog(count)())
        self._installation.register("attacker", self._slow_url)
        return self._resend

    def _resend(self) -> int:
        """How many were resent, which is what the dry run has said."""
        call = partial(self._installation.call, "POST", "/deliveries/resend", "attacker")
        counted, resent = call(dryRun=True).json()["matched"], call(dryRun=False).json()["resent"]
        assert counted == resent
        return int(resent)

    def changes(self, backlog: int, changes: int) -> Callable[[], int]:
        """One account that changes its webhook again and again, with so many events waiting for it."""
        self.backlog(backlog)()
        return partial(self._change, changes)

    def deletion(self, backlog: int) -> Callable[[], int]:
        """One account that deletes its webhook, with so many events waiting for it."""
        count = self.backlog(backlog)()
        return partial(self._delete, count)

    def _delete(self, count: int) -> int:
        self._installation.call("DELETE", WEBHOOK, "attacker").raise_for_status()
        return count

    def _change(self, changes: int) -> int:
        """Every other change lets superseded statuses be skipped, so that the backlog is judged from its beginning."""
        for number in range(changes):
            change = {"callbackUrl": self._slow_url, "superseded": ("send", "skip")[number % 2]}
            self._installation.call("PUT", WEBHOOK, "attacker", **change).raise_for_status()
        return changes

    def dead_receivers(self, count: int, backlog: int) -> Callable[[], int]:
        """So many accounts whose receivers hang, drip, reset, or have dead name servers; one has a backlog."""
        count = self._scaled(count)
        urls = {kind: f"{self._receiver.base_url}/{kind}" for kind in ("hang", "drip", "reset")}
        if namespace.is_inside():
            silent = {f"silent-{number}.example.com": None for number in range(count)}
            self._stack.enter_context(Nameserver(silent, namespace.NAMESERVER, 53))
            urls["dns"] = "https://silent-{}.example.com/"
        names = [f"attacker-{list(urls)[number % len(urls)]}-{number}" for number in range(count)]
        for number, name in enumerate(names):
            self._installation.register(name, list(urls.values())[number % len(urls)].format(number))
        events = [platform.event(name) for name in [*names * 10, *[names[0]] * self._scaled(backlog)]]
        return partial(self._post, events)

    def _scaled(self, number: int) -> int:
        return max(round(number * self._scale), 1)

    def _post(self, events: Iterable[Event]) -> int:
        client = Platform(self._installation)
        remaining = iter(events)
        while batch := list(islice(remaining, BULK)):
            client.post(batch)
        return len(client.acknowledged)


@dataclass(frozen=True)
class Attack:
    """How the attackers prepare it, and whether it is complete before honest accounts' waits are measured."""

    prepare: Callable[[Attackers], Callable[[], int]]
    is_before: bool = False


ATTACKS: Mapping[str, Attack] = {
    "dead": Attack(lambda attackers: attackers.dead_receivers(100, 100_000), is_before=True),
    "4000": Attack(lambda attackers: attackers.hanging_origins(1, 4_000)),
    "10000": Attack(lambda attackers: attackers.hanging_origins(1, 10_000)),
    "100x50": Attack(lambda attackers: attackers.hanging_origins(100, 50)),
    "resend": Attack(lambda attackers: attackers.resend(10_000)),
    "changes": Attack(lambda attackers: attackers.changes(1_000_000, 500)),
    "deletion": Attack(lambda attackers: attackers.deletion(1_000_000)),
    "backlog": Attack(lambda attackers: attackers.backlog(100_000), is_before=True),
}
"""The attacks by name. A long backlog is posted before: posting it keeps the API and the store busy, not receivers."""
