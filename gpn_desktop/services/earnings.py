"""From a verdict to money: settling, extending, finalising, withdrawing, and what is coming.

Every transaction is an intent with a name that a restart finds again, so nothing is sent twice. What the
chain says is taken from its events; a reorganisation takes back what it told.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import ChainUnreachable, FeesTooHigh, GpnError, TransactionFailed
from gpn_desktop.core.messages import VotesMessage
from gpn_desktop.core.settlement import Shares
from gpn_desktop.core.types import Address, Gwei, Hash32, Millis, Vote, Wei, to_wei
from gpn_desktop.ports.calls import (
    Call,
    Commit,
    Extend,
    Finalize,
    RegisterProver,
    SeatVote,
    Settle,
    SettlementEntry,
    WithdrawRewards,
)
from gpn_desktop.ports.chain import (
    Chain,
    ChainEvent,
    Extended,
    Finalized,
    NewHead,
    Reorged,
    RewardsWithdrawn,
    Settled,
    SettlementRecord,
    TxRecord,
    TxState,
)
from gpn_desktop.ports.store import WithdrawalRow
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.batch import Batch, agrees
from gpn_desktop.services.context import Context, log, request_tag
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.jobs import Jobs
from gpn_desktop.services.views import EarningsView, Phase

COLLECT_SECONDS: Final = 1.0  # after a verdict, for the votes that are still on their way
STAGGER_MS: Final = 60_000  # between the members that would finalise a batch that its prover left
REFUSED_PAUSE_MS: Final = 60_000  # before the contract is asked again about what it refused
MAX_BATCH: Final = 16  # requests in one settlement, far below what a block has gas for


@dataclass
class Due:
    """A verdict of which no settlement was seen; ``at`` is when it becomes this node's business."""

    entry: Entry
    at: Millis
    asked: bool = False


@dataclass
class Totals:
    claimable: Gwei = Gwei(0)
    withdrawn: Wei = Wei(0)
    fees: Wei = Wei(0)


