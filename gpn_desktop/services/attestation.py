"""Batch votes: one signature over many votes of one member, so that a settlement carries one for all of them.

A node signs only what it said before: every digest is that of a ``valid`` vote in its own journal. The
signature is journalled before it leaves, like the votes, since a batch can be opened as evidence of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from gpn_desktop.core.eip712 import BadSignature, digest, keccak, recover
from gpn_desktop.core.errors import FetchFailed, NetworkDown
from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import Address, BatchVote, Hash32, Signature
from gpn_desktop.services.context import Context, log
from gpn_desktop.services.jobs import Jobs

ATTEST_SECONDS: Final = 3.0  # for a peer to sign; who takes longer is settled with its single votes


def own_votes(me: Address, jobs: Jobs) -> set[Hash32]:
    """Digests of the ``valid`` votes that this node gave on open requests, all of them journalled."""
    return {
        cast.signed.digest
        for entry in list(jobs.entries.values())
        for tally in entry.job.tallies.values()
        if (cast := tally.opinions.get(me)) is not None and cast.signed.message.valid
    }


async def attest(ctx: Context, jobs: Jobs, votes: tuple[Hash32, ...]) -> Signature | None:
    """This node's signature over a list of votes; None unless each of them is its own."""
    if len(set(votes)) != len(votes) or not own_votes(ctx.me, jobs).issuperset(votes):
        return None
    signed = Signed[BatchVote].sign(BatchVote(votes), ctx.key.secret, ctx.me, ctx.domain)
    # The whole list stands in the journal: from it alone a contradiction could be shown, to us as to others.
    await ctx.store.set(f"attested:{keccak(*votes).hex()}", signed.signature + b"".join(votes))
    return signed.signature


async def collect(
    ctx: Context, votes: Sequence[Hash32], members: Sequence[Address]
) -> dict[Address, Signature]:
    """Who of the members signed the list, with a signature that the contract will take."""
    hash32 = digest(BatchVote(tuple(votes)), ctx.domain)
    answers = await asyncio.gather(*(_ask(ctx, member, votes, hash32) for member in members))
    return {member: answer for member, answer in zip(members, answers, strict=True) if answer is not None}


async def _ask(ctx: Context, member: Address, votes: Sequence[Hash32], hash32: Hash32) -> Signature | None:
    try:
        answer = await ctx.network.attest(member, votes, ATTEST_SECONDS)
    except (FetchFailed, NetworkDown) as error:
        log.info("no batch vote of %s: %s", member.hex(), error)
        return None
    if answer is None:
        return None
    try:
        if recover(hash32, answer) == member:
            return Signature(answer)
    except BadSignature:
        pass
    log.warning("%s sent a batch vote that is not its signature", member.hex())
    return None
