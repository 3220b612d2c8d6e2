"""This node as a member: registered with its stake, committed to those that it serves, and staying so.

A commitment ends by itself after some weeks, so that absent members cannot block a quorum; a node that is
there renews its own in time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gpn_desktop.core.errors import ChainUnreachable, FeesTooHigh, TransactionFailed
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.calls import Call, Commit, RegisterProver, Renew
from gpn_desktop.ports.chain import Chain, TxRecord
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.context import Context, log

RENEW_SECONDS: Final = 7 * 24 * 3600  # before the end: time for an operator to notice what is wrong
LOOK_MS: Final = 3_600_000

Submit = Callable[[str, Call], Awaitable[TxRecord]]


@dataclass
class Membership:
    ctx: Context
    chain: Chain
    authority: ChainAuthority
    submit: Submit
    looked_ms: int = 0

    async def join(self) -> None:
        """Register and commit, where that was not done before."""
        options = self.ctx.options
        if await self.chain.prover(self.ctx.me) is None:
            await self.submit("register", RegisterProver(options.payout, options.stake))
        for consumer in options.serve:
            info = await self.chain.consumer(consumer)
            if info is None:
                self.ctx.alert(f"A configured consumer is not registered: {consumer.hex()}")
                continue
            await self._commit(consumer, info.image_digest)
        self.ctx.emit("committed", {"address": self.ctx.me.hex()})

    async def _commit(self, consumer: Address, image: Hash32) -> None:
        intent = f"commit:{consumer.hex()}:{image.hex()}"
        await self.submit(intent, Commit(consumer, image, self.ctx.options.roles))

    async def on_head(self) -> None:
        """Renew what ends soon; looked at from time to time."""
        now = self.authority.now()
        if not self.ctx.options.stake or now < self.looked_ms + LOOK_MS:
            return
        self.looked_ms = now
        for consumer in self.ctx.options.serve:
            self.ctx.tasks.spawn(self._renew(consumer, now // 1000), "renew")

    async def _renew(self, consumer: Address, now: int) -> None:
        try:
            mine = next((c for c in await self.chain.committee(consumer) if c.prover == self.ctx.me), None)
            if mine is None or not mine.eligible or mine.expires_at > now + RENEW_SECONDS:
                return
            # The end is part of the name: each renewal is another one, and each is sent once.
            await self.submit(f"renew:{consumer.hex()}:{mine.expires_at}", Renew(consumer))
            self.ctx.emit("renewed", {"consumer": consumer.hex()})
        except (ChainUnreachable, FeesTooHigh) as error:
            log.info("a commitment is renewed later: %s", error)
        except TransactionFailed as error:
            self.ctx.alert(f"The commitment to {consumer.hex()} could not be renewed: {error}")
