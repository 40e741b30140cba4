"""Any number of dispatchers work on one PostgreSQL, also when one of them stops for a while (design, section 3).

The long version, with the figures: `python -m tests.soak.two_dispatchers`.
"""

from pathlib import Path

from sqlalchemy import URL

from tests.soak import two_dispatchers
from tests.soak.report import broken


def test_a_late_dispatcher_changes_nothing(postgresql_url: URL, tmp_path: Path) -> None:
    """Late records change nothing that another dispatcher has done, and are still on record as attempts."""
    assert broken(two_dispatchers.run(postgresql_url, tmp_path, rounds=1)) == []
