"""What an account's receivers do delays no other account; slow receivers get all that their window allows (design, 3).

The long version, with the figures: `python -m tests.soak.isolation`.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.soak import slow_receivers
from tests.soak.report import broken

CHECKOUT = Path(__file__).parents[2]
# 400 hanging origins for 100 places, each of which a hanging request holds for 3 s.
PLACES = ("--setting", "max_in_flight", "100", "--setting", "request_timeout", "3")
SMALL = ("--regulars", "12", "--seconds", "2", *PLACES)
# A p99 of a few seconds of measuring beside other tests is noise below this many milliseconds.
LENIENT = ("--floor", "800")


# The rules are the same for both stores; what they cost is for the soak.
@pytest.mark.parametrize(
    ("attack", "kind"), [("4000", "sqlite"), ("100x50", "postgresql"), ("dead", "sqlite"), ("resend", "postgresql")]
)
def test_attackers_delay_no_other_account(attack: str, kind: str) -> None:
    """While accounts have hanging origins, or one has its deliveries resent, others' events come within a second."""
    command = [sys.executable, "-m", "tests.soak.isolation", "--store", kind, "--only", attack, "--scale", "0.1"]
    command += [*SMALL, *LENIENT]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_slow_receiver_gets_what_its_window_allows(store_url: URL, tmp_path: Path) -> None:
    """A lone receiver that takes 0.5 s is sent to at no less than half of its full window for each such time.

    The soak asks for 80 %, on a machine that does nothing else.
    """
    assert broken(slow_receivers.run(store_url, tmp_path, latencies=[500], least=0.5)) == []
