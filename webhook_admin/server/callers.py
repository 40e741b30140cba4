"""Who calls, as far as it is known before an API key is looked up in the store."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

_MAX_KNOWN = 10_000


class Callers:
    """Remembers the API keys and sessions that have worked lately; those with neither are one and the same stranger."""

    def __init__(self, max_known: int = _MAX_KNOWN) -> None:
        self._max_known = max_known
        # By the hash of what was sent, since that is a secret.
        self._known: OrderedDict[int, str] = OrderedDict()
        self._lock = threading.Lock()

    def caller(self, request: Mapping[str, Any]) -> str | None:
        """The id of the API key of a request; None for a stranger."""
        return self._known.get(_presented(request))

    def note(self, request: Mapping[str, Any], key_id: str) -> None:
        """Remember that what this request has sent is the API key with this id."""
        with self._lock:
            self._known[_presented(request)] = key_id
            self._known.move_to_end(_presented(request))
            if len(self._known) > self._max_known:
                self._known.popitem(last=False)


def _presented(request: Mapping[str, Any]) -> int:
    return hash(tuple(map(request.get, ("HTTP_X_API_KEY", "HTTP_AUTHORIZATION", "HTTP_COOKIE"))))
