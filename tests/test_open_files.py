"""The limit of open files, in processes of their own: a limit once lowered stays low."""

import subprocess
import sys

CHECK = """
import resource
from webhook_admin import open_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(open_files.allow({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def allow(soft: int, hard: int, wanted: int) -> list[int]:
    """What `allow` returns, and the soft limit that then holds."""
    code = CHECK.format(soft=soft, hard=hard, wanted=wanted)
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


def test_the_limit_is_raised_as_far_as_it_may_be() -> None:
    """To what is wanted, else to the hard limit; a limit that is high enough stays."""
    assert allow(soft=256, hard=1_024, wanted=1_000) == [1_000, 1_000]
    assert allow(soft=256, hard=512, wanted=1_000) == [512, 512]
    assert allow(soft=900, hard=1_024, wanted=500) == [500, 900]
