"""From a verdict to a settlement: when, with which others, with which signatures, and again until it stands.

Every settlement is an intent with a name that a restart finds again, so nothing is sent twice. The contract
has the last word on each request: what it skips is dropped with its reason, or tried again where that helps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gpn_desktop.core.batching import (
    Verdict,
    Waiting,
    decide,
    gas_attested,
    gas_single,
    prefers_attested,
)
from gpn_desktop.core.eip712 import digest, keccak
from gpn_desktop.core.errors import ChainUnreachable, FeesTooHigh, GpnError, TransactionFailed
from gpn_desktop.core.messages import VotesMessage
from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import Address, Gwei, Hash32, Millis, Signature, Vote, Wei
from gpn_desktop.ports.calls import (
    Call,
    Finalize,
    SeatVote,
    Settle,
    SettleAttested,
    SettlementEntry,
    Supersede,
)
from gpn_desktop.ports.chain import Chain, ContractParams, EntrySkipped, Settled, TxRecord, TxState
from gpn_desktop.services.attestation import attest, collect
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.context import Context, log, request_tag
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.jobs import Jobs

COLLECT_SECONDS: Final = 1.0  # after a verdict, for the votes that are still on their way
STAGGER_MS: Final = 15_000  # between the members that would settle in the prover's place
REFUSED_PAUSE_MS: Final = 60_000  # before the contract is asked again about what it refused
# Skipped for a reason that may go away: money may come, and the nonces before it may be settled or retired.
PASSING: Final = frozenset({"InsufficientBalance", "NonceTooFar"})

Submit = Callable[[str, Call], Awaitable[TxRecord]]


@dataclass
class Due:
    """A verdict of which no settlement was seen; ``at`` is when it becomes this node's business.

    ``latest`` is when it has to be sent for anything to come of it, ``share`` what it brings this node.
    """

    entry: Entry
    at: Millis
    latest: Millis
    share: Gwei
    asked: bool = False


@dataclass
class Settling:
    """``finished`` gives a batch of this node's own that the same transaction can pay, if there is one."""

    ctx: Context
    chain: Chain
    authority: ChainAuthority
    jobs: Jobs
    submit: Submit
    finished: Callable[[], Awaitable[Finalize | None]]
    due: dict[Hash32, Due] = field(default_factory=dict)
    _sent: dict[Hash32, tuple[Hash32, ...]] = field(default_factory=dict)  # the requests by transaction
    _skipped: dict[Hash32, list[EntrySkipped]] = field(default_factory=dict)

    async def accepted(self, entry: Entry) -> None:
        """A verdict: the credited prover settles, any other member once the contract tips it for that."""
        accepted = entry.job.accepted
        me = entry.job.mine.address
        if accepted is None or me is None or entry.settled is not None:
            return
        params = await self.authority.params()
        request = entry.job.request
        deadline = request.deadline * 1000
        verifiers = len(entry.job.snapshot.verifiers(accepted[0]))
        parts = split(request.reward, _shares(params), verifiers, verifiers, accepted[0] == me)
        if accepted[0] == me:
            await self._collect(entry)
            # From `settle_delay` after the deadline on, others would take a tip out of this share.
            latest = deadline + params.settle_delay * 500
            since = min(entry.verdict_ms or self.authority.now(), self.authority.now())
            due = Due(entry, Millis(since), Millis(latest), parts.prover)
        else:
            turn = entry.job.snapshot.members[me] * STAGGER_MS
            at = Millis(deadline + params.settle_delay * 1000 + turn)
            latest = deadline + params.settle_grace * 500
            due = Due(entry, at, Millis(max(latest, at)), Gwei(parts.tip + parts.fee))
        self.due[entry.id] = due
        await self.settle_due()

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

    async def settle_due(self) -> None:
        now = self.authority.now()
        ready = [d for d in self.due.values() if d.at <= now and not d.asked and d.entry.settled is None]
        groups: dict[tuple[Address, int], list[Due]] = {}
        for due in ready:
            due.asked = True
            request = due.entry.job.request
            groups.setdefault((request.consumer, request.snapshot_id), []).append(due)
        for group in groups.values():
            self.ctx.tasks.spawn(self._settle(group), "settle")

    def waits(self) -> bool:
        """Whether a settlement of this node's own is coming, which can pay an earlier batch along."""
        now = self.authority.now()
        return any(due.at <= now and due.entry.settled is None for due in self.due.values())

    async def _settle(self, group: list[Due]) -> None:
        try:
            named, fresh, failed = await self._known(group)
            for intent, part in named.items():
                await self._send(intent, part, fresh=False)
            for part in await self._ready(fresh):
                await self._send(await self._name(part, failed), part, fresh=True)
        except GpnError as error:
            self._postpone([due for due in group if due.asked], error)

    async def _known(self, group: list[Due]) -> tuple[dict[str, list[Due]], list[Due], list[Hash32]]:
        """By the name under which each was sent before; then the others, and their transactions that failed.

        A name without a transaction is worth nothing: the batch behind it may have been another one.
        """
        named: dict[str, list[Due]] = {}
        fresh: list[Due] = []
        failed: list[Hash32] = []
        for due in group:
            name = (await self.ctx.store.get(_fact(due.entry)) or b"").decode()
            record = await self.ctx.store.tx_by_intent(name) if name else None
            if record is None:
                fresh.append(due)
            elif record.state is TxState.QUEUED:
                fresh.append(due)  # nothing was signed, and the batch may have changed since
                await self.ctx.store.forget_unsigned(name)
            elif record.state is TxState.REVERTED:
                fresh.append(due)
                failed.append(record.hash)
            else:
                named.setdefault(name, []).append(due)
        return named, fresh, failed

    async def _ready(self, fresh: list[Due]) -> list[list[Due]]:
        """Batches that are worth sending now; the rest waits for the next block."""
        terms = self.ctx.options.settle
        fresh.sort(key=lambda due: due.at)
        batches = [fresh[i : i + terms.max_batch] for i in range(0, len(fresh), terms.max_batch)]
        now = self.authority.now()
        ready: list[list[Due]] = []
        for batch in batches:
            price = await self.chain.gas_price()
            waiting = [Waiting(due.at, due.latest, due.share) for due in batch]
            cost = Wei(self._least_gas(batch) * price)
            verdict = decide(waiting, now, terms, cost, price)
            if verdict is Verdict.SETTLE:
                ready.append(batch)
                continue
            for due in batch:
                due.asked = False
                if verdict is Verdict.WORTHLESS:
                    self._give_up(due, "Settling costs more gas than it brings; another member may.")
        return ready

    def _least_gas(self, batch: list[Due]) -> int:
        job = batch[0].entry.job
        members = len(job.snapshot.seats)
        quorum = max(due.entry.job.request.quorum for due in batch)
        if len(batch) == 1:
            return gas_single(1, quorum, members)
        return gas_attested(len(batch), quorum, members)

    async def _name(self, part: list[Due], failed: list[Hash32]) -> str:
        """The name of a new settlement, kept before anything is sent."""
        intent = f"settle:{keccak(*(due.entry.id for due in part), *failed).hex()}"
        for due in part:
            await self.ctx.store.set(_fact(due.entry), intent.encode())
        return intent

    async def _send(self, intent: str, part: list[Due], fresh: bool) -> None:
        """Send a new settlement, or see one through that was signed before: its call is not looked at."""
        try:
            entries = tuple([await self._settlement_entry(due.entry) for due in part])
            call = await self._call(entries, part) if fresh else Settle(entries)
            record = await self.submit(intent, call)
        except TransactionFailed as error:
            self._postpone([due for due in part if not await self._is_settled(due.entry)], error)
        except GpnError as error:
            self._postpone(part, error)
        else:
            ids = [due.entry.id.hex() for due in part]
            attested = isinstance(call, SettleAttested)
            self.ctx.emit("settle_sent", {"requests": ids, "tx": record.hash.hex(), "attested": attested})
            self._sent[record.hash] = tuple(due.entry.id for due in part)
            for skipped in self._skipped.pop(record.hash, ()):
                self.skipped(skipped)

    # with which signatures --------------------------------------------------------------------------------

    async def _call(self, entries: tuple[SettlementEntry, ...], part: list[Due]) -> Settle | SettleAttested:
        """One signature of each verifier where that is better, single votes elsewhere."""
        pays = await self.finished()
        votes = await self._attested(entries, part) if len(entries) > 1 else ()
        if votes:
            return SettleAttested(entries, votes, pays)
        return Settle(entries, pays)

    async def _attested(self, entries: tuple[SettlementEntry, ...], part: list[Due]) -> tuple[SeatVote, ...]:
        """Signatures over all entries in seat order; none where single votes are better."""
        snapshot = part[0].entry.job.snapshot
        digests = tuple(digest(entry.vote, self.ctx.domain) for entry in entries)
        voted = [{vote.seat for vote in entry.votes} for entry in entries]
        asked = [snapshot.seats[seat].address for seat in sorted(set.intersection(*voted))]
        signed = await collect(self.ctx, digests, [member for member in asked if member != self.ctx.me])
        own = await attest(self.ctx, self.jobs, digests) if self.ctx.me in asked else None
        if own is not None:
            signed[self.ctx.me] = own
        if any(len(signed) < entry.request.message.quorum for entry in entries):
            return ()
        params = await self.authority.params()
        lost = sum(
            _loss(entry, len(snapshot.verifiers(entry.vote.prover)), len(entry.votes) - len(signed), params)
            for entry in entries
        )
        members = len(snapshot.seats)
        single = gas_single(len(entries), sum(len(entry.votes) for entry in entries), members)
        saved = single - gas_attested(len(entries), len(signed), members)
        if not prefers_attested(saved, await self.chain.gas_price(), Gwei(lost)):
            return ()
        return tuple(
            SeatVote(seat, signature)
            for seat, signature in sorted((snapshot.members[m], s) for m, s in signed.items())
        )

    async def _settlement_entry(self, entry: Entry) -> SettlementEntry:
        """The request with its valid votes, in strictly increasing seat order as the contract wants them.

        Also those of voters that contradicted themselves after the verdict: it was final, and they signed it.
        """
        accepted = entry.job.accepted
        if accepted is None:
            raise TransactionFailed("The request has no verdict.")
        prover, proof_hash = accepted
        vote = Vote(entry.id, prover, proof_hash, entry.job.rank(prover) or 0, True)
        casts: dict[Address, Signature] = {
            cast.signed.signer: cast.signed.signature for cast in entry.tally().valid_votes()
        }
        for kept in await self.ctx.store.kept(entry.id):
            for cast in kept.message.votes if isinstance(kept.message, VotesMessage) else ():
                if cast.signed.message == vote:
                    casts.setdefault(cast.signed.signer, cast.signed.signature)
        seats = entry.job.snapshot.members
        votes = sorted((seats[signer], signature) for signer, signature in casts.items())
        return SettlementEntry(entry.message.signed, vote, tuple(SeatVote(*seat) for seat in votes))

    async def challenge(self, entry: Entry, settled: Settled, index: int) -> Supersede:
        """The verified proof of a request, to be put up beside record ``index`` of a settlement."""
        mine = await self._settlement_entry(entry)
        seat = entry.job.snapshot.members[mine.vote.prover]
        return Supersede(
            settled.key, settled.finalize_at, settled.raw_records, index, seat, mine.vote, mine.votes
        )

    # what becomes of it -----------------------------------------------------------------------------------

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

    def skipped(self, event: EntrySkipped) -> None:
        """The contract left an entry out of a batch of ours; the event may come before the receipt does."""
        part = self._sent.get(event.tx)
        if part is None:
            self._skipped.setdefault(event.tx, []).append(event)
            return
        due = self.due.get(part[event.index]) if event.index < len(part) else None
        if due is None or due.entry.settled is not None:
            return
        if event.reason in PASSING:
            self._postpone([due], TransactionFailed(f"The contract left the request out: {event.reason}."))
        elif event.reason != "NonceUsed":  # then another member was first, and its event comes as well
            self._give_up(due, f"The contract does not settle it: {event.reason}.")

    def _give_up(self, due: Due, why: str) -> None:
        self.due.pop(due.entry.id, None)
        due.entry.error = why
        self.ctx.alert(f"Request {request_tag(due.entry.id)}: {why}")

    def settled(self, request_id: Hash32) -> None:
        self.due.pop(request_id, None)

    def let_go(self) -> None:
        """Requests that were closed are nobody's business any more."""
        for request_id in [i for i, due in self.due.items() if due.entry.closed]:
            del self.due[request_id]
        while len(self._sent) > 64:  # their events have come long ago
            del self._sent[next(iter(self._sent))]
        while len(self._skipped) > 64:
            del self._skipped[next(iter(self._skipped))]


def _fact(entry: Entry) -> str:
    return f"settling:{entry.id.hex()}"


def _shares(params: ContractParams) -> Shares:
    return Shares(params.prover_bps, params.inclusion_bps, params.verifier_bps, params.tip)


def _loss(entry: SettlementEntry, verifiers: int, left_out: int, params: ContractParams) -> Gwei:
    """What is burned when so many voters are left out: their fees, and the prover's bonus for them."""
    reward, shares = entry.request.message.reward, _shares(params)
    every = split(reward, shares, verifiers, verifiers, True)
    fewer = split(reward, shares, verifiers, verifiers - left_out, True)
    return Gwei(fewer.burned - every.burned)
