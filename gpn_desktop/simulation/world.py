"""A run: nodes, chain and network made from a plan, its orders sent and its troubles let loose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gpn_desktop.core.eip712 import digest, keccak
from gpn_desktop.core.events import OrderKnown
from gpn_desktop.core.job import Job
from gpn_desktop.core.messages import CancelMessage, RequestMessage, Signed
from gpn_desktop.core.request import AnchorFacts
from gpn_desktop.core.selection import ranking, selection_seed
from gpn_desktop.core.types import (
    ZERO_HASH,
    Address,
    Cancel,
    Details,
    Domain,
    Gwei,
    Hash32,
    Millis,
    Request,
    Role,
    Seat,
    Snapshot,
)
from gpn_desktop.simulation.chain import (
    BEACON_DELAY,
    CONFIRMATIONS,
    GRACE_MS,
    WINDOW_MS,
    Block,
    Chain,
    Settle,
)
from gpn_desktop.simulation.checks import Checks
from gpn_desktop.simulation.drawing import LEAST_REWARD
from gpn_desktop.simulation.faults import HONEST, Habit
from gpn_desktop.simulation.network import Network
from gpn_desktop.simulation.node import UNSIGNED, Node
from gpn_desktop.simulation.plan import START, Committee, Incident, Kind, OrderPlan, Plan, Trouble
from gpn_desktop.simulation.timeline import Happening, Timeline, dice
from gpn_desktop.simulation.villains import CONDUCT

DOMAIN: Final = Domain(31337, Address(bytes([7]) * 20))
IMAGE: Final = keccak(b"image")
LATE_MS: Final = 5_000  # after the beacon block
MAX_LIFETIME: Final = 7_200
RETRY_MS: Final = 3_000  # until a consumer tries another gateway
CANCEL_MS: Final = 400
TELL_EVERY: Final = 20_000  # steps
TAIL_MS: Final = 600_000


class World:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.timeline = Timeline(START)
        self.chain = Chain(self.timeline, plan.seed)
        self.network = Network(self)
        self.checks = Checks(self)
        self.requests: dict[Hash32, Request] = {}
        self.sent_at: dict[Hash32, int] = {}
        self._orders: dict[Hash32, OrderPlan] = {}
        self._chance = dice(plan.seed, "world")
        self._habits = {_address(m.number): m.habit for m in plan.members}
        self.nodes = [Node(self, m, _address(m.number), CONDUCT[m.habit]) for m in plan.members]
        self._snapshots: dict[Address, Snapshot] = {}
        self._nonces: dict[Address, int] = {}
        self._last = max([o.at for o in plan.orders] + [i.until for i in plan.incidents])
        for committee in plan.committees:
            self._found(committee)
        for order in plan.orders:
            self.network.join(_consumer(order.committee), order.gateway)
            self.timeline.at(order.at, self._ordering(order))
        for incident in plan.incidents:
            self.timeline.at(incident.at, self._beginning(incident))
            self.timeline.at(incident.until, self._ending(incident))
        self._follow()

    def run(self, tell: Callable[[], None] | None = None) -> None:
        """To the end of everything, and the last checks. ``tell`` is called now and then."""
        while self.timeline.step():
            if tell is not None and self.timeline.steps % TELL_EVERY == 0:
                tell()
        self.checks.end()

    # what nodes ask ---------------------------------------------------------------------------------------

    @property
    def elapsed(self) -> int:
        return self.timeline.now - START

    def honest(self) -> list[Node]:
        return [node for node in self.nodes if node.member.habit in HONEST]

    def habit_of(self, member: Address) -> Habit:
        return self._habits[member]

    def snapshot_of(self, request: Request) -> Snapshot:
        return self._snapshots[request.consumer]

    def large(self, request_id: Hash32) -> bool:
        return self._orders[request_id].large

    def proof(self, proof_hash: Hash32) -> bytes:
        """The bytes of a proof that somebody made."""
        return next(p for node in self.nodes if (p := node.journal.proofs.get(proof_hash)) is not None)

    def facts(self, request: Request) -> AnchorFacts:
        """The chain's state at the request's anchor."""
        anchor = self.chain.blocks[request.details.anchor_block]
        snapshot = self._snapshots[request.consumer]
        return AnchorFacts(
            registered=True,
            exiting=False,
            image_digest=IMAGE,
            snapshot=snapshot,
            snapshot_in_force=snapshot.snapshot_id,
            nonce_base=0,
            nonce_window=self.chain.account(request.consumer).used(anchor.number),
            anchor_time=anchor.time // 1000,
            min_reward=Gwei(LEAST_REWARD),
            max_lifetime=MAX_LIFETIME,
        )

    def order_of(self, job: Job, seen: int, drawn: dict[Hash32, OrderKnown]) -> OrderKnown | None:
        """The order of the provers, for who has seen blocks up to a number.

        ``drawn`` are those that it drew before, by their seed; each node draws for itself.
        """
        request = job.request
        number = request.details.anchor_block + BEACON_DELAY
        block = self.chain.block(number) if number <= seen else None
        if block is None:
            return None
        latest = self.chain.latest_proof(request.consumer, request.details.anchor_block) or IMAGE
        seed = selection_seed(DOMAIN, request.consumer, latest, job.request_id, block.hash)
        if seed not in drawn:
            drawn[seed] = OrderKnown(seed, ranking(seed, job.snapshot), Millis(block.time))
        return drawn[seed]

    def is_late(self, order: OrderKnown, received: int) -> bool:
        return received > order.t0 + LATE_MS

    def send(self, node: Node, settle: Settle) -> None:
        """A transaction on its way into the pool."""
        delay = node.cases[settle.request_id].chance.randint(200, 3_000)
        self.timeline.after(delay, lambda: self.chain.submit(settle))

    # building ---------------------------------------------------------------------------------------------

    def _found(self, committee: Committee) -> None:
        consumer = _consumer(committee.number)
        pairs = zip(committee.members, committee.weights, strict=True)
        seats = [
            Seat(_address(number), place, Role.PROVE | Role.VERIFY, weight)
            for place, (number, weight) in enumerate(pairs)
        ]
        self._snapshots[consumer] = Snapshot(consumer, 1, IMAGE, tuple(seats))
        for number in committee.members:
            self.network.join(consumer, number)

    def _follow(self) -> None:
        self.chain.on_block, self.chain.on_reorg = self._on_block, self._on_reorg
        self.chain.on_settled, self.chain.on_paid = self.checks.settled, self.checks.paid
        self.chain.running = self._running
        self.chain.start()

    def _running(self) -> bool:
        """Whether anything can still happen; what is open for ever ends a run after all, and is reported."""
        now = self.timeline.now
        if now <= self._last:
            return True
        latest = max((r.deadline for r in self.requests.values()), default=0) * 1000
        if now > latest + GRACE_MS + WINDOW_MS + TAIL_MS:
            return False
        return any(case.open(node.now) for node in self.nodes for case in node.cases.values())

    def _on_block(self, block: Block) -> None:
        for node in self.nodes:
            if node.up and node.chain_up and (node.waiting or node.parked or node.unrestored):
                node.later(node.block_lag, node.on_block)

    def _on_reorg(self, first: int) -> None:
        for node in self.nodes:
            if node.up and node.chain_up and node.cases:
                node.later(node.block_lag, node.on_reorg)

    # orders -----------------------------------------------------------------------------------------------

    def _ordering(self, order: OrderPlan) -> Happening:
        def send() -> None:
            consumer = _consumer(order.committee)
            nonce = self._nonces[consumer] = self._nonces.get(consumer, -1) + 1
            message = self._sign(order, nonce, "")
            beacon = (
                self.chain.blocks[message.signed.message.details.anchor_block].time + BEACON_DELAY * 12_000
            )
            wait = beacon + 2 * LATE_MS - self.timeline.now if order.kind is Kind.LATE else 0
            self.timeline.after(wait, lambda: self._submit(order, message, order.gateway))
            if order.kind is Kind.DOUBLE:
                twin = self._sign(order, nonce, " again")
                members = self.plan.committees[order.committee].members
                self._submit(order, twin, self._chance.choice(members))

        return send

    def _sign(self, order: OrderPlan, nonce: int, ref: str) -> RequestMessage:
        consumer = _consumer(order.committee)
        committee = next(c for c in self.plan.committees if c.number == order.committee)
        anchor = self.chain.head.number - CONFIRMATIONS
        details = Details(order.turn_s, IMAGE, anchor, f"request {order.number}{ref}")
        deadline = self.timeline.now // 1000 + order.lifetime_s
        payload = keccak(b"payload", order.number.to_bytes(4, "big"))
        request = Request(
            consumer, nonce, Gwei(order.reward), deadline, committee.quorum, 1, payload, details
        )
        signed = Signed(request, UNSIGNED, consumer, digest(request, DOMAIN))
        self.requests[signed.digest] = request
        self.sent_at[signed.digest] = self.timeline.now
        self._orders[signed.digest] = order
        self.chain.register(signed.digest, request, self._snapshots[consumer])
        return RequestMessage(signed, _address(order.gateway), 0, None)

    def _submit(self, order: OrderPlan, message: RequestMessage, gateway: int) -> None:
        """By gRPC to a gateway; one that does not answer is given up for another."""
        node = self.nodes[gateway]
        if not (node.up and node.chain_up):
            if self.timeline.now < message.signed.message.deadline * 1000:
                other = self._chance.choice(self.plan.committees[order.committee].members)
                self.timeline.after(RETRY_MS, lambda: self._submit(order, message, other))
            return
        node.receive(message)
        if message.request_id not in node.cases:
            return
        node.publish(message)
        if order.kind is Kind.CANCELLED:
            node.later(CANCEL_MS, lambda: self._cancel(node, message))

    def _cancel(self, node: Node, message: RequestMessage) -> None:
        consumer = message.signed.message.consumer
        signed = Signed(Cancel(message.request_id), UNSIGNED, consumer, ZERO_HASH)
        cancel = CancelMessage(consumer, signed)
        node.receive(cancel)
        node.publish(cancel)

    def outcome(self, request_id: Hash32) -> str:
        """What became of a request, in a word."""
        record = self.chain.records.get(request_id)
        if record is not None:
            return "paid" if record.paid else "unpaid"
        order = self._orders[request_id]
        cases = [c for n in self.honest() if (c := n.cases.get(request_id)) is not None]
        if order.kind is Kind.DOUBLE and (not cases or any(c.refused for c in cases)):
            return "refused"
        if request_id in self.checks.verdicts:
            return "unpaid"
        if not cases:
            return "refused"
        if all(c.job.order is None for c in cases):
            return "cancelled" if any(c.job.cancelled for c in cases) else "late"
        return "cancelled" if any(c.job.cancelled for c in cases) else "expired"

    # troubles ---------------------------------------------------------------------------------------------

    def _beginning(self, incident: Incident) -> Happening:
        node = self.nodes[incident.node % len(self.nodes)]

        def begin() -> None:
            match incident.trouble:
                case Trouble.CRASH if node.up and incident.size:
                    node.doomed = True
                case Trouble.CRASH if node.up:
                    node.kill()
                case Trouble.PARTITION:
                    self.network.cut(incident.size)
                case Trouble.OUTAGE:
                    node.chain_up = False
                case Trouble.REORG:
                    self.chain.reorganise(incident.size + 1)

        return begin

    def _ending(self, incident: Incident) -> Happening:
        node = self.nodes[incident.node % len(self.nodes)]

        def end() -> None:
            match incident.trouble:
                case Trouble.CRASH:
                    node.doomed = False
                    if not node.up:
                        node.start()
                case Trouble.PARTITION:
                    self.network.heal(incident.size)
                    for one in self.nodes:
                        if one.up and one.cases:
                            one.later(self._chance.randint(500, 3_000), one.sync)
                case Trouble.OUTAGE:
                    node.chain_up = True
                    if node.up:
                        node.on_reorg()
                case Trouble.REORG:
                    pass

        return end


def _address(number: int) -> Address:
    return Address(keccak(b"member", number.to_bytes(4, "big"))[12:])


def _consumer(number: int) -> Address:
    return Address(keccak(b"consumer", number.to_bytes(4, "big"))[12:])
