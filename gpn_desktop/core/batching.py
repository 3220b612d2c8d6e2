"""When verified requests are worth a settlement, and which kind costs less: pure rules, integers only.

Waiting is free for the prover until its time is nearly up, and every request that joins shares the fixed part
of the gas. Against it stands that the reward's window begins with the settlement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gpn_desktop.core.types import WEI_PER_GWEI, Gwei, Millis, Wei

# Gas of a settlement: a part for the transaction, one for each request, one for each vote or signature.
# Fitted to what `make bench ARGS="--only gas"` measures, and never below it.
FIXED_GAS: Final = 50_000
REQUEST_GAS: Final = 18_200
ATTESTED_GAS: Final = 1_500  # for each request more, where one signature covers them all
VOTE_GAS: Final = 4_650
PAYOUT_GAS: Final = 1_450  # for each member of the committee, when the batch is paid


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator decides. ``max_age`` in seconds, ``max_gas`` in wei per gas (None: any price)."""

    max_batch: int = 10
    max_age: int = 0
    max_gas: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A verified request: since when it waits, when it must be sent, what settling it brings this node."""

    since: Millis
    latest: Millis
    share: Gwei


class Verdict(Enum):
    SETTLE = "settle"
    WAIT = "wait"
    WORTHLESS = "worthless"  # its time is up, and the gas costs more than it brings


def decide(waiting: Sequence[Waiting], now: Millis, terms: Terms, cost: Wei, gas_price: int) -> Verdict:
    """What to do with the requests of one consumer and snapshot that wait together.

    Args:
        cost: of settling all of them now, in wei.
        gas_price: in wei per gas.

    A batch is ready when it is full or its oldest request is old enough. A ready one is sent unless gas is
    dearer than the operator wants or it would bring less than it costs; then more may join it, and gas may
    fall. When the time of any of them is up it is sent if that pays at all.
    """
    if not waiting:
        return Verdict.WAIT
    pays = sum(w.share for w in waiting) * WEI_PER_GWEI >= cost
    if min(w.latest for w in waiting) <= now:
        return Verdict.SETTLE if pays else Verdict.WORTHLESS
    full = len(waiting) >= terms.max_batch
    old = min(w.since for w in waiting) + terms.max_age * 1000 <= now
    dear = terms.max_gas is not None and gas_price > terms.max_gas
    return Verdict.SETTLE if (full or old) and pays and not dear else Verdict.WAIT


def gas_single(requests: int, votes: int, members: int) -> int:
    """Gas of settling with ``votes`` single votes in all, in a committee of so many members."""
    return FIXED_GAS + requests * REQUEST_GAS + votes * VOTE_GAS + members * PAYOUT_GAS


def gas_attested(requests: int, signers: int, members: int) -> int:
    """Gas of settling with one signature for each signer."""
    each = REQUEST_GAS + ATTESTED_GAS
    return FIXED_GAS + requests * each + signers * VOTE_GAS + members * PAYOUT_GAS


def prefers_attested(saved_gas: int, gas_price: int, lost: Gwei) -> bool:
    """Whether one signature each is better, although ``lost`` is burned for votes that it leaves out.

    What is lost counts the fees of those left out besides the prover's own bonus: nobody should be left out
    for the price of the gas that it saves somebody else.
    """
    return saved_gas > 0 and saved_gas * gas_price >= lost * WEI_PER_GWEI
