"""Where a dispatcher finds its lanes: by key, by what may start a request next, and by what is to be given back."""

from collections import Counter

from webhook_admin.dispatch.fair_shares import GROUPS, adjust
from webhook_admin.dispatch.lane import Lane
from webhook_admin.queue.lanes import Key, Standing


class LaneIndex:
    """The lanes that a dispatcher leases, and lost ones with requests in flight.

    `held` counts leased lanes by group and account. `ready` has those that may start a request, by standing and
    account. `idle` has leased ones without requests that cannot start any: they are given back next.
    """

    def __init__(self) -> None:
        self.by_key: dict[Key, Lane] = {}
        self.held: dict[str, Counter[str]] = {GROUPS[standing]: Counter() for standing in Standing}
        self.ready: dict[Standing, dict[str, dict[Lane, None]]] = {standing: {} for standing in Standing}
        self.idle: dict[Lane, None] = {}

    def refile(self, lane: Lane, *, last: bool = False) -> None:
        """After any change to a lane, enter it where it belongs; with `last` behind the others that are ready."""
        held_in = GROUPS[lane.standing] if lane.leased else None
        if held_in != lane.held_in:
            for name, by in ((lane.held_in, -1), (held_in, 1)):
                if name:
                    adjust(self.held[name], lane.key.account_id, by)
            lane.held_in = held_in
        ready_in = lane.standing if lane.free_slots else None
        if ready_in is not lane.ready_in or last:
            self._move(lane, ready_in)
        if lane.leased and not lane.in_flight and not lane.free_slots:
            self.idle[lane] = None
        else:
            self.idle.pop(lane, None)
        if not lane.leased and not lane.in_flight:
            del self.by_key[lane.key]

    def _move(self, lane: Lane, standing: Standing | None) -> None:
        account_id = lane.key.account_id
        if lane.ready_in:
            # The account goes behind those that have not started anything since.
            lanes = self.ready[lane.ready_in].pop(account_id)
            del lanes[lane]
            if lanes:
                self.ready[lane.ready_in][account_id] = lanes
        if standing:
            self.ready[standing].setdefault(account_id, {})[lane] = None
        lane.ready_in = standing
