"""A committee with real keys, and what its members say: the material of the core's tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gpn_desktop.core import events as ev
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.job import Job, open_job
from gpn_desktop.core.messages import CastVote, Signed, possession
from gpn_desktop.core.selection import ranking, selection_seed
from gpn_desktop.core.types import (
    Address,
    Announcement,
    Cancel,
    Decline,
    Details,
    Domain,
    Gwei,
    Millis,
    Request,
    Role,
    Seat,
    Snapshot,
    Vote,
)

T0 = Millis(1_700_000_000_000)
TIMEOUT = 60  # seconds
CONSUMER_SECRET = keccak(b"consumer")
CONSUMER = address_of_secret(CONSUMER_SECRET)
DOMAIN = Domain(31337, Address(bytes([7]) * 20))
PROOF = b"a proof"
PROOF_HASH = keccak(PROOF)


@dataclass
class World:
    """``order[0]`` proves first. ``request`` may be replaced before the first use of ``signed``."""

    size: int = 4
    quorum: int = 2
    roles: Role = Role.PROVE | Role.VERIFY
    secrets: dict[Address, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = [keccak(b"member", bytes([i])) for i in range(self.size)]
        self.secrets = {address_of_secret(s): s for s in made}
        seats = tuple(Seat(a, i, self.roles, 1) for i, a in enumerate(self.secrets))
        self.snapshot = Snapshot(CONSUMER, 1, keccak(b"image"), seats)
        details = Details(TIMEOUT, keccak(b"image"), 100, "ref-1")
        deadline = T0 // 1000 + 600
        self.request = Request(
            CONSUMER, 1, Gwei(10**6), deadline, self.quorum, 1, keccak(b"payload"), details
        )
        self.signed = Signed[Request].sign(self.request, CONSUMER_SECRET, CONSUMER, DOMAIN)
        self.id = self.signed.digest
        self.seed = selection_seed(DOMAIN, CONSUMER, keccak(b"image"), self.id, b"")
        self.order = ranking(self.seed, self.snapshot)

    def known(self, t0: Millis = T0) -> ev.OrderKnown:
        return ev.OrderKnown(self.seed, self.order, t0)

    def job(self, me: Address | None, interrupted: bool = False) -> Job:
        return open_job(self.signed, self.snapshot, me, interrupted)

    def announced(self, prover: Address, proof: bytes = PROOF, **changes: object) -> ev.Announced:
        said = Announcement(self.id, prover, self.order.index(prover), keccak(proof), len(proof), self.seed)
        said = replace(said, **changes)  # type: ignore[arg-type]
        return ev.Announced(Signed[Announcement].sign(said, self.secrets[prover], prover, DOMAIN))

    def voted(
        self, voter: Address, prover: Address, valid: bool = True, proof: bytes = PROOF, **changes: object
    ) -> ev.Voted:
        vote = Vote(self.id, prover, keccak(proof), self.order.index(prover), valid)
        vote = replace(vote, **changes)  # type: ignore[arg-type]
        secret = self.secrets.get(voter, keccak(voter))
        signed = Signed[Vote].sign(vote, secret, voter, DOMAIN)
        return ev.Voted(CastVote(signed, possession(voter, proof), self.seed))

    def declined(self, prover: Address) -> ev.Declined:
        said = Decline(self.id, prover)
        return ev.Declined(Signed[Decline].sign(said, self.secrets[prover], prover, DOMAIN))

    def cancelled(self, by: bytes = CONSUMER_SECRET) -> ev.Cancelled:
        return ev.Cancelled(Signed[Cancel].sign(Cancel(self.id), by, address_of_secret(by), DOMAIN))


def after(seconds: float) -> Millis:
    return Millis(T0 + int(seconds * 1000))
