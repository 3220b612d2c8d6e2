"""From a verdict to money: settling, extending, finalising, withdrawing, and what is coming.

Every transaction is an intent with a name that a restart finds again, so nothing is sent twice. What the
chain says is taken from its events; a reorganisation takes back what it told.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.core.eip712 import digest
from gpn_desktop.core.errors import GpnError, TransactionFailed
from gpn_desktop.core.ledger import LedgerRow
from gpn_desktop.core.messages import CastVote, VotesMessage
from gpn_desktop.core.settlement import Shares
from gpn_desktop.core.types import Address, Gwei, Hash32, Millis, Snapshot, Wei, to_wei
from gpn_desktop.ports.calls import Call, Extend, Finalize, SeatVote, WithdrawRewards
from gpn_desktop.ports.chain import (
    Chain,
    ChainEvent,
    Challenged,
    ConsumerSlashed,
    EntrySkipped,
    Extended,
    FeeForfeited,
    Finalized,
    NewHead,
    Reorged,
    RewardsWithdrawn,
    Settled,
    SettlementRecord,
    Slashed,
    Suspended,
    TxRecord,
    TxState,
)
from gpn_desktop.ports.store import WithdrawalRow
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.batch import Batch, Challenger, agrees, name_of
from gpn_desktop.services.context import Context, log, request_tag
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.evidence import Watch
from gpn_desktop.services.jobs import Jobs
from gpn_desktop.services.ledger import lines_of
from gpn_desktop.services.membership import Membership
from gpn_desktop.services.settling import Due, Settling
from gpn_desktop.services.views import EarningsView, Phase
from gpn_desktop.services.window import Window

STAGGER_MS: Final = 60_000  # between the members that would finalise a batch that its prover left
ALONG_MS: Final = 60_000  # for a settlement that pays an earlier batch along to be mined
REMEMBERED: Final = 64  # paid batches that a reorganisation may bring back


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
    totals: Totals = field(default_factory=Totals)
    member_id: int | None = None
    payout: Address | None = None
    claiming: asyncio.Lock = field(default_factory=asyncio.Lock)
    paid: dict[Hash32, tuple[Batch, int]] = field(default_factory=dict)
    _reckoning: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.window = Window(self.ctx.store, self.chain.records)
        self.settling = Settling(self.ctx, self.chain, self.authority, self.jobs, self.submit, self._finished)
        self.watch = Watch(self.ctx, self.chain, self.authority, self.jobs, self.submit)
        self.membership = Membership(self.ctx, self.chain, self.authority, self.submit)

    @property
    def due(self) -> dict[Hash32, Due]:
        """The verdicts of which no settlement was seen."""
        return self.settling.due

    async def accepted(self, entry: Entry) -> None:
        """A verdict; of what this node heard of late, the settlement may have been seen before."""
        batch = await self.window.holding(entry.id)
        if batch is None:
            await self.settling.accepted(entry)
        else:
            self.jobs.settle_phase(entry, Phase.SETTLED)
            await self._reckon(batch.settled.key)

    async def start(self) -> None:
        """Register and commit where the operator asked for it; load what was earned before."""
        rows = await self.ctx.store.withdrawals()
        self.totals.withdrawn = Wei(sum(row.amount for row in rows))
        self.totals.fees = Wei(int.from_bytes(await self.ctx.store.get("fees") or b"", "big"))
        await self.membership.load()
        if self.ctx.options.stake:
            await self.membership.join()
        await self._load_member()
        await self.authority.params()  # a verdict may find the chain away, and needs the delays all the same
        await self.watch.start()
        self.jobs.on_accept = self.accepted
        self.jobs.on_fault = self.watch.suspect
        self.jobs.on_double_request = self.watch.double_request

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

    # what the chain says ----------------------------------------------------------------------------------

    async def on_event(self, event: ChainEvent) -> None:
        match event:
            case NewHead(block):
                self.jobs.let_go()  # what the contract takes no more
                self.settling.let_go()
                await self.settling.settle_due()
                await self._finalize_due(Millis(block.time * 1000))
                self._extend_due(block.time)
                self._contest_due(Millis(block.time * 1000))
                await self._judge_windows()
                await self.watch.on_head()
                await self.membership.on_head()
                await self._remember(block.number)
            case Settled():
                await self._on_settled(event)
            case Extended(key, index, counted, _):
                await self._on_extended(key, index, counted)
            case Slashed():
                await self.watch.on_slashed(event)
            case Suspended():
                self.watch.on_suspended(event)
            case ConsumerSlashed():
                self.watch.on_consumer_slashed(event)
            case Challenged(key=key, index=index):
                await self._on_challenged(key, index, event)
            case FeeForfeited(key, index, seat, _):
                self.watch.on_forfeited(event)
                await self._on_forfeited(key, index, seat)
            case EntrySkipped():
                self.settling.skipped(event)
            case Finalized(key, block):
                await self._on_finalized(key, block.number)
            case RewardsWithdrawn():
                if event.member_id == self.member_id:
                    await self._on_withdrawn(event)
            case Reorged(first_number):
                await self.ctx.store.ledger_undo(first_number)
                await self._on_reorg(first_number)

    async def _remember(self, head: int) -> None:
        """Where a restart has to read on from: no later than the oldest settlement that is still open."""
        await self.ctx.store.set("from_block", self.window.oldest_block(head).to_bytes(8, "big"))

    async def _on_settled(self, event: Settled) -> None:
        committees = []
        for record in event.records:
            snapshot = await self.chain.snapshot(record.consumer, record.snapshot_id)
            if snapshot is None:
                log.error("a settlement names a committee that does not exist")
                return
            committees.append(snapshot)
        batch = Batch(event, self.window.shared(committees))
        batch.left_out = batch.leaves_out(self.ctx.me)
        known = [self.jobs.entries.get(r.request_id) for r in event.records]
        mine = any(self.ctx.me in c.members for c in batch.committees)
        if not mine and not any(known):
            return
        self.window.add(batch)
        for index, (record, entry) in enumerate(zip(event.records, known, strict=True)):
            self.settling.settled(record.request_id)
            if entry is not None:
                entry.credited = committees[index].seats[record.prover_seat].address
                self.jobs.settle_phase(entry, Phase.SETTLED)
                if not agrees(entry, record):
                    self.ctx.alert(f"A settlement contradicts this node's verdict: request {entry.id.hex()}")
                    self._plan_contest(batch, index, entry)
            elif left_out := await self._left_out(record, committees[index]):
                batch.kept = {**batch.kept, index: left_out}
            self._watch_over(batch, index, record)
        await self._reckon(batch.settled.key)

    async def _left_out(self, record: SettlementRecord, committee: Snapshot) -> list[CastVote]:
        """An earlier run's votes for what was settled, where its own was not counted."""
        seat = committee.members.get(self.ctx.me)
        if seat is None or record.counted >> seat & 1:
            return []
        messages = [kept.message for kept in await self.ctx.store.kept(record.request_id)]
        votes = [cast for m in messages if isinstance(m, VotesMessage) for cast in m.votes]
        return [cast for cast in votes if cast.signed.digest == record.vote_digest]

    def _extend_due(self, now: int) -> None:
        """Votes that were cast after their settlement, and those that the chain could not be told of."""
        for batch in self.window.awake.values():
            if not batch.left_out or now >= batch.settled.finalize_at:
                continue
            for index in batch.left_out - batch.extending:
                self._watch_over(batch, index, batch.settled.records[index])

    def _watch_over(self, batch: Batch, index: int, record: SettlementRecord) -> None:
        """A vote of ours that was left out is added, with all others that were.

        Whether this node ever saw the verdict does not matter: the contract has.
        """
        seats = batch.committee(index).members
        me = self.ctx.me
        if me not in seats or batch.counted(index) >> seats[me] & 1:
            return
        entry = self.jobs.entries.get(record.request_id)
        votes = batch.kept.get(index, [])
        if entry is not None:
            votes = [cast for tally in entry.job.tallies.values() for cast in tally.valid_votes()]
        valid = [cast for cast in votes if cast.signed.digest == record.vote_digest]
        missing = tuple(
            SeatVote(seats[cast.signed.signer], cast.signed.signature)
            for cast in sorted(valid, key=lambda c: seats[c.signed.signer])
            if not batch.counted(index) >> seats[cast.signed.signer] & 1
        )
        if any(vote.seat == seats[me] for vote in missing):
            settled = batch.settled
            call = Extend(settled.key, settled.finalize_at, settled.raw_records, index, missing)
            batch.extending |= {index}
            self.ctx.tasks.spawn(self._extend(batch, call), "extend")

    async def _extend(self, batch: Batch, call: Extend) -> None:
        try:
            await self.submit(f"extend:{name_of(call.key, call.finalize_at)}:{call.index}", call)
        except TransactionFailed:
            raise  # the contract's last word
        except GpnError as error:
            batch.extending -= {call.index}
            log.warning("extending waits: %s", error)

    # a settlement that contradicts our verdict -----------------------------------------------------------

    def _plan_contest(self, batch: Batch, index: int, entry: Entry) -> None:
        """The prover that this node knows to be right contests at once, the others one after another."""
        me, accepted = entry.job.mine.address, entry.job.accepted
        if me is not None and accepted is not None:
            turn = 0 if accepted[0] == me else 1 + entry.job.snapshot.members[me]
            batch.contests = {**batch.contests, index: self.authority.now() + turn * STAGGER_MS}
            batch.contested = True

    def _contest_due(self, now: Millis) -> None:
        for batch in self.window.awake.values():
            for index in [i for i, at in batch.contests.items() if at <= now]:
                batch.contests = {i: at for i, at in batch.contests.items() if i != index}
                entry = self.jobs.entries.get(batch.settled.records[index].request_id)
                if entry is not None:
                    self.ctx.tasks.spawn(self._contest(batch, index, entry), "contest")

    async def _contest(self, batch: Batch, index: int, entry: Entry) -> None:
        """Put the proof that this node knows to be verified up beside the one that was settled."""
        settled = batch.settled
        call = await self.settling.challenge(entry, settled, index)
        known = batch.challengers.get(index)
        if known is not None and known.digest == digest(call.vote, self.ctx.domain):
            return  # another member was first
        if len(call.votes) <= batch.counted(index).bit_count():
            log.info("request %s: not contested, the settled proof has as many votes", request_tag(entry.id))
            return
        try:
            await self.submit(f"supersede:{name_of(settled.key, settled.finalize_at)}:{index}", call)
        except TransactionFailed:
            raise  # the contract's last word
        except GpnError as error:
            batch.contests = {**batch.contests, index: self.authority.now()}
            log.warning("contesting waits: %s", error)

    async def _on_challenged(self, key: Hash32, index: int, event: Challenged) -> None:
        batch = await self.window.get(key)
        if batch is not None and index < len(batch):
            challenger = Challenger(event.prover_seat, event.counted, event.vote_digest)
            batch.challengers = {**batch.challengers, index: challenger}
            await self._reckon(batch.settled.key)

    async def _judge_windows(self) -> None:
        """Settlements whose counted verifiers turned out to be blind."""
        if not self.watch.blind:
            return
        shares = await self._shares()
        for request_id in list(self.watch.blind):
            if (batch := await self.window.holding(request_id)) is not None:
                fees = [batch.fee_of(index, shares) for index in range(len(batch))]
                self.watch.in_window(batch.settled, [batch.committee(i) for i in range(len(batch))], fees)

    async def _on_forfeited(self, key: Hash32, index: int, seat: int) -> None:
        batch = await self.window.get(key)
        if batch is not None and index < len(batch):
            batch.forfeited = {**batch.forfeited, index: batch.forfeited.get(index, 0) | 1 << seat}
            await self._reckon(batch.settled.key)

    async def _on_extended(self, key: Hash32, index: int, counted: int) -> None:
        batch = await self.window.get(key)
        if batch is not None and index < len(batch):
            batch.extend(index, counted)
            batch.left_out = batch.leaves_out(self.ctx.me)
            await self._reckon(batch.settled.key)

    async def _reckon(self, key: Hash32) -> None:
        """This node's share of a batch, as it stands; it is put to rest if nothing is to be done about it."""
        async with self._reckoning:
            if (batch := await self.window.get(key)) is not None:
                lines = await self._share(batch)
                if batch.is_calm and all(line.proved + line.verified for line in lines):
                    self.window.rest(batch)
        self.ctx.changed()

    async def _share(self, batch: Batch) -> list[LedgerRow]:
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
        lines = lines_of(batch, self.ctx.me, shares)
        await self.ctx.store.put_ledger(lines)
        return lines

    async def _shares(self) -> Shares:
        p = await self.authority.params()
        return Shares(p.prover_bps, p.inclusion_bps, p.verifier_bps, p.tip)

    # after the window -------------------------------------------------------------------------------------

    async def _finalize_due(self, now: Millis) -> None:
        """The prover finalises at once; the others follow one by one where it does not."""
        await self.window.wake_finished(now // 1000)
        for key, batch in self.window.awake.items():
            if now < batch.settled.finalize_at * 1000 or batch.asked or batch.share == 0:
                continue
            if now < batch.along + ALONG_MS:
                continue
            if self._paid_along(batch, now):
                continue
            committee, record = batch.committees[0], batch.settled.records[0]
            seat = committee.members.get(self.ctx.me, 0)
            turn = 0 if seat == record.prover_seat else 1 + seat
            if now >= batch.settled.finalize_at * 1000 + turn * STAGGER_MS:
                batch.asked = True
                self.ctx.tasks.spawn(self._finalize(key, batch), "finalize")

    def _paid_along(self, batch: Batch, now: Millis) -> bool:
        """A settlement of this node's own is coming, which pays the batch for less than a call by itself."""
        settled = batch.settled
        patience = self.ctx.options.settle.max_age * 1000
        mine = settled.submitter == self.ctx.me and now < settled.finalize_at * 1000 + patience
        return mine and self.settling.waits()

    async def _finalize(self, key: Hash32, batch: Batch) -> None:
        call = Finalize(key, batch.settled.finalize_at, batch.settled.raw_records)
        try:
            await self.submit(f"finalize:{name_of(key, batch.settled.finalize_at)}", call)
        except TransactionFailed as error:
            log.info("finalised by another member: %s", error)
        except GpnError as error:
            batch.asked = False
            log.warning("finalising waits: %s", error)

    async def _on_finalized(self, key: Hash32, block: int) -> None:
        batch = await self.window.get(key)
        if batch is None:
            return
        await self.ctx.store.put_settlement(batch.row(finalized=True))
        await self.ctx.store.ledger_paid(key, batch.settled.finalize_at, block)
        for record in batch.settled.records:
            entry = self.jobs.entries.get(record.request_id)
            if entry is not None:
                self.jobs.settle_phase(entry, Phase.PAID)
            else:
                await self._paid_row(record.request_id)
        await self._load_member()
        self.window.remove(key)  # last: whatever failed above is done again with the event
        self.paid[key] = (batch, block)
        while len(self.paid) > REMEMBERED:
            del self.paid[next(iter(self.paid))]
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
        await self.ctx.store.ledger_withdrawn(event.tx, event.block.number)
        rows = await self.ctx.store.withdrawals()
        self.totals.withdrawn = Wei(sum(row.amount for row in rows))
        await self._load_member()
        self.ctx.emit("withdrawn", {"amount": str(event.amount)})
        self.ctx.changed()

    async def _finished(self) -> Finalize | None:
        """A batch of this node's own whose window is over, to be paid by its next settlement."""
        now = self.authority.now()
        await self.window.wake_finished(now // 1000)
        for key, batch in self.window.awake.items():
            settled = batch.settled
            free = not batch.asked and batch.along + ALONG_MS <= now
            if settled.submitter == self.ctx.me and free and settled.finalize_at * 1000 <= now:
                batch.along = now
                return Finalize(key, settled.finalize_at, settled.raw_records)
        return None

    async def _on_reorg(self, first_number: int) -> None:
        self.authority.reorged()
        await self.window.wake_since(first_number)
        self.watch.on_reorg()
        paid = list(self.paid.items())
        unpaid = [self.paid.pop(key)[0] for key, (_, block) in paid if block >= first_number]
        for batch in (*self.window.awake.values(), *unpaid):
            if batch.settled.block.number >= first_number:
                self._unsettle(batch)
        # Last, as what paid a batch may be the settlement that took its key, and is taken back as well.
        for batch in unpaid:
            if batch.settled.block.number < first_number:
                self._unpay(batch)

    def _unsettle(self, batch: Batch) -> None:
        """A reorganisation took a settlement back: its verdicts are due again."""
        self.window.remove(batch.settled.key)
        for entry in self._entries(batch):
            entry.credited = None
            self.jobs.settle_phase(entry, None)
            self.ctx.tasks.spawn(self.accepted(entry), "settle again")

    def _unpay(self, batch: Batch) -> None:
        """A reorganisation took a payment back: the batch is in its window again."""
        batch.asked = False
        self.window.add(batch)
        for entry in self._entries(batch):
            self.jobs.settle_phase(entry, Phase.SETTLED)

    def _entries(self, batch: Batch) -> list[Entry]:
        ids = [record.request_id for record in batch.settled.records]
        return [self.jobs.entries[request_id] for request_id in ids if request_id in self.jobs.entries]

    def view(self) -> EarningsView:
        shares = list(self.window.shares())
        return EarningsView(
            in_window=Gwei(sum(share for share, _ in shares)),
            claimable=self.totals.claimable,
            withdrawn=self.totals.withdrawn,
            fees=self.totals.fees,
            next_finalize_at=min((finalize_at for _, finalize_at in shares), default=0),
        )
