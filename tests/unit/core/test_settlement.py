"""The split of a reward, to the gwei."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import Gwei

SHARES = Shares(6000, 2000, 2000, Gwei(1000))


def test_everybody_counted_burns_nothing() -> None:
    parts = split(Gwei(2_100_000), SHARES, 4, 4, by_prover=True)
    assert (parts.prover, parts.fee, parts.tip, parts.burned) == (1_680_000, 105_000, 0, 0)


def test_leaving_a_verifier_out_costs_the_prover_and_pays_nobody() -> None:
    parts = split(Gwei(2_100_000), SHARES, 4, 3, by_prover=True)
    assert (parts.prover, parts.fee, parts.tip, parts.burned) == (1_575_000, 105_000, 0, 210_000)


def test_who_settles_in_the_provers_place_is_tipped_from_its_share() -> None:
    parts = split(Gwei(2_100_000), SHARES, 4, 4, by_prover=False)
    assert (parts.prover, parts.tip) == (1_679_000, 1_000)


@given(st.integers(1000, 2**64 - 1), st.integers(1, 31), st.data(), st.booleans())
def test_the_parts_add_up_exactly(reward: int, verifiers: int, data: st.DataObject, by_prover: bool) -> None:
    counted = data.draw(st.integers(0, verifiers))
    parts = split(Gwei(reward), SHARES, verifiers, counted, by_prover)
    assert parts.prover + parts.fee * counted + parts.tip + parts.burned == reward
    assert min(parts.prover, parts.fee, parts.tip, parts.burned) >= 0
