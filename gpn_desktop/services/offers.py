"""What a consumer gives for a proof, as a trial is judged by: from its latest request and the chain now."""

from __future__ import annotations

from typing import Final

from gpn_desktop.core.settlement import Shares
from gpn_desktop.core.trial import Offer
from gpn_desktop.ports.chain import Chain
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.views import ConsumerView

USUAL_TURN: Final = 60.0  # seconds, where no request was seen yet
LEAST_MEMBERS: Final = 2


async def offer_of(view: ConsumerView, chain: Chain | None, authority: object, batch: int) -> Offer:
    """``batch`` is how many requests this node settles at a time. ChainUnreachable."""
    turn = float(view.turn_seconds or USUAL_TURN)
    if chain is None or not isinstance(authority, ChainAuthority) or view.reward is None:
        return Offer(turn)
    p = await authority.params()
    shares = Shares(p.prover_bps, p.inclusion_bps, p.verifier_bps, p.tip)
    members = max(LEAST_MEMBERS, view.committee + (not view.committed))
    return Offer(turn, view.reward, await chain.gas_price(), members, batch, shares)
