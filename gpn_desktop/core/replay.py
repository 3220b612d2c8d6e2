"""Would I have earned? What a consumer's settled requests would have brought one more member. Pure, exact.

The chain's events carry neither a request's anchor nor its beacon, so the order that would have been drawn
with one more prover cannot be computed again. What is computed is its expectation: a first turn comes with
the share of the weight (protocol.md, Selection); sums are exact, and only the results are rounded down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Final

from gpn_desktop.core.batching import gas_attested, gas_single
from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.trial import PROVE_MARGIN
from gpn_desktop.core.types import WEI_PER_GWEI, Gwei, Role, Snapshot, Wei

JOULES_PER_KWH: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Past:
    """A settled request: its reward, and its committee as it was, this node left out of it."""

    reward: Gwei
    weight: int  # of all provers together
    verifiers: int  # members that verify, those that prove as well included

    @classmethod
    def of(cls, reward: Gwei, committee: Snapshot, me: bytes) -> Past:
        others = [seat for seat in committee.seats if seat.address != me]
        return cls(
            reward,
            sum(seat.weight for seat in others if seat.roles & Role.PROVE),
            sum(bool(seat.roles & Role.VERIFY) for seat in others),
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """This machine and its place among the others.

    Attributes:
        weight: of the stake, 1 to 16.
        prove, verify: seconds of one, as a trial measured them; the worst proof decides if it is in time.
        turn: seconds of a turn.
        gas_price: wei per gas; ``batch`` requests are settled at a time.
        watts: drawn while it works; ``price`` of a kWh in millionths of the operator's currency.
    """

    weight: int
    prove: float
    verify: float
    turn: float
    shares: Shares
    gas_price: int = 0
    batch: int = 1
    watts: int = 0
    price: int = 0

    @property
    def in_time(self) -> bool:
        return self.prove * PROVE_MARGIN <= self.turn


@dataclass(frozen=True, slots=True)
class Outlook:
    """Expectations over all of the requests, rounded down; ``power`` in millionths of the currency.

    ``in_time`` False: its proofs would have been too late, so it would have lived of its votes alone.
    """

    requests: int
    proofs: Fraction
    votes: Fraction
    proved: Gwei
    verified: Gwei
    gas: Wei
    joules: int
    power: int
    in_time: bool

    @property
    def net(self) -> Wei:
        """Without the electricity, which is paid in another currency."""
        return Wei((self.proved + self.verified) * WEI_PER_GWEI - self.gas)


def replay(past: Iterable[Past], terms: Terms) -> Outlook:
    """As if this node had sat in each of the committees."""
    requests = 0
    proofs, votes = Fraction(0), Fraction(0)
    proved, verified, gas = Fraction(0), Fraction(0), Fraction(0)
    for one in past:
        requests += 1
        chance = Fraction(terms.weight, terms.weight + one.weight) if terms.in_time else Fraction(0)
        proofs += chance
        votes += 1 - chance
        others = max(1, one.verifiers)
        proved += chance * split(one.reward, terms.shares, others, others, by_prover=True).prover
        # The prover of a request is one of the others, and this node takes its place among the verifiers.
        verified += (1 - chance) * split(one.reward, terms.shares, others, others, by_prover=True).fee
        gas += chance * Fraction(_gas(others, terms.batch) * terms.gas_price, terms.batch)
    joules = terms.watts * (proofs * Fraction(terms.prove) + votes * Fraction(terms.verify))
    return Outlook(
        requests, proofs, votes, Gwei(floor(proved)), Gwei(floor(verified)), Wei(floor(gas)), floor(joules),
        floor(joules * terms.price / JOULES_PER_KWH), terms.in_time,
    )  # fmt: skip


def _gas(verifiers: int, batch: int) -> int:
    """Of a settlement, by whichever of the two ways costs less."""
    members = verifiers + 1
    single = gas_single(batch, batch * (verifiers // 2 + 1), members)
    return min(single, gas_attested(batch, verifiers, members))
