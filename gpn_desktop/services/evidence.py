"""Evidence against members and consumers, and its way to the contract.

What a request's statements prove follows from the journal alone, so nothing is lost by a restart and nothing
is claimed twice. Who reports first is enough: nodes take turns by their seats, and look at the chain before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from gpn_desktop.core import faults
from gpn_desktop.core.errors import ChainUnreachable, FeesTooHigh, TransactionFailed
from gpn_desktop.core.messages import CanaryMessage, RequestMessage, Signed
from gpn_desktop.core.types import (
    ZERO_HASH,
    Address,
    Gwei,
    Hash32,
    Millis,
    Request,
    Snapshot,
    Vote,
    Wei,
    short,
    to_wei,
)
from gpn_desktop.ports.calls import (
    Call,
    Evict,
    ForfeitFee,
    Opinion,
    Refuted,
    SeatVote,
    SlashDoubleAnnouncement,
    SlashDoubleRequest,
    SlashEquivocation,
    Suspend,
    SuspendSigner,
)
from gpn_desktop.ports.chain import (
    Chain,
    ConsumerSlashed,
    FeeForfeited,
    Settled,
    Slashed,
    Suspended,
    TxRecord,
)
from gpn_desktop.services.authority import ChainAuthority
from gpn_desktop.services.batch import name_of
from gpn_desktop.services.context import Context, log
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.jobs import Jobs

STAGGER_MS: Final = 30_000  # between the members that would report the same
HOLD_MS: Final = 10_000  # for a consumer's word that it had asked for the false proof
REPORT_GAS: Final = 160_000  # of the dearest report that is paid for, a slashing with its signatures
SUSPECTS: Final = "suspects"  # the fact that holds the ids of requests with evidence not yet dealt with
REPORTER_BPS: Final = 500  # of the stake or penalty: the contract's own figure

Submit = Callable[[str, Call], Awaitable[TxRecord]]


@dataclass
class Case:
    """One thing to report. ``gain`` in wei; ``text`` is for people."""

    intent: str
    call: Call
    accused: Address
    consumer: Address
    due: Millis
    gain: Wei
    text: str
    request_id: Hash32 = ZERO_HASH
    state: str = "found"  # found, reported, closed, or why not
    asked: bool = False

    @property
    def open(self) -> bool:
        return self.state == "found"


@dataclass(frozen=True, slots=True)
class Matter:
    """The request that the evidence is about."""

    request_id: Hash32
    request: Request
    snapshot: Snapshot


@dataclass
class Watch:
    ctx: Context
    chain: Chain
    authority: ChainAuthority
    jobs: Jobs
    submit: Submit
    cases: dict[str, Case] = field(default_factory=dict)
    suspects: set[Hash32] = field(default_factory=set)
    _looked: set[Hash32] = field(default_factory=set)
    _blind: dict[Hash32, list[faults.Blind]] = field(default_factory=dict)

    async def start(self) -> None:
        """Go on with what an earlier run suspected; the evidence is in the journal."""
        ids = await self.ctx.store.get(SUSPECTS) or b""
        self.suspects |= {Hash32(ids[at : at + 32]) for at in range(0, len(ids), 32)}
        me = await self.chain.prover(self.ctx.me)
        if me is not None and me.slashed:  # the event may be older than what is read again
            self._slashed()

    def suspect(self, entry: Entry) -> None:
        """Something was said about the request that looks like a fault."""
        self._looked.discard(entry.id)
        if entry.id not in self.suspects:
            self.suspects.add(entry.id)
            self.ctx.tasks.spawn(self._remember(), "suspects")

    async def _remember(self) -> None:
        await self.ctx.store.set(SUSPECTS, b"".join(sorted(self.suspects)))

    async def on_head(self) -> None:
        """Look at the suspects, whose statements are in the journal by now, and report what is due."""
        new = self.suspects - self._looked
        for request_id in new:
            await self._look(request_id)
        self._looked |= new
        done = {i for i in self._looked if not any(c.open and c.request_id == i for c in self.cases.values())}
        if done:
            self.suspects -= done
            self._looked -= done
            await self._remember()
        now = self.authority.now()
        for case in self.cases.values():
            if case.open and not case.asked and case.due <= now:
                case.asked = True
                self.ctx.tasks.spawn(self._report(case), "report")

    async def _look(self, request_id: Hash32) -> None:
        messages = [kept.message for kept in await self.ctx.store.kept(request_id)]
        request = next((m.signed.message for m in messages if isinstance(m, RequestMessage)), None)
        if request is None:
            return
        snapshot = await self.chain.snapshot(request.consumer, request.snapshot_id)
        if snapshot is None:
            return
        excused = {
            m.signed.message.prover
            for m in messages
            if isinstance(m, CanaryMessage) and m.signed.signer == request.consumer
        }
        for fault in faults.find(request_id, snapshot, messages):
            if isinstance(fault, faults.Refuted) and fault.member in excused:
                self._excuse(request_id, fault.member)
            elif fault.member != self.ctx.me:
                await self._open_case(Matter(request_id, request, snapshot), fault)

    async def _open_case(self, of: Matter, fault: faults.Fault) -> None:
        who = short(fault.member)
        match fault:
            case faults.Equivocation(member, yes, no):
                call: Call = SlashEquivocation(member, _opinion(yes), _opinion(no))
                text = f"{who} signed opposite opinions on one proof"
                await self._slashing(of, member, call, text)
            case faults.TwoProofs(member, first, second):
                call = SlashDoubleAnnouncement(first, second)
                await self._slashing(of, member, call, f"{who} announced two proofs of one request")
            case faults.Refuted(member, announcement, _):
                call = Suspend(of.request, _refuted(fault, of.snapshot), announcement)
                self._seat_case(of, member, call, f"{who} announced a proof that was voted down")
            case faults.Blind(member, refuted, yes):
                seat = of.snapshot.members[member]
                call = SuspendSigner(of.request, _refuted(refuted, of.snapshot), seat, _opinion(yes))
                self._seat_case(of, member, call, f"{who} signed for a proof that was voted down")
                known = self._blind.setdefault(of.request_id, [])
                if fault not in known:
                    known.append(fault)

    async def _slashing(self, of: Matter, member: Address, call: Call, text: str) -> None:
        info = await self.chain.prover(member)
        stake = info.stake if info is not None else 0
        case = self._case(f"slash:{member.hex()}", of, member, call, text)
        case.gain = Wei(stake * REPORTER_BPS // 10_000)
        self._add(case)

    def _seat_case(self, of: Matter, member: Address, call: Call, text: str) -> None:
        case = self._case(_seat_intent(of.request_id, member), of, member, call, text)
        case.due = Millis(case.due + HOLD_MS)
        self._add(case)

    def _excuse(self, request_id: Hash32, member: Address) -> None:
        """The consumer had asked for the false proof."""
        case = self.cases.get(_seat_intent(request_id, member))
        if case is not None and case.open:
            case.state = "excused"

    def _case(self, intent: str, of: Matter, member: Address, call: Call, text: str) -> Case:
        due = Millis(self.authority.now() + self._turn(of.snapshot) * STAGGER_MS)
        return Case(intent, call, member, of.request.consumer, due, Wei(0), text, of.request_id)

    def _turn(self, snapshot: Snapshot) -> int:
        """Which of the members this node is; strangers leave it to them."""
        return snapshot.members.get(self.ctx.me, len(snapshot.seats))

    def double_request(self, first: Signed[Request], second: Signed[Request], snapshot: Snapshot) -> None:
        """Two requests of a consumer on one nonce."""
        request = first.message
        consumer = request.consumer
        due = Millis(self.authority.now() + self._turn(snapshot) * STAGGER_MS)
        penalty = 2 * (request.reward + second.message.reward) * 10**9
        gain = Wei(penalty * REPORTER_BPS // 10_000)
        intent = f"penalty:{consumer.hex()}:{request.nonce}"
        text = f"The consumer {short(consumer)} signed two requests on one nonce"
        self._add(Case(intent, SlashDoubleRequest(first, second), consumer, consumer, due, gain, text))

    def _add(self, case: Case) -> None:
        if case.intent not in self.cases:
            self.cases[case.intent] = case
            self.ctx.alert(f"{case.text}. The evidence is kept, and reported where that is worth its gas.")

    @property
    def blind(self) -> Collection[Hash32]:
        """The requests that somebody signed blindly for, as far as this node knows."""
        return self._blind.keys()

    def in_window(self, settled: Settled, committees: Sequence[Snapshot], fees: Sequence[Gwei]) -> None:
        """A settlement in its window: who signed blindly for another proof of a request loses its fee there.

        That pays nobody, so it is done where more is burned than the gas costs.
        """
        for index, record in enumerate(settled.records):
            snapshot = committees[index]
            for fault in self._blind.get(record.request_id, ()):
                seat = snapshot.members[fault.member]
                if record.counted >> seat & 1:
                    self._forfeit(settled, index, seat, fault, snapshot, fees[index])

    def _forfeit(
        self, settled: Settled, index: int, seat: int, fault: faults.Blind, snapshot: Snapshot, fee: Gwei
    ) -> None:
        record = settled.records[index]
        call = ForfeitFee(
            settled.key,
            settled.finalize_at,
            settled.raw_records,
            index,
            _refuted(fault.refuted, snapshot),
            seat,
            _opinion(fault.valid),
        )
        due = Millis(self.authority.now() + HOLD_MS + self._turn(snapshot) * STAGGER_MS)
        intent = f"forfeit:{name_of(settled.key, settled.finalize_at)}:{index}:{seat}"
        text = f"{short(fault.member)} is paid for a request of which it signed a false proof"
        worth = Wei(to_wei(fee))
        case = Case(intent, call, fault.member, record.consumer, due, worth, text, record.request_id)
        self._add(case)

    def on_forfeited(self, event: FeeForfeited) -> None:
        told = (event.key, event.index, event.seat)
        for case in self.cases.values():
            call = case.call
            if case.open and isinstance(call, ForfeitFee) and (call.key, call.index, call.seat) == told:
                case.state = "closed"

    # reporting --------------------------------------------------------------------------------------------

    async def _report(self, case: Case) -> None:
        try:
            if await self._is_done(case):
                case.state = "closed"
                return
            if not await self._is_worth_it(case):
                case.asked = False  # gas may fall
                return
            record = await self.submit(case.intent, case.call)
        except TransactionFailed as error:
            case.state = "closed" if await self._is_done(case) else f"refused: {error.message}"
            log.info("%s: %s", case.intent, error)
        except (ChainUnreachable, FeesTooHigh) as error:
            case.asked = False
            log.info("the report waits: %s", error)
        else:
            case.state = "reported"
            self.ctx.emit("reported", {"accused": case.accused.hex(), "tx": record.hash.hex()})
        finally:
            self.ctx.changed()

    async def _is_done(self, case: Case) -> bool:
        """Whether the contract knows already, from us or from somebody else."""
        match case.call:
            case SlashEquivocation() | SlashDoubleAnnouncement():
                info = await self.chain.prover(case.accused)
                return info is None or info.slashed or not info.stake
            case Suspend() | SuspendSigner():
                until = await self.chain.suspended_until(case.consumer, case.accused)
                return until * 1000 > self.authority.now()
            case Evict():
                return all(c.prover != case.accused for c in await self.chain.committee(case.consumer))
            case _:
                return False

    async def _is_worth_it(self, case: Case) -> bool:
        """A report that pays has to pay for its gas; one that takes a seat is for the committee's sake."""
        options = self.ctx.options
        if not options.report_faults:
            return False
        price = await self.chain.gas_price()
        if case.gain:
            return case.gain >= REPORT_GAS * price
        return options.settle.max_gas is None or price <= options.settle.max_gas

    # what the chain says ----------------------------------------------------------------------------------

    async def on_slashed(self, event: Slashed) -> None:
        self._close(event.member, (SlashEquivocation, SlashDoubleAnnouncement))
        if event.member == self.ctx.me:
            self._slashed()
            return
        for consumer in self.ctx.serve:
            info = await self.chain.consumer(consumer)
            snapshot = await self.chain.snapshot(consumer, info.snapshot_id) if info is not None else None
            if snapshot is None or event.member not in snapshot.members:
                continue
            due = Millis(self.authority.now() + self._turn(snapshot) * STAGGER_MS)
            intent = f"evict:{consumer.hex()}:{event.member.hex()}"
            text = f"{short(event.member)} was slashed and still has a seat"
            self._add(Case(intent, Evict(consumer, event.member), event.member, consumer, due, Wei(0), text))

    def _slashed(self) -> None:
        self.jobs.bar()
        self.ctx.alert("This node's stake was slashed: it signed two things that contradict each other. It "
                       "works for nobody any more; check that no second node uses its key.")  # fmt: skip

    def on_suspended(self, event: Suspended) -> None:
        self._close(event.member, (Suspend, SuspendSigner))
        self.ctx.emit("seat_lost", {"member": event.member.hex(), "consumer": event.consumer.hex()})
        if event.member == self.ctx.me:
            self.ctx.alert("This node lost its seat with a consumer: more than two thirds of the committee "
                           "voted against a proof that it made or signed. Check its image and its machine; "
                           "it can commit again when the suspension ends.")  # fmt: skip

    def on_consumer_slashed(self, event: ConsumerSlashed) -> None:
        case = self.cases.get(f"penalty:{event.consumer.hex()}:{event.nonce}")
        if case is not None and case.open:
            case.state = "closed"

    def _close(self, accused: Address, kinds: tuple[type, ...]) -> None:
        for case in self.cases.values():
            if case.accused == accused and isinstance(case.call, kinds) and case.open:
                case.state = "closed"

    def on_reorg(self) -> None:
        """What others reported may be gone; our own transactions are sent again by themselves."""
        for case in self.cases.values():
            if case.state == "closed":
                case.state, case.asked = "found", False


def _seat_intent(request_id: Hash32, member: Address) -> str:
    return f"suspend:{request_id.hex()}:{member.hex()}"


def _opinion(signed: Signed[Vote]) -> Opinion:
    return Opinion(signed.message, signed.signature)


def _refuted(fault: faults.Refuted, snapshot: Snapshot) -> Refuted:
    votes = tuple(SeatVote(snapshot.members[vote.signer], vote.signature) for vote in fault.against)
    return Refuted(fault.against[0].message, snapshot.members[fault.member], votes)
