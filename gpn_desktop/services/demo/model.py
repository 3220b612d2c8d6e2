"""What a demo is asked for and what it found out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpn_desktop.core.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class DemoImage:
    """The prover's image. ``sample`` is a payload that it can prove; ``runtime`` is who runs it."""

    name: str
    digest: Hash32
    label: str
    runtime: str
    sample: bytes
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """``cheat``: how many of the nodes announce false proofs; ``absent``: how many leave before the requests.

    ``batch``: one prover gets all requests and settles them in one transaction. ``folder`` is removed by the
    caller.
    """

    nodes: int
    requests: int
    cheat: int
    crash: bool
    folder: Path
    batch: bool = False
    absent: int = 0


@dataclass
class Outcome:
    """One request's story, as the gateway and the nodes told it.

    ``total_ms`` is from accepting to the verdict at the gateway; ``work_ms`` of it are the winner's proof and
    the vote that made the quorum. Both None where a failed attempt came first: its time says nothing of the
    network.
    """

    ref: str
    request_id: Hash32
    consumer: Address
    phase: str = "sent"
    attempt: int = 0
    total_ms: float | None = None
    work_ms: float | None = None
    proof_ok: bool = False

    @property
    def overhead_ms(self) -> float | None:
        if self.total_ms is None or self.work_ms is None:
            return None
        return self.total_ms - self.work_ms


@dataclass
class ConsumerReport:
    """One consumer's part. The times are of its counted requests; the amounts are of all, warm-up included.

    ``spent_wei`` has left its deposit; it is what members were paid and what was burned.
    """

    name: str
    prover: str
    requests: int = 0
    verified: int = 0
    settled: int = 0
    paid: int = 0
    attempts: int = 0
    prove_ms_p50: float | None = None
    verify_ms_p50: float | None = None
    spent_wei: str = "0"
    paid_wei: str = "0"
    burned_wei: str = "0"


@dataclass
class Report:
    """The last line of ``gpn-desktop demo --json``."""

    nodes: int
    requests: int
    verified: int = 0
    settled: int = 0
    paid: int = 0
    attempts: int = 0
    voted_down: int = 0
    taken_over: int = 0
    prover: str = ""  # with several consumers all of theirs
    consumers: list[ConsumerReport] = field(default_factory=list)
    settlements: list[int] = field(default_factory=list)  # requests in each, in the chain's order
    attested: int = 0  # settlements by one signature per verifier
    paid_wei: str = "0"
    burned_wei: str = "0"
    overhead_ms: dict[str, float | None] = field(default_factory=lambda: {"p50": None, "p95": None})
    chain_id: int = 0
    contract: str = ""
    errors: list[str] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        return asdict(self)


def percentile(values: list[float], share: float) -> float | None:
    """By nearest rank; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1)
