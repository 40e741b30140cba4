"""How many files this process may have open, connections included."""

import resource


def allow(wanted: int) -> int:
    """Raise the soft limit of open files to `wanted`, as far as the hard limit lets it; the number allowed then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
