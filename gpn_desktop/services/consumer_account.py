"""A consumer's account on the contract: what its commands do, and how it stands.

Each command is an errand with terms in text, and its call follows from those alone: so a run that was cut off
is taken up by another process as exactly what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gpn_desktop.core import errors
from gpn_desktop.core.request import NONCE_WINDOW
from gpn_desktop.core.types import Address, Gwei, Wei, parse_address, parse_hash
from gpn_desktop.ports.calls import (
    BeginExit,
    ConsumerCall,
    Deposit,
    Pardon,
    RegisterConsumer,
    RetireNonces,
    SetImage,
    TakeSnapshot,
    WithdrawDeposit,
)
from gpn_desktop.ports.chain import Candidate, Chain, ConsumerInfo, TxRecord
from gpn_desktop.ports.nonces import NonceBook
from gpn_desktop.services.consumer import free_nonces
from gpn_desktop.services.errand import Errand, Errands

REGISTER: Final = "register"
DEPOSIT: Final = "deposit"
BEGIN_EXIT: Final = "exit"
WITHDRAW: Final = "withdraw"
RETIRE: Final = "retire-nonces"
SET_IMAGE: Final = "set-image"
SNAPSHOT: Final = "snapshot"
PARDON: Final = "pardon"


@dataclass(frozen=True, slots=True)
class Status:
    """How a consumer stands. ``exposure``: rewards of requests signed here that may still be settled.

    ``now`` is the chain's time; ``free`` counts the nonces of the window that nobody has used or signed on.
    """

    info: ConsumerInfo
    now: int
    exposure: Gwei
    open_requests: int
    used: int
    signed: int
    free: int
    seats: int
    members: tuple[Candidate, ...]
    account: Wei


def call_of(command: str, terms: Mapping[str, str], consumer: Address) -> ConsumerCall:
    """What a command asks the contract to do."""
    match command:
        case "register":
            return RegisterConsumer(terms["image"], parse_hash(terms["digest"]), Wei(int(terms["wei"])))
        case "deposit":
            return Deposit(parse_address(terms["consumer"]), Wei(int(terms["wei"])))
        case "set-image":
            return SetImage(terms["image"], parse_hash(terms["digest"]))
        case "retire-nonces":
            return RetireNonces(int(terms["below"]))
        case "pardon":
            return Pardon(parse_address(terms["member"]))
        case "exit":
            return BeginExit()
        case "withdraw":
            return WithdrawDeposit()
        case "snapshot":
            return TakeSnapshot(consumer)
    raise errors.StoreCorrupt(f"The journal notes an unfinished command that is unknown: {command}.")


class ConsumerAccount:
    """``me`` is the consumer; the chain signs with its key."""

    def __init__(self, chain: Chain, me: Address, errands: Errands, nonces: NonceBook) -> None:
        self._chain = chain
        self._me = me
        self._errands = errands
        self._nonces = nonces

    async def info(self) -> ConsumerInfo | None:
        return await self._chain.consumer(self._me)

    async def registered(self) -> ConsumerInfo:
        """Raises UnknownConsumer."""
        found = await self.info()
        if found is None:
            raise errors.UnknownConsumer("This key's address is not a registered consumer.")
        return found

    async def now(self) -> int:
        """The chain's time, in Unix seconds."""
        return (await self._chain.head()).time

    async def finish(self) -> tuple[Errand, TxRecord] | None:
        """End what an earlier run was cut off in; None if there is no such thing. See ``Errands.finish``."""
        return await self._errands.finish(self._submit)

    async def run(self, command: str, terms: Mapping[str, str]) -> TxRecord:
        """Do it.

        Raises:
            TransactionFailed, InsufficientFunds, FeesTooHigh: it is over, and nothing of it will happen.
            ChainUnreachable: whether it happens is not known; ``finish`` finds out.
        """
        return await self._errands.carry_out(await self._errands.begin(command, terms), self._submit)

    async def _submit(self, errand: Errand) -> TxRecord:
        return await self._chain.submit(errand.intent, call_of(errand.command, errand.terms, self._me))

    async def status(self) -> Status:
        info = await self.registered()
        head, terms = await self._chain.head(), await self._chain.params()
        snapshot = await self._chain.snapshot(self._me, info.snapshot_id) if info.snapshot_id else None
        free = free_nonces(info)
        signed = [s.message for s in await self._nonces.signed(self._chain.domain, self._me)]
        unused = [request for request in signed if request.nonce in free]
        live = [request for request in unused if request.deadline + terms.settle_grace >= head.time]
        return Status(
            info=info,
            now=head.time,
            exposure=Gwei(sum(request.reward for request in live)),
            open_requests=len(live),
            used=NONCE_WINDOW - len(free),
            signed=len(unused),
            free=len(free) - len(unused),
            seats=len(snapshot.seats) if snapshot is not None else 0,
            members=tuple(await self._chain.committee(self._me)),
            account=await self._chain.balance(self._me),
        )
