"""The demo's plot: requests in turn, a fault where one was asked for, the window, the payout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import GpnError, UnknownRequest
from gpn_desktop.core.types import Address, Hash32, hex0x, short
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.demo.consumers import DemoConsumer
from gpn_desktop.services.demo.crew import Told
from gpn_desktop.services.demo.model import Outcome, Report
from gpn_desktop.services.demo.stage import WINDOW, Operator, Stage
from gpn_desktop.services.demo.tally import ORDER, REWARD_GWEI, Tally
from gpn_desktop.services.views import JobView, Phase

TURN_SECONDS: Final = 30
VERDICT_SECONDS: Final = 180.0
SETTLE_SECONDS: Final = 90.0
PAY_SECONDS: Final = 120.0
MAX_REFS: Final = 500


class DemoFailed(GpnError):
    code = "GPN-1902"
    remedy = "The nodes' logs in the demo's folder say more."


@dataclass
class Play:
    stage: Stage
    report: Report
    outcomes: list[Outcome] = field(default_factory=list)
    seen: dict[Hash32, JobView] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _watches: set[asyncio.Task[None]] = field(default_factory=set)
    _victim: Address | None = None
    _chosen: set[Address] | None = None  # who proves first where all is to be one batch

    def __post_init__(self) -> None:
        self._tally = Tally(self.stage, self.report)

    async def run(self) -> None:
        """All acts; what goes wrong ends in ``report.errors``."""
        stage = self.stage
        stage.crew.listeners.append(self._hear)
        self._tally.open()
        try:
            await self._dismiss()
            for consumer in stage.consumers:
                await self.request(consumer, "warm-up", counted=False)
            for number in range(1, stage.options.requests + 1):
                await self._act(number)
            await self._pay()
            await self._tally.audit()
        except GpnError as error:
            self.report.errors.append(str(error))
        finally:
            for watch in list(self._watches):
                watch.cancel()
            await asyncio.gather(*self._watches, return_exceptions=True)
        self._tally.count(self.outcomes, self.seen)

    async def _dismiss(self) -> None:
        """Who leaves must not be the first prover of a request: everybody would wait for its turn to end."""
        options = self.stage.options
        await self.stage.dismiss(options.absent)
        present = [o.address for o in self.stage.present]
        if options.batch:
            self._chosen = {present[-1]}
        elif options.absent:
            self._chosen = set(present)

    async def _act(self, number: int) -> None:
        """The consumers take turns; what is to go wrong happens to the first one's first request."""
        options, consumers = self.stage.options, self.stage.consumers
        consumer, ref = consumers[(number - 1) % len(consumers)], f"request-{number}"
        if number == 1 and options.cheat:
            await self.request(consumer, ref, first=self._cheaters(), why="a cheater proves first")
        elif number == 1 and options.crash:
            await self.request(
                consumer, ref, first=self._others(), why="the first prover is killed", kill=True
            )
        else:
            await self.request(consumer, ref)

    def _cheaters(self) -> set[Address]:
        return {o.address for o in self.stage.operators if o.spec.cheat}

    def _others(self) -> set[Address]:
        return {o.address for o in self.stage.operators[1:]}

    # one request ------------------------------------------------------------------------------------------

    async def request(
        self,
        consumer: DemoConsumer,
        ref: str,
        counted: bool = True,
        first: set[Address] | None = None,
        why: str = "",
        kill: bool = False,
        sent: Callable[[Hash32], None] | None = None,
    ) -> None:
        """One request, until its verdict; ``first``: who may be its first prover, and ``why`` that is so.

        Raises:
            DemoFailed
        """
        order = await self._choose(consumer, ref, first or self._chosen)
        if first is not None:
            prover = await self.stage.first_prover(order)
            self.stage.say(f"{ref}: ref {order.signed.message.details.ref!r} chosen so that {why}: "
                           f"{self._name(prover)}")  # fmt: skip
            self._victim = prover if kill else None
        outcome = Outcome(ref, order.id, consumer.address)
        if counted:
            self.outcomes.append(outcome)
        gateway = self.stage.gateway
        assert gateway is not None
        request = order.signed.message
        mark = len(self.stage.crew.told)
        self._tally.sent[order.id] = consumer.address
        await gateway.submit(request, order.signed.signature, order.payload)
        if sent is not None:
            sent(order.id)
        watch = asyncio.create_task(self._watch(order))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        restart = asyncio.create_task(self._crash(order, mark)) if kill else None
        try:
            view = await self.until(order.id, Phase.VERIFIED, VERDICT_SECONDS)
            if restart is not None:
                await self._survived(order, await restart)
        finally:
            if restart is not None:
                restart.cancel()
        await self._judge(order, outcome, view)

    async def _choose(self, consumer: DemoConsumer, ref: str, first: set[Address] | None) -> Order:
        """An order whose first prover is one of ``first``; a few tries find one."""
        for number in range(MAX_REFS):
            name = ref if first is None else f"{ref}-{number}"
            order = await consumer.order(name, REWARD_GWEI, TURN_SECONDS)
            if first is None or await self.stage.first_prover(order) in first:
                return order
            await consumer.discard(order)
        raise DemoFailed(f"None of {MAX_REFS} request ids put the wanted prover first.")

    async def _watch(self, order: Order) -> None:
        gateway = self.stage.gateway
        assert gateway is not None
        async for view in gateway.watch(order.id):
            self.seen[order.id] = view
            async with self._news:
                self._news.notify_all()

    async def until(self, request_id: Hash32, phase: Phase, within: float) -> JobView:
        """The request's state once it has come at least as far as ``phase``."""
        reached = ORDER[ORDER.index(phase) :]
        try:
            async with asyncio.timeout(within), self._news:
                while True:
                    view = self.seen.get(request_id)
                    if view is not None and view.phase in reached:
                        return view
                    if view is not None and view.phase.ended:
                        raise DemoFailed(f"Request {view.ref} ended as {view.phase.value}: {view.error}")
                    await self._news.wait()
        except TimeoutError as error:
            last = self.seen.get(request_id)
            state = last.phase.value if last else "unknown"
            raise DemoFailed(f"A request is still {state} after {within:.0f} s.") from error

    async def _crash(self, order: Order, mark: int) -> Operator:
        """Kill the selected prover in the middle of its proof, and start it again at once."""
        told = await self.stage.crew.until(
            lambda t: t.name == "proving" and t.fields.get("request") == order.id.hex(), 60, mark
        )
        victim = next(o for o in self.stage.operators if o.address == told.address)
        self.stage.crew.kill(victim.address)
        self.stage.say(f"  killed {victim.spec.name} while it was proving; starting it again")
        await self.stage.restart(victim)
        return victim

    async def _survived(self, order: Order, victim: Operator) -> None:
        """The killed node has the request again, from its journal, and follows it to its verdict."""
        gateway = await self.stage.gateway_to(victim.grpc)
        try:
            async with asyncio.timeout(VERDICT_SECONDS):
                async for view in gateway.watch(order.id):
                    if view.phase in ORDER:
                        break
        except (TimeoutError, UnknownRequest) as error:
            raise DemoFailed(f"{victim.spec.name} lost the request that it was killed over.") from error
        finally:
            await gateway.aclose()
        self.stage.say(f"  {victim.spec.name} is back with its journal and knows the verdict")

    async def _judge(self, order: Order, outcome: Outcome, view: JobView) -> None:
        """Take the proof as a consumer would, and measure what the network added to it."""
        gateway = self.stage.gateway
        assert gateway is not None
        assert view.prover is not None
        proof = await gateway.proof(hex0x(order.id))  # a ref may be another consumer's as well
        members = order.snapshot.verifiers(view.prover)
        signers = {voter for voter, _ in proof.votes}
        enough = len(signers & members) >= order.signed.message.quorum
        outcome.proof_ok = enough and keccak(proof.proof) == view.proof_hash == proof.proof_hash
        if not outcome.proof_ok:
            self.report.errors.append(f"{outcome.ref}: the proof handed out is not the verified one.")
        outcome.attempt = view.attempt
        if not view.attempt:
            outcome.total_ms = float(view.verdict_ms - view.received_ms)
            outcome.work_ms = self._work(order, view)
        who = self._name(view.prover)
        again = f", attempt {view.attempt + 1}" if view.attempt else ""
        spent = "" if outcome.overhead_ms is None else f", {outcome.overhead_ms:.0f} ms on top of the proof"
        whose = f" of {self.stage.names[outcome.consumer]}" if len(self.stage.consumers) > 1 else ""
        self.stage.say(f"{outcome.ref}{whose}: proved by {who}{again}, {view.valid_votes} valid votes{spent}")

    def _work(self, order: Order, view: JobView) -> float | None:
        """The winner's proof and the vote that made the quorum, as the nodes that did them measured."""
        request = order.id.hex()
        votes = [v for v in view.votes if v.valid and v.proof_hash == view.proof_hash]
        deciding = votes[min(order.signed.message.quorum, len(votes)) - 1].voter
        prove = self._told_ms("proved", request, view.prover)
        verify = self._told_ms("validated", request, deciding)
        return None if prove is None or verify is None else prove + verify

    def _told_ms(self, name: str, request: str, who: Address | None) -> float | None:
        for told in reversed(self.stage.crew.told):
            if told.name == name and told.address == who and told.fields.get("request") == request:
                ms = told.fields.get("ms")
                return float(ms) if isinstance(ms, int | float) else None
        return None

    def _hear(self, told: Told) -> None:
        if told.name == "contradiction":
            member = Address(bytes.fromhex(str(told.fields["member"])))
            self.report.errors.append(f"{self._name(member)} contradicted itself.")
        if told.name == "seat_lost" and told.address == self.stage.operators[0].address:
            member = Address(bytes.fromhex(str(told.fields["member"])))
            self.stage.say(f"  {self._name(member)} lost its seat: the committee reported its false proof")
        if told.name == "voted_down" and told.address == self.stage.operators[0].address:
            request = told.fields["request"]
            # The warm-up is told like any other, and counts like none.
            self.report.voted_down += any(o.request_id.hex() == request for o in self.outcomes)
            prover = Address(bytes.fromhex(str(told.fields["prover"])))
            proof = bytes.fromhex(str(told.fields["proof"]))
            self.stage.say(f"  voted down: proof {short(proof)} of {self._name(prover)} is false; "
                           "the next in the order takes over")  # fmt: skip

    def _name(self, address: Address) -> str:
        return f"{self.stage.names.get(address, 'node')} {short(address)}"

    # the money --------------------------------------------------------------------------------------------

    async def _pay(self) -> None:
        stage = self.stage
        for request_id in list(self.seen):
            await self.until(request_id, Phase.SETTLED, SETTLE_SECONDS)
        stage.say("All requests are settled; moving the local chain's clock past the 24 h window")
        await stage.localnet.advance(WINDOW + 1)
        for request_id in list(self.seen):
            await self.until(request_id, Phase.PAID, PAY_SECONDS)
        await self._withdrawn()

    async def _withdrawn(self) -> None:
        """Every member's rewards have left for its payout address."""
        assert self.stage.chain is not None
        for operator in self.stage.present:
            member = await self.stage.chain.prover(operator.address)
            if member is None:
                raise DemoFailed(f"{operator.spec.name} is not a member.")
            while True:
                mark = len(self.stage.crew.told)
                if not await self.stage.chain.rewards(member.member_id):
                    break
                await self.stage.crew.until(
                    lambda t, o=operator: t.address == o.address and t.name == "withdrawn",  # type: ignore[misc]
                    PAY_SECONDS,
                    mark,
                )
