"""The heavy work of a request: fetching payloads and proofs, proving, validating. It decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import FetchFailed, GpnError, ProverTimeout
from gpn_desktop.core.messages import MAX_BLOB_BYTES, MAX_INLINE_BYTES, CastVote, possession
from gpn_desktop.core.turns import VERIFY_TIMEOUT_MS
from gpn_desktop.core.types import Address, Announcement, Hash32, Millis
from gpn_desktop.ports.runtime import JobLog
from gpn_desktop.services.authority import Authority
from gpn_desktop.services.context import Context, log, request_tag
from gpn_desktop.services.entry import Entry

FETCH_SECONDS: Final = 30.0
BIG: Final = 256 * 1024  # from here on hashing leaves the event loop


class Workshop:
    def __init__(self, ctx: Context, authority: Authority) -> None:
        self._ctx = ctx
        self._authority = authority
        self.spoils: Callable[[Entry], bool] = lambda _: False  # whether a false proof was ordered

    async def payload(self, entry: Entry) -> bytes:
        """The request's input: from the message, the store, or whoever of the committee has it."""
        wanted = entry.job.request.payload_hash
        if entry.message.payload is not None:
            return entry.message.payload
        providers = [entry.message.gateway, *entry.job.snapshot.members]
        return await self._blob(wanted, entry.message.payload_size, providers)

    async def proof(self, entry: Entry, said: Announcement) -> bytes:
        """An announced proof; FetchFailed when nobody serves it in time."""
        known = entry.inline.get(said.proof_hash)
        if known is None:
            known = await self._blob(said.proof_hash, said.size, [said.prover, *entry.job.snapshot.members])
        if len(known) <= MAX_INLINE_BYTES:
            entry.inline[said.proof_hash] = known
        return known

    async def _blob(self, wanted: Hash32, size: int, providers: list[Address]) -> bytes:
        kept = await self._ctx.store.blob(wanted)
        if kept is not None:
            return kept
        if size > MAX_BLOB_BYTES:
            raise FetchFailed(f"{size} bytes are more than the network carries.")
        others = [p for p in dict.fromkeys(providers) if p != self._ctx.me]
        data = await self._ctx.network.fetch(wanted, size, others, FETCH_SECONDS)
        await self._ctx.store.put_blob(wanted, data)
        return data

    async def keep_inline(self, entry: Entry, said: Announcement, proof: bytes) -> None:
        """Keep a proof that came with its announcement, if it is what was announced."""
        if len(proof) == said.size and keccak(proof) == said.proof_hash:
            entry.inline[said.proof_hash] = proof
            await self._ctx.store.put_blob(said.proof_hash, proof)

    async def prove(self, entry: Entry, until: Millis) -> tuple[Hash32, int]:
        """The kept proof's hash and size; any GpnError is the reason to decline."""
        payload = await self.payload(entry)
        request = entry.job.request
        image = await self._authority.image(request)
        await self._ctx.runtime.ensure(image)
        within = (until - self._authority.now()) / 1000
        if within <= 0:
            raise ProverTimeout("The turn was over before proving could start.")
        self._ctx.emit(
            "proving", {"request": entry.id.hex(), "attempt": entry.attempt_at(Millis(until - 1))[0]}
        )
        began = self._ctx.clock.monotonic()
        keep = self._log_of(entry, "prove")
        proof = await self._ctx.runtime.prove(image, request.details.ref, payload, within, keep)
        if self.spoils(entry):
            proof = spoiled(proof)
        entry.prove_ms = (self._ctx.clock.monotonic() - began) * 1000
        self._ctx.emit("proved", {"request": entry.id.hex(), "ms": entry.prove_ms})
        digest = await _hash(proof)
        if len(proof) <= MAX_INLINE_BYTES:
            entry.inline[digest] = proof
        await self._ctx.store.put_blob(digest, proof)
        return digest, len(proof)

    async def validate(self, entry: Entry, said: Announcement, proof: bytes) -> bool | None:
        """The image's verdict; None where this node can't tell, which is never the prover's fault."""
        began = self._ctx.clock.monotonic()
        try:
            payload = await self.payload(entry)
            image = await self._authority.image(entry.job.request)
            await self._ctx.runtime.ensure(image, prove=False)
            began = self._ctx.clock.monotonic()
            ref = entry.job.request.details.ref
            within, keep = VERIFY_TIMEOUT_MS / 1000, self._log_of(entry, "validate")
            valid = await self._ctx.runtime.validate(image, ref, proof, payload, within, keep)
        except GpnError as error:
            log.warning("request %s: no opinion on a proof: %s", request_tag(entry.id), error)
            entry.unvoted = str(error)
            self._ctx.meters.fault("validate", error)
            return None
        entry.unvoted = ""
        entry.verify_ms = (self._ctx.clock.monotonic() - began) * 1000
        self._ctx.emit(
            "validated",
            {"request": entry.id.hex(), "prover": said.prover.hex(), "valid": valid, "ms": entry.verify_ms},
        )
        return valid

    def _log_of(self, entry: Entry, role: str) -> JobLog:
        """Keeps what the container writes during one call, for whoever looks into the job."""

        def keep(text: str) -> None:
            if text:
                self._ctx.tasks.spawn(self._ctx.store.put_log(entry.id, role, text), "container log")

        return keep

    async def has_proof(self, cast: CastVote, proof: bytes) -> bool:
        """Whether the voter shows that it had the proof (protocol.md, Announcement and votes)."""
        voter = cast.signed.signer
        if len(proof) < BIG:
            return possession(voter, proof) == cast.possession
        return await asyncio.to_thread(possession, voter, proof) == cast.possession

    async def shown(self, proof: bytes) -> Hash32:
        """What this node's own vote carries."""
        if len(proof) < BIG:
            return possession(self._ctx.me, proof)
        return await asyncio.to_thread(possession, self._ctx.me, proof)


def spoiled(proof: bytes) -> bytes:
    """The proof with one bit flipped near its middle; of the same length, and text where it was text."""
    if not proof:
        return b"\x01"
    middle = len(proof) // 2
    places = sorted(range(len(proof)), key=lambda at: abs(at - middle)) if len(proof) < 4096 else [middle]
    at = next((p for p in places if chr(proof[p]).isdigit() and proof[p] < 0x80), middle)
    return proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :]


async def _hash(data: bytes) -> Hash32:
    return keccak(data) if len(data) < BIG else await asyncio.to_thread(keccak, data)
