"""The operator's own terms."""

from __future__ import annotations

import pytest

from gpn_desktop.core.policy import Policy, refusal
from gpn_desktop.core.types import Gwei


@pytest.mark.parametrize(
    ("policy", "unsettled", "balance", "why"),
    [
        (Policy(), 0, 1000, None),
        (Policy(), 0, 999, "exposure"),
        (Policy(), 1, 1000, "exposure"),
        (Policy(), 10**9, None, None),
        (Policy(min_reward=Gwei(1001)), 0, 5000, "price"),
        (Policy(paused=True), 0, 5000, "paused"),
    ],
)
def test_a_reward_of_1000_gwei(policy: Policy, unsettled: int, balance: int | None, why: str | None) -> None:
    known = None if balance is None else Gwei(balance)
    assert refusal(policy, Gwei(1000), Gwei(unsettled), known) == why
