"""The catalogue of attacks against a running committee: an honest request beside each takes its usual time.

Four whole nodes on real libp2p in this process, on a ledger in memory; the attacker is a process of its own
and comes from another loopback address for each attack, so that the victim sees another host. All attacks are
on the node that takes the honest requests.

What is usual is measured right before what is compared with it, since a machine is not as busy at one time as
at another: before the attack for the first round, and with the attacker stopped for each further one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.refusals import Ban, Drops
from gpn_desktop.core.types import Address, Domain, Gwei
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.views import NodeView, Phase
from tests.attacks.catalogue import ATTACKS, Attack
from tests.attacks.peer import Target
from tests.services.world import Member, World, until, world

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module"), pytest.mark.alone]

SIZE = 4
REQUESTS = 5  # honest ones, of which the median counts
ROUNDS = 4  # of them at most: a machine is busy for a moment, and an attack slows every round
SEEN = 30.0  # seconds of an attack until its victim's operator can see of it what there is to see, at most
NOISE = 0.1  # seconds that a busy machine may add to a request by itself
GROWTH = 30 << 20  # bytes of memory, of all four nodes
CALLS = 24  # that a bystander may get because somebody named its address
DONE = (Phase.VERIFIED, Phase.SETTLED, Phase.PAID)


class Wire:
    """Real networks for ``world``, each of which knows the first."""

    def __init__(self) -> None:
        self.running: dict[Address, LibP2PNetwork] = {}

    def network(self, key: NodeKey, domain: Domain) -> LibP2PNetwork:
        first = next(iter(self.running.values()), None)
        known = first.listen_addresses() if first is not None else ()
        made = self.running[key.address] = LibP2PNetwork(key, domain, NetworkOptions(bootstrap=known))
        return made


@dataclass
class Siege:
    net: World
    attacker: Process
    blob: str
    asked: int = 0

    @property
    def victim(self) -> Member:
        return self.net.members[0]

    async def request(self) -> float:
        """Seconds from the hand-over of a request to its verdict."""
        self.asked += 1
        order = await self.net.order(f"request {self.asked}", reward=Gwei(1000))
        began = time.perf_counter()
        await self.net.send(order, self.victim)
        await self.victim.reach(order, *DONE)
        return time.perf_counter() - began

    async def pace(self) -> float:
        """Seconds of a request, at present."""
        return statistics.median([await self.request() for _ in range(REQUESTS)])

    async def beside(self, usual: float) -> tuple[float, float]:
        """Seconds of a request without and with the attack, in the first round that keeps to the allowed."""
        for _ in range(ROUNDS - 1):
            taken = await self.pace()
            if taken <= allowed(usual):
                return usual, taken
            with self.stopped():
                await self.request()  # meanwhile the victim finishes what it has got of the attack
                usual = await self.pace()
        return usual, await self.pace()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.attacker.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.attacker.send_signal(signal.SIGCONT)

    def target(self, number: int, bystander: int) -> Target:
        domain = self.net.ledger.domain
        return Target(
            address=self.victim.network.listen_addresses()[0],
            chain_id=domain.chain_id,
            contract=domain.contract.hex(),
            consumer=self.net.consumer.hex(),
            source=source(number),
            bystander=bystander,
            blob=self.blob,
        )

    async def attack(self, name: str, target: Target) -> None:
        self._tell(json.dumps({"name": name, "target": asdict(target)}))
        await self._hear("at work")

    async def call_off(self) -> int:
        """How many connections the attack had."""
        self._tell("")
        return int(await self._hear("done "))

    def _tell(self, line: str) -> None:
        assert self.attacker.stdin is not None
        self.attacker.stdin.write(line.encode() + b"\n")

    async def _hear(self, word: str) -> str:
        """What comes after the word."""
        assert self.attacker.stdout is not None
        async with asyncio.timeout(30):
            said = (await self.attacker.stdout.readline()).decode().strip()
        assert said.startswith(word)
        return said.removeprefix(word)

    def restarts(self) -> int:
        return sum(network._engine.restarts for network in self.net.hub.running.values())  # type: ignore[attr-defined]


def allowed(usual: float) -> float:
    return max(2 * usual, usual + NOISE)


def source(number: int) -> str:
    return f"127.0.{1 + number // 200}.{1 + number % 200}"


def memory() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def siege() -> AsyncIterator[Siege]:
    async with world(SIZE, hub=Wire()) as net:
        await until(lambda: all(_meshed(member, net) for member in net.members), "the mesh", 20)
        blob = os.urandom(8 << 20)
        await net.members[0].disk.put_blob(keccak(blob), blob)
        attacker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.attacks", stdin=PIPE, stdout=PIPE, cwd=Path(__file__).parents[2]
        )
        made = Siege(net, attacker, keccak(blob).hex())
        await made.pace()  # the first requests are slower
        yield made
        attacker.kill()
        await attacker.wait()


def _meshed(member: Member, net: World) -> bool:
    return member.network.committee_peers(net.consumer) >= SIZE - 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address")
@pytest.mark.parametrize("name", ATTACKS)
async def test_an_honest_request_takes_its_usual_time(siege: Siege, name: str) -> None:
    attack, number = ATTACKS[name], list(ATTACKS).index(name)
    calls: list[int] = []
    bystander = await asyncio.start_server(lambda r, w: _hang_up(calls, w), source(number), 0)
    target = siege.target(number, bystander.sockets[0].getsockname()[1])
    usual = await siege.pace()
    before, drops, banned = memory(), siege.victim.node.view().drops, siege.victim.node.view().bans
    await siege.attack(name, target)
    usual, taken = await siege.beside(usual)
    await until(lambda: _is_seen(attack, drops, banned, siege.victim.node.view()), "a sign of it", SEEN)
    connections = await siege.call_off()
    grown, view = memory() - before, siege.victim.node.view()
    print(
        f"{name}: {1000 * usual:.0f} -> {1000 * taken:.0f} ms, {grown >> 20} MB, {_more(drops, view.drops)},"
    )
    print("   ", [(ban.peer.hex()[:6], ban.reason) for ban in view.bans[len(banned) :]], "calls", len(calls))
    bystander.close()
    assert connections > 0
    assert siege.restarts() == 0
    assert taken <= allowed(usual)
    assert grown < GROWTH
    assert len(calls) <= CALLS
    assert len(siege.victim.network.peers()) >= SIZE - 1


def _is_seen(attack: Attack, drops: Drops, bans: tuple[Ban, ...], now: NodeView) -> bool:
    """Whether the victim's operator sees what the catalogue says that one has to see."""
    counted = any(_more(drops, now.drops).get(reason) for reason in attack.counted)
    new = {ban.peer for ban in now.bans} - {ban.peer for ban in bans}
    return (counted or not attack.counted) and (bool(new) or not attack.banned)


def _more(before: Drops, after: Drops) -> dict[str, int]:
    """What was dropped in between, by reason."""
    grown = {reason: count - asdict(before)[reason] for reason, count in asdict(after).items()}
    return {reason: count for reason, count in grown.items() if count}


def _hang_up(calls: list[int], writer: asyncio.StreamWriter) -> None:
    calls.append(1)
    writer.close()
