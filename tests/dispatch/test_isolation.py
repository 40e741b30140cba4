"""No customer's dead or slow server, and no customer's backlog, delays another customer (design, section 3).

The long version, with the figures: `python -m tests.soak.isolation`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak import stores

CHECKOUT = Path(__file__).parents[2]
SMALL = ("--half", "12", "--backlog", "1000", "--seconds", "1")
# A ratio of milliseconds, measured for seconds beside other tests, says little; that p99 is below 1 s says enough.
LENIENT = ("--ratio", "50")


@pytest.mark.parametrize("kind", stores.KINDS)
def test_hostile_receivers_delay_nobody_else(kind: str) -> None:
    """Half of the receivers are hostile and one has a backlog: the others get their events within a second."""
    command = [sys.executable, "-m", "tests.soak.isolation", "--store", kind, *SMALL, *LENIENT]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
