"""Many committees on one contract, made once: each example takes one of them and leaves nothing behind."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.core.eip712 import address_of_secret, digest, keccak, sign_digest
from gpn_desktop.core.types import Address, Details, Domain, Gwei, Hash32, Request, Role, Vote
from tests.contract.evm.machine import ETHER, GWEI, Machine
from tests.contract.evmnode import compact

IMAGE: Final = keccak(b"image")
DAY: Final = 86_400
MEMBERS: Final = 32
SLOT: Final = bytes(32)
DETAILS: Final = Details(30, IMAGE, 5, "ref")
STRANGER: Final = (0xBAD).to_bytes(32, "big")
REPORTER: Final = (0xFEE).to_bytes(32, "big")


def terms(
    shares: tuple[int, int, int] = (6000, 2000, 2000), tip: int = 500, min_reward: int = 1000
) -> gpn.Params:
    return gpn.Params(
        window=DAY,
        settle_grace=2 * DAY,
        max_lifetime=DAY,
        unbond=5 * DAY,
        settle_delay=600,
        min_stake=ETHER // 2,
        min_reward_gwei=min_reward,
        tip_gwei=tip,
        prover_bps=shares[0],
        inclusion_bps=shares[1],
        verifier_bps=shares[2],
    )


def secret(number: int) -> bytes:
    return (0x1000 + number).to_bytes(32, "big")


def payout(number: int) -> Address:
    return Address(b"\xfa" * 19 + bytes([number]))


@dataclass(frozen=True, slots=True)
class Committee:
    """A consumer's key, and who sits where: the key, member id and roles of each seat."""

    key: bytes
    keys: tuple[bytes, ...]
    ids: tuple[int, ...]
    roles: tuple[int, ...]

    @property
    def consumer(self) -> Address:
        return address_of_secret(self.key)

    @property
    def provers(self) -> list[int]:
        return [seat for seat, roles in enumerate(self.roles) if roles & Role.PROVE]

    def verifiers(self, prover: int) -> list[int]:
        """V when that seat proves."""
        return [s for s, roles in enumerate(self.roles) if roles & Role.VERIFY and s != prover]

    def member(self, seat: int) -> Address:
        return address_of_secret(self.keys[seat])

    def request(self, *, nonce: int, reward: int, deadline: int, quorum: int) -> Request:
        payload = keccak(b"payload")
        return Request(self.consumer, nonce, Gwei(reward), deadline, quorum, 1, payload, DETAILS)


class Pool:
    """``sizes``: seats of each committee. Roles and stakes are drawn from ``seed``."""

    def __init__(self, params: gpn.Params, sizes: tuple[int, ...], seed: int) -> None:
        self.machine = Machine(params)
        draw = random.Random(seed)
        for number in range(MEMBERS):
            self.machine.fund(address_of_secret(secret(number)))
            stake = draw.choice((ETHER // 2, ETHER, 3 * ETHER, 20 * ETHER)) + draw.randrange(100) * GWEI
            self.machine.done(secret(number), gpn.register_prover(payout(number)), stake)
        for key in (STRANGER, REPORTER):
            self.machine.fund(address_of_secret(key))
        self.committees = tuple(self._form(size, place, draw) for place, size in enumerate(sizes))

    def _form(self, size: int, place: int, draw: random.Random) -> Committee:
        key = (0x9000 + place).to_bytes(32, "big")
        consumer = address_of_secret(key)
        self.machine.fund(consumer)
        self.machine.done(key, gpn.register_consumer("example/image", IMAGE), ETHER)
        for nth, number in enumerate(draw.sample(range(MEMBERS), size)):
            # One can prove and one can verify; the others do either or both.
            roles = 3 if nth < 2 else draw.choice((1, 2, 2, 3, 3, 3, 3, 3))
            self.machine.done(secret(number), gpn.commit(consumer, IMAGE, roles))
        self.machine.done(key, gpn.take_snapshot(consumer))
        seats = gpn.decode_snapshot(self.machine.view(gpn.snapshot(consumer, 1))).seats
        assert len(seats) == size
        owners = {address_of_secret(secret(number)): secret(number) for number in range(MEMBERS)}
        keys = tuple(owners[seat.prover] for seat in seats)
        return Committee(key, keys, tuple(s.member_id for s in seats), tuple(s.roles for s in seats))


def packed(hash32: Hash32, voters: list[tuple[int, bytes]]) -> bytes:
    """Votes of seats, each with its key, as the contract takes them."""
    return b"".join(bytes([seat]) + b"".join(compact(sign_digest(hash32, key))) for seat, key in voters)


def ballots(hash32: Hash32, committee: Committee, seats: list[int]) -> bytes:
    return packed(hash32, [(seat, committee.keys[seat]) for seat in seats])


def vote_on(request: Request, committee: Committee, prover: int, domain: Domain) -> Vote:
    """The vote on the proof of a seat; one that there is not has nobody behind it, and gets no vote."""
    member = committee.member(prover) if prover < len(committee.keys) else Address(bytes(20))
    return Vote(digest(request, domain), member, keccak(b"proof"), 1, True)
