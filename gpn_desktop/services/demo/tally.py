"""The demo's last act: what the chain's books say of every consumer and every operator, to the wei."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gpn_desktop.core.types import WEI_PER_GWEI, Address, Hash32, Wei
from gpn_desktop.ports.chain import Chain
from gpn_desktop.services.demo.consumers import DEPOSIT, DemoConsumer
from gpn_desktop.services.demo.model import ConsumerReport, Outcome, Report, percentile
from gpn_desktop.services.demo.stage import Stage
from gpn_desktop.services.views import JobView, Phase

REWARD_GWEI: Final = 2_100_000
ORDER: Final = (Phase.VERIFIED, Phase.SETTLED, Phase.PAID)


@dataclass
class Tally:
    """``consumers`` of the report, one per consumer of the stage, and the sums over them.

    ``sent`` are all requests by their consumer, those that do not count as well.
    """

    stage: Stage
    report: Report
    sent: dict[Hash32, Address] = field(default_factory=dict)
    _parts: dict[Address, ConsumerReport] = field(default_factory=dict)

    def open(self) -> None:
        """A page for every consumer."""
        for consumer in self.stage.consumers:
            self._parts[consumer.address] = ConsumerReport(consumer.name, consumer.image.label)
        self.report.consumers = list(self._parts.values())

    async def audit(self) -> None:
        """The chain's books: nothing may come from nowhere or get lost, to the wei."""
        stage, chain = self.stage, self.stage.chain
        assert chain is not None
        payouts = [o.spec.payout for o in stage.operators]
        accounts = [stage.contract, *(c.address for c in stage.consumers), *payouts]
        audit = await stage.localnet.audit(stage.first_block, accounts)
        if audit.difference:
            self.report.errors.append(f"The books are off by {audit.difference} wei.")
        _, burned = await stage.books.expected(chain)
        await self._operators(chain, audit.changes)
        total = sum(audit.changes[p] for p in payouts)
        rewards = _rewards(len(self.sent))
        stage.say(f"  {format_gwei(Wei(total))} of {format_gwei(rewards)} paid out, "
                  f"{format_gwei(burned)} burned; gas {audit.gas} wei; "
                  f"books differ by {audit.difference} wei")  # fmt: skip
        if total + burned != rewards:
            self.report.errors.append(f"{total} wei paid and {burned} burned do not make {rewards}.")
        if await chain.burned() * WEI_PER_GWEI != burned:
            self.report.errors.append(f"The contract has not burned {burned} wei.")
        self.report.paid_wei, self.report.burned_wei = str(total), str(burned)
        for consumer in stage.consumers:
            await self._consumer(chain, consumer)
        self._settlements()

    async def _operators(self, chain: Chain, changes: Mapping[Address, int]) -> None:
        """Each was paid what all consumers' settlements owe it."""
        owed, _ = await self.stage.books.expected(chain)
        for operator in self.stage.operators:
            paid = Wei(changes[operator.spec.payout])
            self.stage.say(f"  {operator.spec.name} was paid {format_gwei(paid)}")
            if paid != owed[operator.address]:
                self.report.errors.append(
                    f"{operator.spec.name} was paid {paid} wei, and not {owed[operator.address]}."
                )

    async def _consumer(self, chain: Chain, consumer: DemoConsumer) -> None:
        """It spent its own requests' rewards, and these went to its own committee or were burned."""
        owed, burned = await self.stage.books.expected(chain, consumer.address)
        info = await chain.consumer(consumer.address)
        spent = DEPOSIT - (info.balance * WEI_PER_GWEI if info is not None else 0)
        paid, rewards = owed.total(), _rewards(list(self.sent.values()).count(consumer.address))
        if not spent == paid + burned == rewards:
            self.report.errors.append(
                f"{consumer.name} spent {spent} wei; {paid} paid and {burned} burned should make {rewards}."
            )
        part = self._parts[consumer.address]
        part.spent_wei, part.paid_wei, part.burned_wei = str(spent), str(paid), str(burned)

    def _settlements(self) -> None:
        report = self.report
        report.settlements = self.stage.books.sizes()
        report.attested = sum(
            t.name == "settle_sent" and bool(t.fields.get("attested")) for t in self.stage.crew.told
        )
        self.stage.say(f"  {sum(report.settlements)} requests in {len(report.settlements)} settlements, "
                       f"the largest with {max(report.settlements)}")  # fmt: skip

    def count(self, outcomes: Sequence[Outcome], seen: Mapping[Hash32, JobView]) -> None:
        """How far the counted requests came, and how long they took."""
        report = self.report
        for address, part in self._parts.items():
            self._count(part, [o for o in outcomes if o.consumer == address], seen)
        for part in report.consumers:
            report.verified += part.verified
            report.settled += part.settled
            report.paid += part.paid
            report.attempts += part.attempts
        report.taken_over = sum(o.attempt > 0 for o in outcomes)
        overheads = [o.overhead_ms for o in outcomes if o.overhead_ms is not None]
        report.overhead_ms = {"p50": percentile(overheads, 0.5), "p95": percentile(overheads, 0.95)}
        if len(report.consumers) > 1 and not report.errors:
            for part in report.consumers:
                self.stage.say(f"  {part.name}, {part.prover}: {part.paid} of {part.requests} requests paid; "
                               f"proof {part.prove_ms_p50} ms, verification {part.verify_ms_p50} ms (p50); "
                               f"{format_gwei(Wei(int(part.spent_wei)))} spent")  # fmt: skip

    def _count(
        self, part: ConsumerReport, outcomes: Sequence[Outcome], seen: Mapping[Hash32, JobView]
    ) -> None:
        part.requests = len(outcomes)
        for outcome in outcomes:
            view = seen.get(outcome.request_id)
            phase = view.phase if view is not None else Phase.WAITING
            part.verified += phase in ORDER and outcome.proof_ok
            part.settled += phase in ORDER[1:]
            part.paid += phase is Phase.PAID and not self.report.errors
            part.attempts += outcome.attempt + 1
        requests = {o.request_id.hex() for o in outcomes}
        part.prove_ms_p50 = percentile(self._times("proved", requests), 0.5)
        part.verify_ms_p50 = percentile(self._times("validated", requests), 0.5)

    def _times(self, name: str, requests: set[str]) -> list[float]:
        """Every node's, as it measured them."""
        told = (t.fields for t in self.stage.crew.told if t.name == name)
        times = (fields.get("ms") for fields in told if fields.get("request") in requests)
        return [float(ms) for ms in times if isinstance(ms, int | float)]


def _rewards(requests: int) -> Wei:
    return Wei(requests * REWARD_GWEI * WEI_PER_GWEI)


def format_gwei(amount: Wei) -> str:
    """Exact to the gwei, as ETH."""
    return f"{amount // 10**18}.{amount % 10**18 // WEI_PER_GWEI:09d} ETH"
