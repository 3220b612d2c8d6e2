"""What this node says: votes of a 50 ms slice in one message, everything else at once.

A statement is in the journal before it comes here, so a network that is down costs time and nothing else:
what peers missed they get by sync when they are back.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gpn_desktop.core.errors import NetworkDown
from gpn_desktop.core.messages import CastVote, PeerMessage, VotesMessage
from gpn_desktop.core.types import Address
from gpn_desktop.services.context import Context, log

SLICE_SECONDS: Final = 0.05
MAX_VOTES: Final = 64  # about 13 KB, well inside a gossip message


class Outbox:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._waiting: dict[Address, list[CastVote]] = {}
        self._last: dict[Address, float] = {}

    async def publish(self, message: PeerMessage) -> None:
        try:
            await self._ctx.network.publish(message)
        except NetworkDown as error:
            log.warning("not sent, said again later: %s", error)

    async def vote(self, consumer: Address, cast: CastVote) -> None:
        """The first vote of a while leaves at once; those close behind it leave together."""
        waiting = self._waiting.get(consumer)
        if waiting is not None:
            waiting.append(cast)
            return
        self._waiting[consumer] = [cast]
        since = asyncio.get_running_loop().time() - self._last.get(consumer, 0.0)
        if since < SLICE_SECONDS:
            await asyncio.sleep(SLICE_SECONDS - since)
        votes = self._waiting.pop(consumer)
        self._last[consumer] = asyncio.get_running_loop().time()
        for first in range(0, len(votes), MAX_VOTES):
            await self.publish(VotesMessage(consumer, tuple(votes[first : first + MAX_VOTES])))
