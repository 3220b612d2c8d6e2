"""What this node signs, kept before it leaves; and how much of what its key has signed the journal knows.

A node whose journal was lost, or replaced by an older copy, could contradict what it said before, and that
costs its stake. So a journal notes at which block it begins. About requests that are anchored no later the
node says nothing new: an earlier journal may have had a vote on them. What it said itself it hears from its
peers again, and takes it in as its own. Should the network give back a statement of this node's about a later
request that the journal does not have, then the journal is not whole, and begins anew at that block.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gpn_desktop.core.errors import StoreFull
from gpn_desktop.core.messages import (
    AnnouncementMessage,
    DeclineMessage,
    PeerMessage,
    Signed,
    VotesMessage,
)
from gpn_desktop.core.types import Announcement, Millis, Request, Vote
from gpn_desktop.ports.chain import Chain
from gpn_desktop.ports.store import Kept
from gpn_desktop.services.authority import Authority, ChainAuthority
from gpn_desktop.services.context import Context, log, request_tag
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.marks import pin

STORE_PAUSE: Final = 1.0  # seconds between two tries to write to a full disk
FROM_THE_START: Final = -1


class Journal:
    """``begins``: the block at which it begins."""

    def __init__(self, ctx: Context, authority: Authority) -> None:
        self.begins = FROM_THE_START
        self._ctx = ctx
        self._authority = authority

    async def start(self, chain: Chain | None) -> None:
        """Learn where the journal begins for this key; without a chain nothing that is signed has a price."""
        if chain is None or not isinstance(self._authority, ChainAuthority):
            return
        noted = await self._ctx.store.get(self._name)
        if noted is not None:
            self.begins = int.from_bytes(noted, "big")
            return
        await self._begin(self._authority.head)
        if await chain.prover(self._ctx.me) is not None:
            self._ctx.alert(
                "This journal is new, and the node's key has a stake already: what it signed before is not "
                "known. It says nothing about requests that are open now, and serves all later ones."
            )

    @property
    def _name(self) -> str:
        return f"begins:{self._ctx.me.hex()}"

    async def _begin(self, block: int) -> None:
        self.begins = block
        await self._ctx.store.set(self._name, block.to_bytes(8, "big"))

    def covers(self, request: Request) -> bool:
        """Whether everything that this node's key said about the request is in the journal."""
        return request.details.anchor_block > self.begins

    # writing ----------------------------------------------------------------------------------------------

    async def keep(self, entry: Entry, message: PeerMessage, own: bool, at: Millis | None = None) -> None:
        """Nothing that this node signed leaves before this returns; a full disk makes it wait.

        ``at``: when the statement came, in chain time; by default now.
        """
        while True:
            time = self._authority.now() if at is None else at
            try:
                if isinstance(message, AnnouncementMessage) or (own and not _is_decline(message)):
                    await pin(self._ctx.store, entry)  # a decline holds under any order
                await self._ctx.store.keep(entry.id, entry.consumer, message, own=own, time_ms=time)
            except StoreFull as error:
                self._ctx.alert(str(error))
                await asyncio.sleep(STORE_PAUSE)
            else:
                return

    async def sum_up(self, entry: Entry) -> None:
        """Write the request's summary, as it is by then."""
        while True:
            try:
                await self._ctx.store.put_job(entry.row(self._authority.now()))
            except StoreFull as error:
                self._ctx.alert(str(error))
                await asyncio.sleep(STORE_PAUSE)
            else:
                return

    # what the network gives back --------------------------------------------------------------------------

    async def lacks(self, entry: Entry, message: PeerMessage) -> bool:
        """Take in what this node signed and the network told; whether the journal should have had it."""
        mine = [signed for signed in _signed(message) if signed.signer == self._ctx.me]
        unknown = {signed.digest for signed in mine} - _digests_in(entry)
        if not unknown or unknown <= _digests(await self._ctx.store.kept(entry.id)):
            return False
        if isinstance(message, AnnouncementMessage):
            message = AnnouncementMessage(message.consumer, message.signed, None)
        await self.keep(entry, message, own=True)
        log.info("request %s: own words came back from the network", request_tag(entry.id))
        if not self.covers(entry.job.request):
            return False
        if isinstance(self._authority, ChainAuthority):
            await self._begin(self._authority.head)
        self._ctx.alert(
            "The network knows words of this node that its journal does not: the journal is an older copy, "
            "or a second node uses this key. Check that none does. This one says nothing about the requests "
            "that are open now."
        )
        return True


def _is_decline(message: PeerMessage) -> bool:
    return isinstance(message, DeclineMessage)


def _signed(message: PeerMessage) -> list[Signed[Announcement] | Signed[Vote]]:
    """What can be contradicted; declining twice does no harm."""
    match message:
        case AnnouncementMessage(_, signed, _):
            return [signed]
        case VotesMessage(_, votes):
            return [cast.signed for cast in votes]
        case _:
            return []


def _digests_in(entry: Entry) -> set[bytes]:
    """Of what counted already: it was in the journal before."""
    job = entry.job
    opinions = [cast.signed.digest for t in job.tallies.values() for cast in t.opinions.values()]
    return {*opinions, *(signed.digest for signed in job.announcements.values())}


def _digests(kept: list[Kept]) -> set[bytes]:
    return {signed.digest for one in kept for signed in _signed(one.message)}
