"""Memory that is freed is given back to the operating system."""

import platform
import subprocess
import sys

import pytest

GROWTH = """
import ctypes
from webhook_admin import memory

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks mapped a b c d e".split()]

def mapped():
    return mallinfo2().mapped

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Mallinfo2
{call}
bytearray(1 << 20)  # freed at once: from now on glibc would not map blocks of up to 1 MiB
before = mapped()
block = bytearray(1 << 18)
print(mapped() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such rule")
@pytest.mark.parametrize(("call", "is_mapped"), [("", False), ("memory.map_large_blocks()", True)])
def test_large_blocks_stay_mapped(call: str, is_mapped: bool) -> None:
    """A block of 256 KiB is mapped by itself, also after a larger one was freed; without the call it is not."""
    run = subprocess.run([sys.executable, "-c", GROWTH.format(call=call)], capture_output=True, text=True, check=True)
    assert (int(run.stdout) >= 1 << 18) is is_mapped
