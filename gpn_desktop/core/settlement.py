"""How a reward is split (contract.md, Rules): the contract's arithmetic, in integers, to the gwei.

The contract pays; the node computes the same to show what is coming and to decide whether a vote that was
left out is worth an ``extend``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gpn_desktop.core.types import Gwei

FULL_BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Shares:
    """The network's shares of a reward, in basis points; they add up to 10,000."""

    prover_bps: int
    inclusion_bps: int
    verifier_bps: int
    tip: Gwei


@dataclass(frozen=True, slots=True)
class Split:
    """What a verified request pays: ``fee`` to each counted verifier; all parts add up to the reward."""

    prover: Gwei
    fee: Gwei
    tip: Gwei
    burned: Gwei


def split(reward: Gwei, shares: Shares, verifiers: int, counted: int, by_prover: bool) -> Split:
    """The split of a reward with ``counted`` votes of a V of ``verifiers`` members.

    ``by_prover``: the prover settled by itself, so nobody gets the tip. Leaving a verifier out earns nobody
    anything: its fee is burned. Dust of the divisions goes to the prover.
    """
    fee = reward * shares.verifier_bps // FULL_BPS // verifiers
    unearned_inclusion = reward * shares.inclusion_bps * (verifiers - counted) // (FULL_BPS * verifiers)
    burned = fee * (verifiers - counted) + unearned_inclusion
    prover = reward - fee * counted - burned
    tip = 0 if by_prover else min(shares.tip, prover)
    return Split(Gwei(prover - tip), Gwei(fee), Gwei(tip), Gwei(burned))
