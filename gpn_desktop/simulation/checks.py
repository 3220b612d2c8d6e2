"""What has to hold after every step of a run, whatever goes wrong; each breach is kept with its instant."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpn_desktop.core.events import OrderKnown
from gpn_desktop.core.faults import Equivocation, TwoProofs, find
from gpn_desktop.core.job import Job, ProofKey
from gpn_desktop.core.messages import AnnouncementMessage, RequestMessage, VotesMessage
from gpn_desktop.core.types import Address, Hash32, short
from gpn_desktop.simulation import proofs
from gpn_desktop.simulation.case import Case
from gpn_desktop.simulation.chain import BEACON_DELAY, DEPOSIT, Record
from gpn_desktop.simulation.faults import HONEST
from gpn_desktop.simulation.journal import Statement

if TYPE_CHECKING:
    from gpn_desktop.simulation.network import Said
    from gpn_desktop.simulation.node import Node
    from gpn_desktop.simulation.world import World

ONE_VERDICT = "no two verdicts for one request"
NO_CONTRADICTION = "no honest node ever contradicts itself"
JOURNAL_FIRST = "what is signed is in the journal before it leaves"
NO_FALSE_REWARD = "no reward for a false proof while honest members hold the quorum"
ENDS = "every request ends"
ORDER = "all nodes that saw the same events agree on the order"
BOOKS = "payouts add up"
RULES = (ONE_VERDICT, NO_CONTRADICTION, JOURNAL_FIRST, NO_FALSE_REWARD, ENDS, ORDER, BOOKS)


@dataclass(frozen=True, slots=True)
class Violation:
    """``at`` in milliseconds since the run's start."""

    rule: str
    at: int
    what: str


