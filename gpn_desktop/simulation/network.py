"""Who hears what, and when: gossip with its delays and losses, proofs by hash, histories that peers serve."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

from gpn_desktop.core.messages import RequestMessage, VotesMessage
from gpn_desktop.core.types import Address, Announcement, Hash32
from gpn_desktop.simulation.case import Case
from gpn_desktop.simulation.faults import Fault
from gpn_desktop.simulation.journal import Statement
from gpn_desktop.simulation.timeline import dice

if TYPE_CHECKING:
    from gpn_desktop.simulation.node import Node
    from gpn_desktop.simulation.world import World

Said = RequestMessage | Statement

OVERTAKEN_MS: Final = 2_500  # by which a message may come after one that was sent later
OVERTAKEN: Final = 0.1  # how many do
SIDES: Final = 7


class Network:
    def __init__(self, world: World) -> None:
        plan = world.plan
        self._world = world
        self._chances: dict[Hash32, Random] = {}
        self._audience: dict[Address, list[int]] = {}
        self._interests: dict[int, list[Address]] = {}
        self._cuts: list[int] = []
        self._least, self._usual = plan.latency_ms
        self._loss, self._twice = plan.loss, plan.twice
        self._reorders = Fault.REORDERING in plan.faults
        self.messages = 0
        self.lost = 0

    def join(self, consumer: Address, number: int) -> None:
        """A node subscribes to a consumer's topics."""
        audience = self._audience.setdefault(consumer, [])
        if number not in audience:
            audience.append(number)
            self._interests.setdefault(number, []).append(consumer)

    def interests(self, number: int) -> list[Address]:
        return self._interests.get(number, [])

    def cut(self, size: int) -> None:
        """Nodes whose number modulo 7 is at most ``size`` and the others do not reach each other any more."""
        self._cuts.append(size)

    def heal(self, size: int) -> None:
        self._cuts.remove(size)

    def reach(self, one: int, other: int) -> bool:
        return all((one % SIDES <= size) == (other % SIDES <= size) for size in self._cuts)

    def publish(self, author: Node, message: Said, parity: int | None = None) -> None:
        """To everybody on the topic, or to those whose number is odd or even."""
        consumer = _topic(message)
        sender = author.member.number
        chance = self._chance(about(message))
        self._world.checks.leaves(author, message)
        for number in self._audience.get(consumer, ()):
            if number == sender or (parity is not None and number % 2 != parity):
                continue
            self.messages += 1
            if not self.reach(sender, number) or chance.random() < self._loss:
                self.lost += 1
                continue
            hear = _hearing(self._world.nodes[number], message)
            self._world.timeline.after(self._delay(chance), hear)
            if self._twice and chance.random() < self._twice:
                self._world.timeline.after(self._delay(chance), hear)

    def _chance(self, request_id: Hash32) -> Random:
        """A stream for each request, so that leaving others out changes nothing for this one."""
        if request_id not in self._chances:
            self._chances[request_id] = dice(self._world.plan.seed, "gossip", request_id.hex())
        return self._chances[request_id]

    def _delay(self, chance: Random) -> float:
        """Milliseconds: most come soon, some take long."""
        slow = self._reorders and chance.random() < OVERTAKEN
        usual = self._least + chance.expovariate(1 / self._usual)
        return usual + (chance.uniform(0, OVERTAKEN_MS) if slow else 0)

    def find_proof(self, node: Node, case: Case, said: Announcement) -> bytes | None:
        """From the prover, or from whoever of the committee has it and can be reached."""
        for number in self._audience.get(case.job.request.consumer, ()):
            other = self._world.nodes[number]
            if other is not node and other.up and self.reach(node.member.number, number):
                held = other.journal.proofs.get(said.proof_hash)
                if held is not None and other.conduct.tells:
                    return held
        return None

    def sync(self, node: Node, consumer: Address) -> None:
        """Ask one peer for all that it kept of a consumer's open requests; it comes a little later."""
        mine = node.member.number
        others = [
            number
            for number in self._audience.get(consumer, ())
            if number != mine and self._world.nodes[number].up and self.reach(mine, number)
        ]
        if others:
            peer = self._world.nodes[others[node.chance.randrange(len(others))]]
            node.later(2 * self._delay(node.chance), lambda: self._answer(node, peer, consumer))

    def _answer(self, node: Node, peer: Node, consumer: Address) -> None:
        if not peer.up or not self.reach(node.member.number, peer.member.number):
            return
        for case in list(peer.cases.values()):
            if case.job.request.consumer == consumer and case.open(peer.now):
                self._tell(node, peer, case.id, case.message)

    def _tell(self, node: Node, peer: Node, request_id: Hash32, message: RequestMessage) -> None:
        node.receive(message)
        for kept in list(peer.journal.statements[request_id]):
            if node.up and (peer.conduct.tells or not kept.own):
                node.receive(kept.message)


def about(message: Said) -> Hash32:
    """The request that something is said about."""
    match message:
        case RequestMessage():
            return message.request_id
        case VotesMessage():
            return message.votes[0].signed.message.request_id
        case _:
            return message.signed.message.request_id


def _topic(message: Said) -> Address:
    return message.signed.message.consumer if isinstance(message, RequestMessage) else message.consumer


def _hearing(receiver: Node, message: Said) -> Callable[[], None]:
    def hear() -> None:
        if receiver.up:
            receiver.receive(message)

    return hear
