"""How this process's memory allocator gives memory back."""

import ctypes

MAPPED_FROM = 128 * 1024
"""Bytes: blocks of this size or more are mapped one by one. The value with which glibc starts."""
_M_MMAP_THRESHOLD = -3  # of malloc.h


def map_large_blocks() -> None:
    """Let glibc map large blocks one by one for as long as the process runs, so that a freed block's pages are freed.

    uvloop has a buffer of 256 KiB for each TLS connection and touches a few KiB of it. When the first one is freed,
    glibc stops mapping blocks of that size (mallopt(3), M_MMAP_THRESHOLD) and reuses touched pages: resident memory
    grows towards 256 KiB for each connection. Other C libraries have no such rule; there this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM)
