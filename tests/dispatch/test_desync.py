"""A receiver can acknowledge no notification but its own account's (contract, section 2).

The long version, with the figures: `python -m tests.soak.desync`.
"""

from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.soak import desync
from tests.soak.report import broken


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_answers_too_many_acknowledge_nothing_of_another_account(store_url: URL, tmp_path: Path) -> None:
    """One account's receiver answers twice, late or in halves: another one's 503 on the same origin stays a failure."""
    assert broken(desync.run(store_url, tmp_path, rounds=150)) == []
