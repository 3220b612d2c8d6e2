"""This node as a member: registered with its stake, committed to those that it serves, and staying so.

A commitment ends by itself after some weeks, so that absent members cannot block a quorum; a node that is
there renews its own in time. Whom the operator committed to from the app is kept in the journal, beside the
consumers of the settings. Taking a commitment back draws a committee without this node, where two are left
for one. It goes on serving until no committee that counts has a seat of its own, and the requests on that
seat have ended: a seat that nobody sits on costs the others their quorum.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gpn_desktop.core.errors import (
    AlreadyLeaving,
    ChainUnreachable,
    ConsumerUnknown,
    FeesTooHigh,
    NotAMember,
    StakeTooSmall,
    TransactionFailed,
    WalletShort,
)
from gpn_desktop.core.types import WEI_PER_GWEI, Address, Hash32, Wei, parse_address, short
from gpn_desktop.ports.calls import BeginUnbond, Call, Commit, RegisterProver, Renew, Uncommit, WithdrawStake
from gpn_desktop.ports.chain import Chain, ConsumerInfo, ProverInfo, SnapshotTaken, TxRecord
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.context import Context, log

RENEW_SECONDS: Final = 7 * 24 * 3600  # before the end: time for an operator to notice what is wrong
LOOK_MS: Final = 3_600_000
FACT: Final = "duties"
# Measured on anvil; what is asked of the operator beforehand errs on the high side.
REGISTER_GAS: Final = 190_000
COMMIT_GAS: Final = 150_000

Submit = Callable[[str, Call], Awaitable[TxRecord]]


@dataclass(frozen=True, slots=True)
class CommitCost:
    """What a commitment takes, in wei. ``stake`` is 0 where the node is registered already."""

    stake: Wei
    fee: Wei
    balance: Wei

    @property
    def total(self) -> Wei:
        return Wei(self.stake + self.fee)

    @property
    def affordable(self) -> bool:
        return self.balance >= self.total


@dataclass
class Membership:
    """``begin`` and ``end`` start and stop the work for a consumer; ``working``: a request of its goes on."""

    ctx: Context
    chain: Chain
    authority: ChainAuthority
    submit: Submit
    looked_ms: int = 0
    begin: Callable[[Address], Awaitable[None]] | None = None
    end: Callable[[Address], Awaitable[None]] | None = None
    working: Callable[[Address], bool] = lambda _: False
    chosen: set[Address] = field(default_factory=set)
    leaving: set[Address] = field(default_factory=set)
    left: dict[Address, int] = field(default_factory=dict)
    """How often each was left: a later commitment is another one, not one that was sent already."""
    expiry: dict[Address, int] = field(default_factory=dict)
    """When each commitment of this node ends, in Unix seconds, as last looked at."""
    me: ProverInfo | None = None

    # what was decided before ------------------------------------------------------------------------------

    async def load(self) -> None:
        """Whom the operator chose and left, from the journal."""
        kept = await self.ctx.store.get(FACT)
        known = json.loads(kept) if kept else {}
        self.chosen = {parse_address(text) for text in known.get("chosen", ())}
        self.leaving = {parse_address(text) for text in known.get("leaving", ())}
        self.left = {parse_address(text): int(count) for text, count in known.get("left", {}).items()}
        configured = [c for c in self.ctx.options.serve if c not in self.left or c in self.chosen]
        self.ctx.serve = tuple(dict.fromkeys([*configured, *sorted(self.chosen | self.leaving)]))

    async def _remember(self) -> None:
        known = {
            "chosen": [f"0x{a.hex()}" for a in sorted(self.chosen)],
            "leaving": [f"0x{a.hex()}" for a in sorted(self.leaving)],
            "left": {f"0x{a.hex()}": count for a, count in self.left.items()},
        }
        await self.ctx.store.set(FACT, json.dumps(known).encode())

    async def join(self) -> None:
        """Register and commit as the settings say, where that was not done before."""
        options = self.ctx.options
        if await self.chain.prover(self.ctx.me) is None:
            await self.submit("register", RegisterProver(options.payout, options.stake))
        for consumer in self.ctx.serve:
            if consumer in self.leaving:
                continue
            info = await self.chain.consumer(consumer)
            if info is None:
                self.ctx.alert(f"A configured consumer is not registered: {consumer.hex()}")
                continue
            await self._commit(consumer, info.image_digest)
        self.ctx.emit("committed", {"address": self.ctx.me.hex()})

    async def look(self) -> None:
        """What the chain says about this node now."""
        self.me = await self.chain.prover(self.ctx.me)
        for consumer in self.ctx.serve:
            mine = next((c for c in await self.chain.committee(consumer) if c.prover == self.ctx.me), None)
            if mine is None:
                self.expiry.pop(consumer, None)
            else:
                self.expiry[consumer] = mine.expires_at

    # the operator's commands ------------------------------------------------------------------------------

    async def cost(self, consumer: Address) -> CommitCost:
        """What committing takes now: the stake of a first one, and the fees at the present price."""
        registered = await self.chain.prover(self.ctx.me) is not None
        gas = COMMIT_GAS if registered else COMMIT_GAS + REGISTER_GAS
        stake = Wei(0) if registered else await self._stake()
        price = await self.chain.gas_price()
        return CommitCost(stake, Wei(gas * price), await self.chain.balance(self.ctx.me))

    async def commit(self, consumer: Address) -> None:
        """Register if need be, commit, and serve the consumer from now on.

        Raises:
            ConsumerUnknown: it is not registered, or it is leaving.
            WalletShort: the balance does not cover stake and fee.
            TransactionFailed, ChainUnreachable, FeesTooHigh
        """
        info = await self._info(consumer)
        cost = await self.cost(consumer)
        if not cost.affordable:
            raise WalletShort(
                f"Committing takes {_eth(cost.total)} ETH with its fee, and the node’s key has "
                f"{_eth(cost.balance)} ETH.",
                remedy=f"Send at least {_eth(Wei(cost.total - cost.balance))} ETH to 0x{self.ctx.me.hex()}.",
            )
        self.chosen.add(consumer)
        self.leaving.discard(consumer)
        await self._remember()  # before anything leaves: a restart takes it up
        if cost.stake:
            await self.submit("register", RegisterProver(self.ctx.options.payout, cost.stake))
        await self._commit(consumer, info.image_digest)
        await self._serve(consumer)

    async def uncommit(self, consumer: Address) -> None:
        """Take the commitment back. The requests on its seat are served to their end.

        Raises:
            AlreadyLeaving, TransactionFailed, ChainUnreachable, FeesTooHigh
        """
        if consumer in self.leaving:
            raise AlreadyLeaving(f"This node is leaving {short(consumer)} already.")
        count = self.left.get(consumer, 0) + 1
        await self.submit(f"uncommit:{consumer.hex()}:{count}", Uncommit(consumer))
        self.left[consumer] = count
        self.chosen.discard(consumer)
        self.leaving.add(consumer)
        await self._remember()
        info = await self.chain.consumer(consumer)
        await self._left(consumer, info)
        self.ctx.changed()

    async def unbond(self) -> int:
        """Begin to leave the network; when the stake can be taken, in Unix seconds.

        Raises:
            NotAMember: nothing is staked.
            AlreadyLeaving: it was begun before.
            TransactionFailed: a commitment is still there, for one.
        """
        me = await self.chain.prover(self.ctx.me)
        if me is None or not me.stake:
            raise NotAMember("This node has no stake on the contract.")
        if me.unbond_at:
            raise AlreadyLeaving("Leaving was begun already.")
        await self.submit(f"unbond:{await self._turn('unbond')}", BeginUnbond())
        await self.look()
        self.ctx.changed()
        return self.me.unbond_at if self.me is not None else 0

    async def withdraw_stake(self) -> Wei:
        """Send the stake to the payout address, once its time has come; the amount."""
        me = await self.chain.prover(self.ctx.me)
        if me is None or not me.unbond_at:
            raise NotAMember("Leaving was not begun, so the stake stays where it is.")
        await self.submit(f"withdraw-stake:{await self._turn('withdraw-stake')}", WithdrawStake())
        await self.look()
        self.ctx.changed()
        return me.stake

    async def _turn(self, what: str) -> int:
        """Each is an intent of its own; one that failed is followed by another."""
        name = f"turn:{what}"
        number = int.from_bytes(await self.ctx.store.get(name) or b"", "big") + 1
        await self.ctx.store.set(name, number.to_bytes(4, "big"))
        return number

    async def _info(self, consumer: Address) -> ConsumerInfo:
        info = await self.chain.consumer(consumer)
        if info is None:
            raise ConsumerUnknown(f"No consumer {short(consumer)} is registered on the contract.")
        if info.exit_at:
            raise ConsumerUnknown(f"The consumer {short(consumer)} is leaving the contract.")
        return info

    async def _stake(self) -> Wei:
        least = (await self.authority.params()).min_stake
        wanted = self.ctx.options.stake
        if wanted and wanted < least:
            raise StakeTooSmall(
                f"chain.stake is {_eth(wanted)} ETH, and the contract asks for {_eth(least)} ETH."
            )
        return wanted or least

    async def _serve(self, consumer: Address) -> None:
        if consumer not in self.ctx.serve:
            self.ctx.serve = (*self.ctx.serve, consumer)
        await self.look()
        if self.begin is not None:
            await self.begin(consumer)
        self.ctx.changed()

    async def _commit(self, consumer: Address, image: Hash32) -> None:
        again = self.left.get(consumer, 0)
        intent = f"commit:{consumer.hex()}:{image.hex()}" + (f":{again}" if again else "")
        await self.submit(intent, Commit(consumer, image, self.ctx.options.roles))

    # what the chain tells ---------------------------------------------------------------------------------

    async def on_snapshot(self, event: SnapshotTaken) -> None:
        """A committee without this node: what it was leaving is over."""
        if event.consumer in self.leaving:
            await self._left(event.consumer, await self.chain.consumer(event.consumer))
        if event.consumer in self.ctx.serve:
            await self.look()

    async def _left(self, consumer: Address, info: ConsumerInfo | None) -> None:
        if self.working(consumer):
            return
        if info is not None and info.snapshot_id:
            snapshot = await self.chain.snapshot(consumer, info.snapshot_id)
            if snapshot is not None and self.ctx.me in snapshot.members:
                return
        self.leaving.discard(consumer)
        self.ctx.serve = tuple(served for served in self.ctx.serve if served != consumer)
        await self._remember()
        if self.end is not None:
            await self.end(consumer)
        self.ctx.changed()

    async def on_head(self) -> None:
        """Renew what ends soon; looked at from time to time."""
        now = self.authority.now()
        for consumer in self.leaving:
            if not self.working(consumer):
                self.ctx.tasks.spawn(self._leave_now(consumer), "leave")
        if not (self.ctx.options.stake or self.chosen) or now < self.looked_ms + LOOK_MS:
            return
        self.looked_ms = now
        for consumer in self.ctx.serve:
            if consumer not in self.leaving:
                self.ctx.tasks.spawn(self._renew(consumer, now // 1000), "renew")

    async def _leave_now(self, consumer: Address) -> None:
        try:
            await self._left(consumer, await self.chain.consumer(consumer))
        except ChainUnreachable as error:
            log.info("leaving is completed later: %s", error)

    async def _renew(self, consumer: Address, now: int) -> None:
        try:
            mine = next((c for c in await self.chain.committee(consumer) if c.prover == self.ctx.me), None)
            if mine is None or not mine.eligible or mine.expires_at > now + RENEW_SECONDS:
                return
            # The end is part of the name: each renewal is another one, and each is sent once.
            await self.submit(f"renew:{consumer.hex()}:{mine.expires_at}", Renew(consumer))
            await self.look()
            self.ctx.emit("renewed", {"consumer": consumer.hex()})
        except (ChainUnreachable, FeesTooHigh) as error:
            log.info("a commitment is renewed later: %s", error)
        except TransactionFailed as error:
            self.ctx.alert(f"The commitment to {consumer.hex()} could not be renewed: {error}")


def _eth(amount: Wei) -> str:
    """Rounded up to the gwei: what has to be there, never less."""
    gwei = -(-amount // WEI_PER_GWEI)
    return f"{gwei // 10**9}.{gwei % 10**9:09d}".rstrip("0").rstrip(".")
