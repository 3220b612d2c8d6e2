"""The votes of a request as they were signed: what anybody can check, and what the contract would accept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gpn_desktop.core.eip712 import BadSignature
from gpn_desktop.core.errors import UnknownRequest
from gpn_desktop.core.messages import CastVote, Signed, VotesMessage
from gpn_desktop.core.types import Address, Domain, Hash32, short
from gpn_desktop.ports.store import Kept, Store


@dataclass(frozen=True, slots=True)
class Ballot:
    """One signed vote. ``genuine``: its signature was checked just now, and is the voter's.

    ``digest`` is what was signed (EIP-712), ``possession`` keccak(voter ‖ proof), which shows that the voter
    had the proof. ``received_ms`` is chain time.
    """

    voter: Address
    prover: Address
    proof_hash: Hash32
    attempt: int
    valid: bool
    digest: Hash32
    signature: bytes
    possession: Hash32
    seed: Hash32
    received_ms: int
    genuine: bool


@dataclass(frozen=True)
class Ballots:
    store: Store
    domain: Domain

    async def of(self, request_id: Hash32) -> list[Ballot]:
        """All that the journal has, in the order of their coming.

        Raises:
            UnknownRequest: the journal has no votes of it.
        """
        kept = await self.store.kept(request_id)
        found = await asyncio.to_thread(self._check, request_id, kept)
        if not found:
            raise UnknownRequest(f"The journal has no votes on request {short(request_id)}.")
        return found

    def _check(self, request_id: Hash32, kept: list[Kept]) -> list[Ballot]:
        casts = [
            (one, cast)
            for one in kept
            if isinstance(one.message, VotesMessage)
            for cast in one.message.votes
            if cast.signed.message.request_id == request_id
        ]
        return [self._ballot(one, cast) for one, cast in casts]

    def _ballot(self, kept: Kept, cast: CastVote) -> Ballot:
        vote, signed = cast.signed.message, cast.signed
        try:
            again = Signed.verify(vote, signed.signature, self.domain)
            genuine = (again.signer, again.digest) == (signed.signer, signed.digest)
        except BadSignature:
            genuine = False
        return Ballot(
            signed.signer, vote.prover, vote.proof_hash, vote.attempt, vote.valid, signed.digest,
            bytes(signed.signature), cast.possession, cast.seed, int(kept.time_ms), genuine,
        )  # fmt: skip