@dataclass
class Earnings:
    ctx: Context
    chain: Chain
    authority: ChainAuthority
    jobs: Jobs
    batches: dict[Hash32, Batch] = field(default_factory=dict)
    due: dict[Hash32, Due] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    member_id: int | None = None
    payout: Address | None = None
    claiming: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Register and commit where the operator asked for it; load what was earned before."""
        rows = await self.ctx.store.withdrawals()
        self.totals.withdrawn = Wei(sum(row.amount for row in rows))
        self.totals.fees = Wei(int.from_bytes(await self.ctx.store.get("fees") or b"", "big"))
        if self.ctx.options.stake:
            await self._register()
        await self._load_member()
        await self.authority.params()  # a verdict may find the chain away, and needs the delays all the same
        self.jobs.on_accept = self.accepted

    async def _register(self) -> None:
        options = self.ctx.options
        if await self.chain.prover(self.ctx.me) is None:
            await self.submit("register", RegisterProver(options.payout, options.stake))
        for consumer in options.serve:
            info = await self.chain.consumer(consumer)
            if info is None:
                self.ctx.alert(f"A configured consumer is not registered: {consumer.hex()}")
                continue
            intent = f"commit:{consumer.hex()}:{info.image_digest.hex()}"
            await self.submit(intent, Commit(consumer, info.image_digest, options.roles))
        self.ctx.emit("committed", {"address": self.ctx.me.hex()})

    async def _load_member(self) -> None:
        member = await self.chain.prover(self.ctx.me)
        if member is not None:
            self.member_id, self.payout = member.member_id, member.payout
            self.totals.claimable = await self.chain.rewards(member.member_id)

    async def submit(self, intent: str, call: Call) -> TxRecord:
        before = await self.ctx.store.tx_by_intent(intent)
        new = before is None or before.state is TxState.QUEUED
        record = await self.chain.submit(intent, call)
        if new:
            self.totals.fees = Wei(self.totals.fees + record.fee)
            size = (self.totals.fees.bit_length() + 7) // 8
            await self.ctx.store.set("fees", self.totals.fees.to_bytes(size, "big"))
        return record

    # settling ---------------------------------------------------------------------------------------------

    async def accepted(self, entry: Entry) -> None:
        """A verdict: the credited prover settles soon, any other member after the contract's delay."""
        accepted = entry.job.accepted
        me = entry.job.mine.address
        if accepted is None or me is None or entry.settled is not None:
            return
        if accepted[0] == me:
            await self._collect(entry)
            self.due[entry.id] = Due(entry, self.authority.now())
        else:
            delay = (await self.authority.params()).settle_delay * 1000
            turn = entry.job.snapshot.members[me] * STAGGER_MS // 4
            self.due[entry.id] = Due(entry, Millis(self.authority.now() + delay + turn))
        await self._settle_due()

    async def _collect(self, entry: Entry) -> None:
        """Wait for the votes of all of V, but not for long: each one raises the prover's share."""
        accepted = entry.job.accepted
        if accepted is None:
            return
        everybody = len(entry.job.snapshot.verifiers(accepted[0]))
        came = asyncio.Event()

        def look() -> None:
            if entry.tally().count(True) >= everybody:
                came.set()

        self.ctx.watchers.add(look)
        try:
            look()
            async with asyncio.timeout(COLLECT_SECONDS):
                await came.wait()
        except TimeoutError:
            log.info("request %s: settled without all votes", request_tag(entry.id))
        finally:
            self.ctx.watchers.discard(look)

    async def _settle_due(self) -> None:
        now = self.authority.now()
        ready = [d for d in self.due.values() if d.at <= now and not d.asked and d.entry.settled is None]
        groups: dict[tuple[Address, int], list[Due]] = {}
        for due in ready:
            due.asked = True
            request = due.entry.job.request
            groups.setdefault((request.consumer, request.snapshot_id), []).append(due)
        for group in groups.values():
            self.ctx.tasks.spawn(self._settle(group), "settle")

    async def _settle(self, group: list[Due]) -> None:
        try:
            named = await self._named(group)
        except GpnError as error:
            self._postpone(group, error)
            return
        for intent, part in named.items():
            await self._send(intent, part)

    async def _named(self, group: list[Due]) -> dict[str, list[Due]]:
        """Each request under the name it was sent under before; the others together, under a name of theirs.

        The name is kept before anything is sent, so that a restart asks for the same transaction. A name
        without a transaction is worth nothing: the batch behind it may have been another one.
        """
        named: dict[str, list[Due]] = {}
        fresh: list[Due] = []
        failed: list[Hash32] = []
        queued: set[str] = set()
        for due in group:
            name = (await self.ctx.store.get(f"settling:{due.entry.id.hex()}") or b"").decode()
            record = await self.ctx.store.tx_by_intent(name) if name else None
            if record is None:
                fresh.append(due)
            elif record.state is TxState.QUEUED:
                fresh.append(due)  # nothing was signed, and the batch may have changed since
                queued.add(name)
            elif record.state is TxState.REVERTED:
                fresh.append(due)
                failed.append(record.hash)
            else:
                named.setdefault(name, []).append(due)
        for first in range(0, len(fresh), MAX_BATCH):
            part = fresh[first : first + MAX_BATCH]
            intent = f"settle:{keccak(*(due.entry.id for due in part), *failed).hex()}"
            for due in part:
                await self.ctx.store.set(f"settling:{due.entry.id.hex()}", intent.encode())
            named[intent] = part
        for name in queued - named.keys():
            await self.ctx.store.forget_unsigned(name)
        return named

    async def _send(self, intent: str, part: list[Due]) -> None:
        try:
            entries = tuple([await self._settlement_entry(due.entry) for due in part])
            record = await self.submit(intent, Settle(entries))
        except TransactionFailed as error:
            self._postpone([due for due in part if not await self._is_settled(due.entry)], error)
        except GpnError as error:
            self._postpone(part, error)
        else:
            ids = [due.entry.id.hex() for due in part]
            self.ctx.emit("settle_sent", {"requests": ids, "tx": record.hash.hex()})

    async def _is_settled(self, entry: Entry) -> bool:
        """Whether the contract has settled the nonce, so that its event is on the way here."""
        request = entry.job.request
        try:
            info = await self.chain.consumer(request.consumer)
        except ChainUnreachable:
            return False
        offset = request.nonce - info.nonce_base if info is not None else 0
        return info is not None and (offset < 0 or bool(info.nonce_window >> offset & 1))

    def _postpone(self, part: list[Due], error: GpnError) -> None:
        """Whatever keeps a settlement back, it is tried again until the contract takes it no more."""
        refused = isinstance(error, TransactionFailed)
        for due in part:
            due.asked = False
            due.at = Millis(self.authority.now() + (REFUSED_PAUSE_MS if refused else 0))
        if isinstance(error, ChainUnreachable | FeesTooHigh):
            log.warning("settlement waits: %s", error)
        elif any(due.entry.settled is None for due in part):
            self.ctx.alert(f"Settling failed: {error}")

    async def _settlement_entry(self, entry: Entry) -> SettlementEntry:
        """The request with its valid votes, in strictly increasing seat order as the contract wants them.

        Also those of voters that contradicted themselves after the verdict: it was final, and they signed it.
        """
        accepted = entry.job.accepted
        if accepted is None:
            raise TransactionFailed("The request has no verdict.")
        prover, proof_hash = accepted
        vote = Vote(entry.id, prover, proof_hash, entry.job.rank(prover) or 0, True)
        casts = {cast.signed.signer: cast for cast in entry.tally().valid_votes()}
        for kept in await self.ctx.store.kept(entry.id):
            for cast in kept.message.votes if isinstance(kept.message, VotesMessage) else ():
                if cast.signed.message == vote:
                    casts.setdefault(cast.signed.signer, cast)
        seats = entry.job.snapshot.members
        votes = sorted((seats[signer], cast.signed.signature) for signer, cast in casts.items())
        return SettlementEntry(entry.message.signed, vote, tuple(SeatVote(*seat) for seat in votes))

    # what the chain says ----------------------------------------------------------------------------------

    async def on_event(self, event: ChainEvent) -> None:
        match event:
            case NewHead(block):
                self._let_go()
                await self._settle_due()
                await self._finalize_due(Millis(block.time * 1000))
                self._extend_due(block.time)
                await self._remember(block.number)
            case Settled():
                await self._on_settled(event)
            case Extended(key, index, counted, _):
                await self._on_extended(key, index, counted)
            case Finalized(key, _):
                await self._on_finalized(key)
            case RewardsWithdrawn():
                if event.member_id == self.member_id:
                    await self._on_withdrawn(event)
            case Reorged(first_number):
                self._on_reorg(first_number)
            case _:
                pass

    async def _remember(self, head: int) -> None:
        """Where a restart has to read on from: no later than the oldest settlement that is still open."""
        oldest = min([b.settled.block.number for b in self.batches.values()] + [head])
        await self.ctx.store.set("from_block", oldest.to_bytes(8, "big"))

    async def _on_settled(self, event: Settled) -> None:
        committees = []
        for record in event.records:
            snapshot = await self.chain.snapshot(record.consumer, record.snapshot_id)
            if snapshot is None:
                log.error("a settlement names a committee that does not exist")
                return
            committees.append(snapshot)
        batch = Batch(event, [r.counted for r in event.records], committees)
        known = [self.jobs.entries.get(r.request_id) for r in event.records]
        mine = any(self.ctx.me in c.members for c in committees)
        if not mine and not any(known):
            return
        self.batches[event.key] = batch
        for index, (record, entry) in enumerate(zip(event.records, known, strict=True)):
            self.due.pop(record.request_id, None)
            if entry is not None:
                self.jobs.settle_phase(entry, Phase.SETTLED)
                if not agrees(entry, record):
                    self.ctx.alert(f"A settlement contradicts this node's verdict: request {entry.id.hex()}")
                self._watch_over(batch, index, record, entry)
        await self._reckon(batch)

    def _extend_due(self, now: int) -> None:
        """Votes that were cast after their settlement, and those that the chain could not be told of."""
        for batch in self.batches.values():
            if now >= batch.settled.finalize_at:
                continue
            for index, record in enumerate(batch.settled.records):
                entry = self.jobs.entries.get(record.request_id)
                if entry is not None and index not in batch.extending:
                    self._watch_over(batch, index, record, entry)

    def _watch_over(self, batch: Batch, index: int, record: SettlementRecord, entry: Entry) -> None:
        """A vote of ours that was left out is added, with all others that were."""
        me = entry.job.mine.address
        seats = entry.job.snapshot.members
        if entry.job.accepted is None or me is None or batch.counted[index] >> seats[me] & 1:
            return
        if not agrees(entry, record):
            return
        valid = entry.tally().valid_votes()
        missing = tuple(
            SeatVote(seats[cast.signed.signer], cast.signed.signature)
            for cast in sorted(valid, key=lambda c: seats[c.signed.signer])
            if not batch.counted[index] >> seats[cast.signed.signer] & 1
        )
        if any(vote.seat == seats[me] for vote in missing):
            settled = batch.settled
            call = Extend(settled.key, settled.finalize_at, settled.raw_records, index, missing)
            batch.extending.add(index)
            self.ctx.tasks.spawn(self._extend(batch, call), "extend")

    async def _extend(self, batch: Batch, call: Extend) -> None:
        try:
            await self.submit(f"extend:{call.key.hex()}:{call.index}", call)
        except TransactionFailed:
            raise  # the contract's last word
        except GpnError as error:
            batch.extending.discard(call.index)
            log.warning("extending waits: %s", error)

    async def _on_extended(self, key: Hash32, index: int, counted: int) -> None:
        batch = self.batches.get(key)
        if batch is not None and index < len(batch.counted):
            batch.counted[index] |= counted
            await self._reckon(batch)

    async def _reckon(self, batch: Batch) -> None:
        """This node's share of a batch, as it stands."""
        shares = await self._shares()
        total = 0
        for index, record in enumerate(batch.settled.records):
            share = batch.share_of(self.ctx.me, index, shares)
            total += share
            entry = self.jobs.entries.get(record.request_id)
            if entry is not None and entry.earned != share:
                entry.earned = share
                await self.ctx.store.put_job(entry.row(self.authority.now()))
        batch.share = Gwei(total)
        await self.ctx.store.put_settlement(batch.row(finalized=False))
        self.ctx.changed()

    async def _shares(self) -> Shares:
        p = await self.authority.params()
        return Shares(p.prover_bps, p.inclusion_bps, p.verifier_bps, p.tip)

    # after the window -------------------------------------------------------------------------------------

    async def _finalize_due(self, now: Millis) -> None:
        """The prover finalises at once; the others follow one by one where it does not."""
        for key, batch in self.batches.items():
            if batch.asked or batch.share == 0:
                continue
            committee, record = batch.committees[0], batch.settled.records[0]
            seat = committee.members.get(self.ctx.me, 0)
            turn = 0 if seat == record.prover_seat else 1 + seat
            if now >= batch.settled.finalize_at * 1000 + turn * STAGGER_MS:
                batch.asked = True
                self.ctx.tasks.spawn(self._finalize(key, batch), "finalize")

    async def _finalize(self, key: Hash32, batch: Batch) -> None:
        call = Finalize(key, batch.settled.finalize_at, batch.settled.raw_records)
        try:
            await self.submit(f"finalize:{key.hex()}", call)
        except TransactionFailed as error:
            log.info("finalised by another member: %s", error)
        except GpnError as error:
            batch.asked = False
            log.warning("finalising waits: %s", error)

    async def _on_finalized(self, key: Hash32) -> None:
        batch = self.batches.get(key)
        if batch is None:
            return
        await self.ctx.store.put_settlement(batch.row(finalized=True))
        for record in batch.settled.records:
            entry = self.jobs.entries.get(record.request_id)
            if entry is not None:
                self.jobs.settle_phase(entry, Phase.PAID)
            else:
                await self._paid_row(record.request_id)
        await self._load_member()
        self.batches.pop(key, None)  # last: whatever failed above is done again with the event
        self.ctx.emit("paid", {"requests": [r.request_id.hex() for r in batch.settled.records]})
        self.ctx.changed()
        if self.ctx.options.auto_claim and self.totals.claimable:
            self.ctx.tasks.spawn(self._claim(), "claim")

    async def _paid_row(self, request_id: Hash32) -> None:
        row = await self.ctx.store.job(request_id)
        if row is not None:
            ended = int(self.ctx.clock.unix() * 1000)
            await self.ctx.store.put_job(replace(row, phase=Phase.PAID.value, open=False, ended_ms=ended))

    async def withdraw(self) -> Wei:
        """Facade.withdraw. Each withdrawal is an intent with a number of its own, kept across restarts."""
        sent = 0
        async with self.claiming:
            await self._load_member()
            while self.member_id is not None and self.totals.claimable:
                amount = self.totals.claimable
                number = int.from_bytes(await self.ctx.store.get("withdrawals") or b"", "big")
                following = (number + 1).to_bytes(8, "big")
                try:
                    record = await self.submit(f"withdraw:{number}", WithdrawRewards(self.member_id))
                except TransactionFailed:
                    await self.ctx.store.set("withdrawals", following)  # the next try is another one
                    raise
                await self.ctx.store.set("withdrawals", following)
                await self._load_member()
                sent += to_wei(amount) if record.is_done else 0
        self.ctx.changed()
        return Wei(sent)

    async def _claim(self) -> None:
        await self.withdraw()

    async def _on_withdrawn(self, event: RewardsWithdrawn) -> None:
        """Also withdrawals that somebody else sent: they go to the same payout address."""
        now = int(self.ctx.clock.unix() * 1000)
        await self.ctx.store.put_withdrawal(WithdrawalRow(event.tx, event.amount, now))
        rows = await self.ctx.store.withdrawals()
        self.totals.withdrawn = Wei(sum(row.amount for row in rows))
        await self._load_member()
        self.ctx.emit("withdrawn", {"amount": str(event.amount)})
        self.ctx.changed()

    def _on_reorg(self, first_number: int) -> None:
        self.authority.reorged()
        for key, batch in list(self.batches.items()):
            if batch.settled.block.number < first_number:
                continue
            del self.batches[key]
            for record in batch.settled.records:
                entry = self.jobs.entries.get(record.request_id)
                if entry is not None:
                    self.jobs.settle_phase(entry, None)
                    self.ctx.tasks.spawn(self.accepted(entry), "settle again")

    def _let_go(self) -> None:
        """What the contract takes no more is nobody's business any longer."""
        self.jobs.let_go()
        for request_id in [i for i, due in self.due.items() if due.entry.closed]:
            del self.due[request_id]

    def view(self) -> EarningsView:
        open_batches = [b for b in self.batches.values() if b.share]
        return EarningsView(
            in_window=Gwei(sum(b.share for b in open_batches)),
            claimable=self.totals.claimable,
            withdrawn=self.totals.withdrawn,
            fees=self.totals.fees,
            next_finalize_at=min((b.settled.finalize_at for b in open_batches), default=0),
        )
