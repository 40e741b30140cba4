"""How many requests a second an API key may make."""

from throttled import RateLimiterType, Throttled
from throttled.rate_limiter import per_sec
from throttled.store import MemoryStore

from webhook_admin.errors import TooManyRequests

# API keys whose use is remembered. Of more than these, the one that has been idle for longest starts anew.
_MAX_KEYS = 100_000


class RateLimit:
    """A token bucket for each API key, in the memory of this process: it fills up in a second, and starts full."""

    def __init__(self, per_second: int) -> None:
        """`per_second` is the number of requests that a bucket holds, and that it gains each second; 0 for no limit."""
        self._buckets = per_second and Throttled(
            using=RateLimiterType.GCRA.value,
            quota=per_sec(per_second, burst=per_second),
            store=MemoryStore(options={"MAX_SIZE": _MAX_KEYS}),
        )

    def take(self, key_id: str) -> None:
        """Count one request of the API key. Raises `TooManyRequests` if its bucket is empty."""
        if self._buckets and self._buckets.limit(key_id).limited:
            raise TooManyRequests