class Checks:
    """``counts`` are for the report: what happened how often."""

    def __init__(self, world: World) -> None:
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.verdict_ms: list[int] = []
        self.verdicts: dict[Hash32, ProofKey] = {}
        self._world = world
        self._announced: dict[tuple[Address, Hash32], Hash32] = {}
        self._opinions: dict[tuple[Address, Hash32, ProofKey], bool] = {}
        self._found_valid: dict[tuple[Address, Hash32], ProofKey] = {}
        self._orders: dict[Hash32, tuple[object, ...]] = {}

    def _broken(self, rule: str, what: str) -> None:
        self.violations.append(Violation(rule, self._world.elapsed, what))

    # what a node does -------------------------------------------------------------------------------------

    def signed(self, node: Node, case: Case, message: Statement) -> None:
        """A node put its name under something."""
        if node.member.habit not in HONEST:
            return
        if isinstance(message, AnnouncementMessage):
            proof_hash = message.signed.message.proof_hash
            if self._announced.setdefault((node.address, case.id), proof_hash) != proof_hash:
                self._broken(NO_CONTRADICTION, f"{_who(node)} announced two proofs of {short(case.id)}")
        elif isinstance(message, VotesMessage):
            vote = message.votes[0].signed.message
            key = (vote.prover, vote.proof_hash)
            if self._opinions.setdefault((node.address, case.id, key), vote.valid) != vote.valid:
                self._broken(NO_CONTRADICTION, f"{_who(node)} voted both ways on {short(case.id)}")
            if vote.valid and self._found_valid.setdefault((node.address, case.id), key) != key:
                self._broken(NO_CONTRADICTION, f"{_who(node)} signed for two proofs of {short(case.id)}")

    def leaves(self, node: Node, message: Said) -> None:
        """A node sends something."""
        if isinstance(message, RequestMessage) or node.member.habit not in HONEST:
            return
        signed = message.votes[0].signed if isinstance(message, VotesMessage) else message.signed
        own = signed.signer == node.address
        if own and not node.journal.has(signed.message.request_id, message):
            self._broken(JOURNAL_FIRST, f"{_who(node)} sent what it had not journalled")

    def stepped(self, node: Node, case: Case, before: Job) -> None:
        """A node's state of a request is another one."""
        job = case.job
        if job.order is before.order or node.member.habit not in HONEST or job.order is None:
            return
        if before.announcements and before.order is not None:
            self._broken(ORDER, f"{_who(node)} changed the order under an announcement of {short(case.id)}")
        order = (job.order.ranking, job.order.t0)
        if self._orders.setdefault(job.order.seed, order) != order:
            self._broken(ORDER, f"{_who(node)} drew another order of {short(case.id)} from one seed")

    def accepted(self, node: Node, case: Case) -> None:
        """A node saw a quorum."""
        key = case.job.accepted
        if node.member.habit not in HONEST or key is None:
            return
        if case.id not in self.verdicts:
            self.verdict_ms.append(node.world.timeline.now - node.world.sent_at[case.id])
        if self.verdicts.setdefault(case.id, key) != key:
            self._broken(ONE_VERDICT, f"{short(case.id)} has two verdicts, the later one at {_who(node)}")
        if not proofs.is_true(self._world.proof(key[1])):
            self._broken(NO_FALSE_REWARD, f"{_who(node)} accepted a false proof of {short(case.id)}")

    # what the contract does -------------------------------------------------------------------------------

    def settled(self, record: Record) -> None:
        self.counts["settlements"] += 1
        if not proofs.is_true(self._world.proof(record.proof[1])):
            self._broken(NO_FALSE_REWARD, f"a false proof of {short(record.proof[0])} was settled")
        self._book(record.request.consumer)

    def paid(self, record: Record) -> None:
        self.counts["payouts"] += 1
        self._book(record.request.consumer)

    def _book(self, consumer: Address) -> None:
        """A consumer's deposit is somewhere, to the last gwei."""
        chain = self._world.chain
        account = chain.account(consumer)
        held = sum(
            record.request.reward
            for record in chain.records.values()
            if record.request.consumer == consumer and not record.paid
        )
        if account.balance + account.paid + account.burned + held != DEPOSIT:
            self._broken(BOOKS, f"the books of {short(consumer)} are off")

    # the end ----------------------------------------------------------------------------------------------

    def end(self) -> None:
        """When nothing can happen any more."""
        self._all_ended()
        self._orders_agree()
        self._books()
        self._nobody_slandered()

    def _all_ended(self) -> None:
        for node in self._world.honest():
            for case in node.cases.values():
                if case.open(node.now) or not (case.job.over or case.refused):
                    self._broken(ENDS, f"{short(case.id)} is still open at {_who(node)}")
        for request_id in self._world.sent_at:
            outcome = self._world.outcome(request_id)
            if outcome == "unpaid":
                self._broken(ENDS, f"{short(request_id)} was verified and never paid")

    def _orders_agree(self) -> None:
        """Where the beacon block was never replaced, everybody has the order that follows from it."""
        drawn: dict[Hash32, OrderKnown] = {}
        for node in self._world.honest():
            for case in node.cases.values():
                beacon = case.job.request.details.anchor_block + BEACON_DELAY
                if case.job.order is None or beacon in self._world.chain.replaced:
                    continue
                if case.job.order != self._world.order_of(case.job, beacon, drawn):
                    self._broken(ORDER, f"{_who(node)} has another order of {short(case.id)} than the chain")

    def _books(self) -> None:
        chain = self._world.chain
        for consumer in chain.accounts:
            self._book(consumer)
        if sum(chain.earned.values()) != sum(account.paid for account in chain.accounts.values()):
            self._broken(BOOKS, "the members earned another sum than the consumers paid")
        for record in chain.records.values():
            if len(set(record.voters)) < max(record.request.quorum, len(record.voters)):
                self._broken(BOOKS, "a settlement pays a vote twice, or one that is not there")

    def _nobody_slandered(self) -> None:
        """All that was ever said, taken together, is evidence against no honest member."""
        honest = {node.address for node in self._world.honest()}
        said: dict[Hash32, dict[int, Statement]] = {}
        for node in self._world.nodes:
            for request_id, kept in node.journal.statements.items():
                said.setdefault(request_id, {}).update({id(k.message): k.message for k in kept})
        for request_id, messages in said.items():
            snapshot = self._world.snapshot_of(self._world.requests[request_id])
            for fault in find(request_id, snapshot, messages.values()):
                self.counts["faults provable"] += 1
                if fault.member in honest and isinstance(fault, Equivocation | TwoProofs):
                    self._broken(NO_CONTRADICTION, f"{short(fault.member)} could be slashed")


def _who(node: Node) -> str:
    return f"node {node.member.number}"
