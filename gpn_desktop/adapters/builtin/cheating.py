"""A prover that lies, for showing and testing what the network does about it: votes stay honest."""

from __future__ import annotations

from gpn_desktop.adapters.wrapping import WrappedRuntime
from gpn_desktop.ports.runtime import ImageRef, JobLog, ProverRuntime


class CheatingRuntime(WrappedRuntime):
    """Another runtime whose proofs come out with their last byte changed."""

    def __init__(self, honest: ProverRuntime) -> None:
        super().__init__(honest, f"{honest.label} (cheating)")

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        proof = await super().prove(image, ref, data, within, log)
        return proof[:-1] + bytes([proof[-1] ^ 1]) if proof else b"\0"
