"""Canaries: false proofs that a consumer orders, to see which verifiers check (contracts/THREATS.md).

A prover that holds a consumer's certificate for a request announces a spoiled proof of it when its turn
comes. Once the proof is judged it tells everybody, so that nobody takes it for a cheat, and whoever signed
for it stands there. Without a certificate, journalled before the turn, nothing is ever spoiled.
"""

from __future__ import annotations

from typing import Final

from gpn_desktop.core.eip712 import BadSignature
from gpn_desktop.core.errors import CanaryRefused
from gpn_desktop.core.messages import CanaryMessage, Signed
from gpn_desktop.core.types import Address, Canary, Hash32
from gpn_desktop.services.context import Context, request_tag
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.jobs import Jobs
from gpn_desktop.services.outbox import Outbox

HELD: Final = "canaries"  # the fact that holds the certificates
MAX_HELD: Final = 64
MAX_PER_CONSUMER: Final = 16  # a consumer could make a prover work for nothing but false proofs
ENTRY_BYTES: Final = 32 + 65


class Canaries:
    """The certificates that this node holds, by request."""

    def __init__(self, ctx: Context, jobs: Jobs, outbox: Outbox) -> None:
        self._ctx, self._jobs, self._outbox = ctx, jobs, outbox
        self.held: dict[Hash32, Signed[Canary]] = {}

    async def start(self) -> None:
        """Honour what an earlier run took on."""
        raw = await self._ctx.store.get(HELD) or b""
        for at in range(0, len(raw), ENTRY_BYTES):
            request_id = Hash32(raw[at : at + 32])
            canary = Canary(request_id, self._ctx.me)
            signature = raw[at + 32 : at + ENTRY_BYTES]
            self.held[request_id] = Signed[Canary].verify(canary, signature, self._ctx.domain)
        self._jobs.on_judged = self.judged

    async def offer(self, consumer: Address, request_id: Hash32, prover: Address, signature: bytes) -> None:
        """Take a certificate on. CanaryRefused says why it is not taken."""
        if not self._ctx.options.canaries:
            raise CanaryRefused("This operator makes no canaries.")
        if prover != self._ctx.me:
            raise CanaryRefused("The certificate names another prover.")
        try:
            signed = Signed[Canary].verify(Canary(request_id, prover), signature, self._ctx.domain)
        except BadSignature as error:
            raise CanaryRefused(f"The certificate is not signed: {error}.") from error
        entry = self._jobs.entries.get(request_id)
        if signed.signer != consumer or (entry is not None and entry.consumer != consumer):
            raise CanaryRefused("The certificate is not signed by the request's consumer.")
        if consumer not in self._ctx.serve:
            raise CanaryRefused("This node does not serve the consumer.")
        if entry is not None and (entry.job.mine.proving or entry.job.mine.announced):
            raise CanaryRefused("The proof is being made already.")
        await self._hold(signed)

    async def _hold(self, signed: Signed[Canary]) -> None:
        mine = [s for s in self.held.values() if s.signer == signed.signer]
        full = len(self.held) >= MAX_HELD or len(mine) >= MAX_PER_CONSUMER
        if full and signed.message.request_id not in self.held:
            raise CanaryRefused("Too many canaries wait here.")
        self.held[signed.message.request_id] = signed
        await self._remember()

    async def _remember(self) -> None:
        raw = b"".join(request_id + signed.signature for request_id, signed in self.held.items())
        await self._ctx.store.set(HELD, raw)

    def wanted(self, entry: Entry) -> bool:
        """Whether the consumer of the request ordered a false proof of it from this node."""
        signed = self.held.get(entry.id)
        return signed is not None and signed.signer == entry.consumer

    def judged(self, entry: Entry, prover: Address, valid: bool) -> None:
        """A proof was judged: if it is our canary, everybody may know now."""
        if prover == self._ctx.me and self.wanted(entry):
            self._ctx.tasks.spawn(self._tell(entry, valid), f"canary {request_tag(entry.id)}")

    async def _tell(self, entry: Entry, valid: bool) -> None:
        message = CanaryMessage(entry.consumer, self.held[entry.id])
        await self._jobs.take(entry, message)
        await self._outbox.publish(message)
        if valid:
            self._ctx.alert("A committee accepted a proof that its consumer knows to be false: most of its "
                            "members do not check. See the votes of the request.")  # fmt: skip

    async def tidy(self) -> None:
        """Certificates of requests that are over are worth nothing."""
        over = [i for i in self.held if (e := self._jobs.entries.get(i)) is not None and e.over]
        for request_id in over:
            del self.held[request_id]
        if over:
            await self._remember()
