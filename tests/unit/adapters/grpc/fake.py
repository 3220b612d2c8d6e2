"""A facade that does as it is told, and remembers what it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from gpn_desktop.core.eip712 import digest, keccak
from gpn_desktop.core.errors import GpnError, UnknownRequest
from gpn_desktop.core.types import TESTING_DOMAIN, Address, Gwei, Hash32, Request, Wei
from gpn_desktop.ports.store import JobRow
from gpn_desktop.services.views import (
    ConsumerView,
    JobView,
    NodeView,
    Phase,
    ProofView,
    StepView,
    TurnView,
    VoteView,
)

PROVER, VOTER, NODE = (Address(bytes([n]) * 20) for n in (1, 2, 3))
PROOF = b"proof"
PROOF_VIEW = ProofView(
    keccak(b"request"), keccak(PROOF), PROOF, 1_900_000_000_999, ((VOTER, b"\x07" * 65), (NODE, b"\x08" * 65))
)
STATE = JobView(
    request_id=keccak(b"request"),
    ref="order-1 ✓",
    consumer=Address(bytes([9]) * 20),
    phase=Phase.WAITING,
    role="Consumer",
    attempt=1,
    prover=None,
    reward=Gwei(2**64 - 1),
    earned=Gwei(0),
    deadline=1_900_000_100,
    quorum=2,
    valid_votes=1,
    invalid_votes=1,
    committee=4,
    received_ms=1_900_000_000_000,
    verdict_ms=0,
    proof_hash=None,
    seed=None,
    turns=(
        TurnView(0, PROVER, False, "declined"),
        TurnView(1, VOTER, False, "announced", keccak(PROOF)),
    ),
    votes=(VoteView(VOTER, PROVER, keccak(PROOF), 0, True, False),),
    timeline=(StepView("Accepted", 1_900_000_000_000),),
    error="",
)
STATES = (
    STATE,
    replace(STATE, phase=Phase.PROVING, prover=PROVER, seed=keccak(b"seed")),
    replace(STATE, phase=Phase.PAID, proof_hash=keccak(PROOF), verdict_ms=1_900_000_000_999, prove_ms=12.5),
)


@dataclass
class FakeFacade:
    """``failure`` is raised by every call; ``hold`` keeps ``watch`` open after its states."""

    domain = TESTING_DOMAIN
    failure: Exception | None = None
    hold: bool = False
    asked: list[Any] = field(default_factory=list)
    watch_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        if self.failure is not None:
            raise self.failure

    def view(self) -> NodeView:
        self._ask("view")
        return NodeView(NODE, None, "testing", "0.1.0", 12, True, 3, 0, False, 0, "builtin:test")

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    async def submit(self, request: Request, signature: bytes, payload: bytes) -> Hash32:
        self._ask("submit", request, signature, payload)
        return digest(request, self.domain)

    async def submit_legacy(
        self, ref: str, consumer: str, image: str, data: bytes, signature: bytes
    ) -> Hash32:
        self._ask("submit_legacy", ref, consumer, image, data, signature)
        return keccak(ref.encode())

    async def watch(self, request_id: Hash32) -> AsyncIterator[JobView]:
        self._ask("watch", request_id)
        try:
            for state in STATES:
                yield state
            if self.hold:
                await asyncio.Event().wait()
        finally:
            self.watch_ended.set()

    async def proof(self, wanted: str) -> ProofView:
        self._ask("proof", wanted)
        if wanted not in ("order-1", "0x" + keccak(b"request").hex()):
            raise UnknownRequest(f"No request {wanted!r}.")
        return PROOF_VIEW

    async def offer_canary(
        self, consumer: Address, request_id: Hash32, prover: Address, signature: bytes
    ) -> None:
        self._ask("offer_canary", consumer, request_id, prover, signature)

    async def cancel(self, request_id: Hash32, signature: bytes) -> None:
        self._ask("cancel", request_id, signature)

    async def consumers(self) -> list[ConsumerView]:
        self._ask("consumers")
        return [ConsumerView(VOTER, "org/image", keccak(b"image"), Gwei(10**18), 4, 5, "", True)]

    async def jobs(self, offset: int, limit: int, search: str) -> list[JobRow]:
        return []

    async def pause(self, paused: bool) -> None:
        return None

    async def withdraw(self) -> Wei:
        return Wei(0)

    async def aclose(self) -> None:
        return None


def failing(error: GpnError) -> FakeFacade:
    return FakeFacade(failure=error)
