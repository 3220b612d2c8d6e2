"""A facade without a node: scripted views, a history of any length, and errors on demand."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace

from gpn_desktop.adapters.builtin.runtime import BuiltinRuntime
from gpn_desktop.adapters.sqlite.memory import MemoryStore
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.adapters.system.machine import MemoryMachine
from gpn_desktop.adapters.system.preferences import MemoryDocument
from gpn_desktop.core.errors import GpnError, UnknownRequest
from gpn_desktop.core.history import JobOrder, place
from gpn_desktop.core.ledger import LedgerRow
from gpn_desktop.core.refusals import Ban, Drops
from gpn_desktop.core.types import (
    TESTING_DOMAIN,
    Address,
    Domain,
    Gwei,
    Hash32,
    Request,
    Wei,
    hex0x,
    to_wei,
)
from gpn_desktop.ports.chain import TxRecord
from gpn_desktop.ports.network import PeerInfo
from gpn_desktop.ports.runtime import ImageRef
from gpn_desktop.ports.store import JobRow
from gpn_desktop.services.images import Images, MemoryImageBook
from gpn_desktop.services.ledger import Ledger
from gpn_desktop.services.pausing import Pausing
from gpn_desktop.services.trials import Trials
from gpn_desktop.services.views import (
    ConsumerView,
    EarningsView,
    JobView,
    NodeView,
    Phase,
    ProofView,
    StepView,
    TurnView,
    VoteView,
)
from tests.ui.fake_duties import FakeMembership, trials, tried

_dice = random.Random(7)
ME = Address(bytes.fromhex("41c2a07e6f3d5b19c8e24470b6fd0c11a3e5979b"))
PEERS = tuple(Address(_dice.randbytes(20)) for _ in range(5))
CONSUMERS = tuple(Address(_dice.randbytes(20)) for _ in range(6))


def hash32(seed: object) -> Hash32:
    return Hash32(random.Random(str(seed)).randbytes(32))


_DECIDED = (Phase.VERIFIED, Phase.SETTLED, Phase.PAID)


def _steps(phase: Phase, received: int) -> tuple[StepView, ...]:
    life = ["Received", "Proving", "Verifying", "Verified", "Settled", "Paid"]
    last = {Phase.WAITING: 1, Phase.PROVING: 2, Phase.VERIFYING: 3, Phase.VERIFIED: 4, Phase.SETTLED: 5}
    labels = (
        life[: last.get(phase, 6)] if phase in (*last, Phase.PAID) else [life[0], phase.value.capitalize()]
    )
    return tuple(StepView(label, received + at * 780) for at, label in enumerate(labels))


def job(
    number: int,
    phase: Phase,
    *,
    role: str = "Verifier",
    received_ms: int | None = None,
    votes: tuple[VoteView, ...] = (),
    turns: tuple[TurnView, ...] = (),
    earned: int = 0,
    reward: int = 2_100_000,
    error: str = "",
) -> JobView:
    """One request as the node would show it; ``number`` makes its id."""
    now = int(time.time() * 1000)
    received = received_ms if received_ms is not None else now - number * 47_311 - 31_000
    decided = phase in _DECIDED
    winner = next((t for t in turns if t.state in ("verified", "announced", "proving")), None)
    return JobView(
        request_id=hash32(number),
        ref=f"block-{18_400 - number}",
        consumer=CONSUMERS[number % 3],
        phase=phase,
        role=role,
        attempt=winner.rank if winner else 0,
        prover=winner.prover if winner else None,
        reward=Gwei(reward),
        earned=Gwei(earned),
        deadline=received // 1000 + 260,
        quorum=3,
        valid_votes=sum(v.valid for v in votes),
        invalid_votes=sum(not v.valid for v in votes),
        committee=5,
        received_ms=received,
        verdict_ms=received + 2_340 + number * 37 if decided else 0,
        proof_hash=hash32(("proof", number)) if decided else None,
        seed=hash32(("seed", number)),
        turns=turns,
        votes=votes,
        timeline=_steps(phase, received),
        error=error,
    )


def turns_of(states: tuple[str, ...], mine: int, number: int) -> tuple[TurnView, ...]:
    provers = [*PEERS[:4]]
    provers.insert(mine, ME)
    return tuple(
        TurnView(rank, provers[rank], provers[rank] == ME, state, hash32(("proof", number)))
        for rank, state in enumerate(states)
    )


def votes_of(
    number: int, prover: Address, valid: int, invalid: int, attempt: int = 0
) -> tuple[VoteView, ...]:
    voters = [a for a in (ME, *PEERS[:4]) if a != prover]
    good = number if not invalid else f"bad {number}"
    return tuple(
        VoteView(voter, prover, hash32(("proof", good)), attempt, at < valid, voter == ME)
        for at, voter in enumerate(voters[: valid + invalid])
    )


def demo_jobs() -> tuple[JobView, ...]:
    """Two running, one after a cheat, and a past that earned."""
    first = turns_of(("proving", "waiting", "waiting", "waiting", "waiting"), 0, 0)
    cheat = turns_of(("voted down", "announced", "waiting", "waiting", "waiting"), 2, 1)
    against = votes_of(1, cheat[0].prover, 0, 4)
    second = votes_of(1, cheat[1].prover, 2, 0, attempt=1)
    jobs = [
        job(0, Phase.PROVING, role="Prover, 1st", turns=first),
        job(1, Phase.VERIFYING, turns=cheat, votes=against + second),
    ]
    for number in range(2, 26):
        mine = number % 4
        done = ("skipped",) * 4
        turns = turns_of(("verified", *done), mine, number)
        votes = votes_of(number, turns[0].prover, 4, 0)
        phase = Phase.SETTLED if number < 9 else Phase.PAID
        phase = Phase.VERIFIED if number < 4 else Phase.EXPIRED if number == 13 else phase
        won = mine == 0
        earned = 0 if phase is Phase.EXPIRED else 1_470_000 if won else 157_500
        role = "Prover, 1st" if won else "Verifier"
        if phase is Phase.EXPIRED:
            turns = turns_of(("timed out",) * 5, mine, number)
            votes = ()
        jobs.append(job(number, phase, role=role, turns=turns, votes=votes, earned=earned))
    return tuple(jobs)


_CONSUMERS = (  # image, its state here, what this node has to do with it
    ("acme/prover", "serving", "committed"),
    ("helix/groth16", "busy", "committed"),
    ("orbit/ezkl", "pulling", "served"),
    ("tessera/plonk", "absent", ""),
    ("nimbus/prover", "absent", ""),
    ("delta/zk", "absent", ""),
)


def demo_consumers() -> tuple[ConsumerView, ...]:
    return tuple(
        ConsumerView(
            address,
            name,
            hash32(name),
            Gwei(4_250_000_000 + at * 731_000_000),
            7 + at,
            5 + at % 3,
            state,
            duty == "committed",
            served=bool(duty),
            expires_at=int(time.time()) + (23 - at) * 86_400 if duty else 0,
            reward=Gwei(2_100_000 - at * 140_000) if at != 5 else None,
            turn_seconds=60 * (1 + at % 4) if at != 5 else None,
        )
        for at, (address, (name, state, duty)) in enumerate(zip(CONSUMERS, _CONSUMERS, strict=True))
    )


def demo_peers() -> tuple[PeerInfo, ...]:
    return tuple(
        PeerInfo(
            peer,
            f"/ip4/203.0.113.{7 + at}/tcp/4001",
            None if at == 3 else 18.4 + at * 31,
            10.0 - at * 4,
            CONSUMERS[: 2 + at % 2],
        )
        for at, peer in enumerate(PEERS[:4])
    )


def demo_trials() -> Trials:
    """One image that this machine can run in time, one that it cannot."""
    made = trials()
    for consumer, go in (
        (demo_consumers()[0], True),
        (demo_consumers()[3], False),
        (demo_consumers()[4], True),
    ):
        image = ImageRef(consumer.image_name, consumer.image_digest)
        made.views[image] = tried(image, go)
    return made


def demo_view() -> NodeView:
    return NodeView(
        address=ME,
        payout=Address(bytes.fromhex("9e0711d3f0ae5b0c7df2614ab8c13e90f72a55c8")),
        network="demo",
        version="0.1.0",
        head=18_402,
        chain_up=True,
        peers=4,
        running=1,
        paused=False,
        drops=Drops(full=1, flood=812, malformed=14, stale=3),
        bans=(Ban(PEERS[4], "flood", time.time() + 552),),
        runtime="builtin:test",
        listen=(
            "/ip4/127.0.0.1/tcp/41873/p2p/16Uiu2HAmPc8sQZqkTgQ3f8rXW5yJ1bVnKd4o7u9Lx2sE6tRaYh",
            "/ip4/192.168.1.20/tcp/41873/p2p/16Uiu2HAmPc8sQZqkTgQ3f8rXW5yJ1bVnKd4o7u9Lx2sE6tRaYh",
        ),
        jobs=demo_jobs(),
        earnings=EarningsView(
            in_window=Gwei(87_100_000),
            claimable=Gwei(193_000_000),
            withdrawn=Wei(2_441_500_000_000_000_000),
            fees=Wei(11_900_000_000_000_000),
            next_finalize_at=int(time.time()) + 5 * 3600 + 12 * 60 + 30,
        ),
        consumers=demo_consumers(),
    )


def empty_view() -> NodeView:
    return NodeView(
        address=ME,
        payout=None,
        network="demo",
        version="0.1.0",
        head=12,
        chain_up=True,
        peers=0,
        running=0,
        paused=False,
        drops=Drops(),
        runtime="groth16",
    )


def history_row(number: int, newest_ms: int) -> JobRow:
    return JobRow(
        request_id=hash32(("history", number)),
        ref=f"old-{number}",
        consumer=CONSUMERS[number % 3],
        phase=Phase.PAID.value,
        role="Verifier",
        attempt=0,
        prover=PEERS[number % 5],
        reward=Gwei(2_100_000),
        earned=Gwei(157_500),
        deadline=0,
        received_ms=newest_ms - number * 60_000,
        verdict_ms=newest_ms - number * 60_000 + 2_345,
        ended_ms=newest_ms - number * 60_000 + 9_000,
        proof_hash=hash32(("history proof", number)),
        payload_hash=hash32(("payload", number)),
        error="",
        open=False,
        gateway=False,
    )


def demo_lines() -> list[LedgerRow]:
    """Two months of rewards in every state, from three consumers."""
    now = int(time.time() * 1000)
    lines = []
    for number in range(60):
        proved = number % 4 == 0
        lines.append(
            LedgerRow(
                hash32(("line", number)),
                hash32(("batch", number // 10)),
                now // 1000 + 86_400 - number * 9_000,
                number % 10,
                10,
                now - number * 9_000_000,
                1_000 - number,
                CONSUMERS[number % 3],
                Gwei(2_100_000),
                Gwei(1_470_000 if proved else 0),
                Gwei(0 if proved else 157_500),
                2_000 if number >= 10 else 0,
                hash32("withdrawal") if number >= 30 else None,
                2_001 if number >= 30 else 0,
            )
        )
    return lines


def made_store(lines: list[LedgerRow]) -> MemoryStore:
    """A store that is open and holds these lines; nothing in it ever waits."""
    store = MemoryStore()
    for work in (store.open(), store.put_ledger(lines)):
        with suppress(StopIteration):
            work.send(None)
    return store


class FakeFacade:
    def __init__(self, view: NodeView, history: list[JobRow] | None = None) -> None:
        self.domain: Domain = TESTING_DOMAIN
        self.now = view
        self.history = history or []
        self.watchers: set[Callable[[], None]] = set()
        self.closed = 0
        self.pages: list[tuple[int, int, str]] = []
        self.views_taken = 0
        self.withdraw_error: GpnError | None = None
        self.may_withdraw = asyncio.Event()
        self.may_withdraw.set()
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.jobs_error: GpnError | None = None
        self.ledger = Ledger(made_store(demo_lines() if view.jobs else []), SystemClock())
        self.images = Images(BuiltinRuntime(), None, MemoryImageBook())
        self.trials: Trials | None = demo_trials()
        self.membership = FakeMembership()
        self.stopped = 0
        self.replay: object | None = None
        self.ballots: object = None
        self.pausing: Pausing | None = Pausing(
            MemoryMachine(), SystemClock(), MemoryDocument(), self._pause, self._stop
        )
        self.account: object | None = None
        self.found: tuple[PeerInfo, ...] = demo_peers() if view.peers else ()
        self.connected: list[str] = []
        self.banned: list[Address] = []
        self.connect_error: GpnError | None = None
        self.tried: list[Address] = []
        self.given_up: list[Hash32] = []
        self.written: dict[Hash32, dict[str, str]] = {}
        self.sent: dict[Hash32, list[TxRecord]] = {}

    def change(self, **fields: object) -> None:
        """A new view, and everyone told."""
        self.now = replace(self.now, **fields)  # type: ignore[arg-type]
        for watcher in list(self.watchers):
            watcher()

    def view(self) -> NodeView:
        self.views_taken += 1
        return self.now

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self.watchers.add(changed)
        return lambda: self.watchers.discard(changed)

    async def submit(self, request: Request, signature: bytes, payload: bytes) -> Hash32:
        raise AssertionError("the window submits nothing")

    async def submit_legacy(
        self, ref: str, consumer: str, image: str, data: bytes, signature: bytes
    ) -> Hash32:
        raise AssertionError("the window submits nothing")

    async def watch(self, request_id: Hash32) -> AsyncIterator[JobView]:
        row = next((row for row in self.history if row.request_id == request_id), None)
        if row is None:
            raise UnknownRequest("No such request is known here.")
        yield replace(
            job(0, Phase.PAID, received_ms=row.received_ms),
            request_id=request_id,
            ref=row.ref,
            quorum=0,
            turns=(),
            votes=(),
            timeline=(),
        )

    async def proof(self, wanted: str) -> ProofView:
        raise AssertionError("the window fetches no proofs")

    async def offer_canary(
        self, consumer: Address, request_id: Hash32, prover: Address, signature: bytes
    ) -> None:
        raise AssertionError("the window orders no canaries")

    async def cancel(self, request_id: Hash32, signature: bytes) -> None:
        raise AssertionError("the window cancels nothing")

    async def consumers(self) -> list[ConsumerView]:
        return list(self.now.consumers)

    async def try_image(self, consumer: Address) -> None:
        self.tried.append(consumer)

    def peers(self) -> tuple[PeerInfo, ...]:
        return self.found

    async def connect(self, address: str) -> None:
        if self.connect_error is not None:
            raise self.connect_error
        self.connected.append(address)

    async def ban(self, peer: Address, seconds: float) -> None:
        self.banned.append(peer)
        self.found = tuple(one for one in self.found if one.peer != peer)
        bans = tuple(one for one in self.now.bans if one.peer != peer)
        if seconds > 0:
            bans += (Ban(peer, "banned by the operator", time.time() + seconds),)
        self.now = replace(self.now, bans=bans)

    async def logs(self, request_id: Hash32) -> dict[str, str]:
        return self.written.get(request_id, {})

    async def transactions(self, request_id: Hash32) -> list[TxRecord]:
        return self.sent.get(request_id, [])

    async def give_up(self, request_id: Hash32) -> None:
        self.given_up.append(request_id)

    async def jobs(self, offset: int, limit: int, search: str, order: JobOrder) -> list[JobRow]:
        self.pages.append((offset, limit, search))
        await asyncio.sleep(0)
        if self.jobs_error is not None:
            raise self.jobs_error
        words = search.lower().split()
        found = [r for r in self.history if all(w in f"{r.ref} {hex0x(r.request_id)}" for w in words)]
        return sorted(found, key=lambda row: place(row, order))[offset : offset + limit]

    def _pause(self, paused: bool, gpus: frozenset[str]) -> None:
        self.change(paused=paused)

    async def _stop(self) -> None:
        self.stopped += 1

    async def pause(self, paused: bool) -> None:
        assert self.pausing is not None
        await (self.pausing.pause() if paused else self.pausing.resume())

    async def withdraw(self) -> Wei:
        await self.may_withdraw.wait()
        if self.withdraw_error is not None:
            raise self.withdraw_error
        amount = to_wei(self.now.earnings.claimable)
        self.change(earnings=replace(self.now.earnings, claimable=Gwei(0)))
        return amount

    async def aclose(self) -> None:
        await self.may_close.wait()
        self.closed += 1
