"""Nothing acknowledged is ever lost, and nothing leaves unrecorded, also across `kill -9` (contract, section 2).

The long versions, with the figures: `python -m tests.soak.kills` and `soak.order`.
"""

from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.soak import kills, order
from tests.soak.report import broken


def test_nothing_is_lost_by_kill_9(store_url: URL, tmp_path: Path) -> None:
    """What the platform had acknowledged, what the receiver saw and what the store says fit together after kills."""
    assert broken(kills.run(store_url, tmp_path, kills=2, apart=1)) == []


# Order is decided before either store has a part in it.
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_statuses_stay_in_order_through_kill_9(store_url: URL, tmp_path: Path) -> None:
    """No status arrives after a newer one, while secrets are rotated and deliveries are resent."""
    assert broken(order.run(store_url, tmp_path, times=1, apart=1)) == []
