"""Looking requests up, watching them, what stays in memory, and how a node ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gpn_desktop.adapters.chain.memory import MemoryChain
from gpn_desktop.adapters.sqlite import SqliteStore
from gpn_desktop.core import errors
from gpn_desktop.core.types import Gwei, Wei, hex0x
from gpn_desktop.ports.calls import Deposit
from gpn_desktop.ports.chain import ConsumerInfo
from gpn_desktop.ports.store import JobRow
from gpn_desktop.services import jobs
from gpn_desktop.services.consumer import Order
from gpn_desktop.services.views import JobView, Phase
from tests.services.world import WINDOW, World, quiet, until, world

DONE = (Phase.SETTLED, Phase.PAID)


async def settled_everywhere(net: World, order: Order) -> None:
    for member in net.members:
        await until(lambda m=member: m.knows(order), "the request")  # type: ignore[misc]
        await member.reach(order, *DONE)


async def test_proofs_are_found_by_ref_and_by_digest() -> None:
    async with world(3) as net:
        gateway, other, _ = net.members
        order = await net.order()
        for member in net.members:
            member.bench.may_prove.clear()
        await net.send(order)
        for unknown in ("nobody", "0x" + "00" * 32, "0x" + "zz" * 32, "0x", ""):
            with pytest.raises(errors.UnknownRequest):
                await gateway.node.proof(unknown)
        with pytest.raises(errors.ProofNotReady):
            await gateway.node.proof("ref")
        for member in net.members:
            member.bench.may_prove.set()
        await settled_everywhere(net, order)
        found = await gateway.node.proof("ref")
        by_digest = await gateway.node.proof(hex0x(order.id))
        assert (found.request_id, found.proof, found.proof_hash) == (
            order.id,
            by_digest.proof,
            by_digest.proof_hash,
        )
        assert found.verdict_ms == by_digest.verdict_ms > 0
        assert len(found.votes) == 2
        with pytest.raises(errors.UnknownRequest):
            await other.node.proof("ref")  # another gateway's clients have ids of their own
        assert (await other.node.proof(hex0x(order.id))).proof == found.proof


async def test_an_ended_request_says_so_to_who_asks_for_its_proof() -> None:
    async with world(3) as net:
        for member in net.members:
            await member.node.pause(True)
        order = await net.order()
        await net.send(order)
        await net.members[0].reach(order, Phase.EXPIRED)
        with pytest.raises(errors.RequestEnded):
            await net.members[0].node.proof("ref")


async def test_watching_ends_with_the_request_and_leaves_nothing_behind() -> None:
    async with world(3) as net:
        node = net.members[0].node
        order = await net.order()
        with pytest.raises(errors.UnknownRequest):
            await anext(aiter(node.watch(order.id)))
        for member in net.members:
            member.bench.may_prove.clear()
        await net.send(order)
        seen: list[Phase] = []

        async def watch() -> None:
            async for view in node.watch(order.id):
                seen.append(view.phase)

        watching = asyncio.create_task(watch())
        await until(lambda: bool(seen))
        for member in net.members:
            member.bench.may_prove.set()
        await settled_everywhere(net, order)
        await net.advance(WINDOW + 1)
        await net.members[0].reach(order, Phase.PAID)
        async with asyncio.timeout(2):
            await watching
        assert seen[-1] is Phase.PAID
        assert seen == sorted(seen, key=list(Phase).index)
        assert not node.ctx.watchers


async def test_an_old_request_is_seen_from_its_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_IN_MEMORY", 2)
    async with world(3, capacity=8) as net:
        node = net.members[0].node
        orders = [await net.order(f"ref {i}") for i in range(4)]
        for order in orders:
            await net.send(order)
            await settled_everywhere(net, order)
        old = orders[0]
        assert old.id not in node.book.entries
        views: list[JobView] = [view async for view in node.watch(old.id)]
        assert [view.phase for view in views] == [Phase.SETTLED]
        found = await node.proof("ref 0")
        assert len(found.votes) == 2
        assert await net.send(old) == old.id
        await net.advance(WINDOW + 1)
        await net.members[0].reach(orders[3], Phase.PAID)

        await until(lambda: net.members[0].count("paid") >= 4, "all payments")
        row = await net.members[0].disk.platter.job(old.id)
        assert row is not None
        assert row.phase == "paid"


async def test_watching_begins_before_a_request_that_was_written_is_taken_up() -> None:
    async with world(3) as net:
        watcher = net.members[1]
        order, written, go_on = await net.order(), asyncio.Event(), asyncio.Event()
        put = watcher.node.ctx.store.put_job

        async def put_and_wait(row: JobRow) -> None:
            await put(row)
            written.set()
            await go_on.wait()

        vars(watcher.node.ctx.store)["put_job"] = put_and_wait
        await net.send(order, net.members[0])
        await written.wait()
        views = watcher.node.watch(order.id)
        assert (await anext(views)).phase is Phase.WAITING
        go_on.set()
        async with asyncio.timeout(10):
            async for view in views:
                if view.phase in DONE:
                    break
        assert view.phase in DONE


async def test_a_watched_request_stays_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_IN_MEMORY", 2)
    async with world(3, capacity=8) as net:
        node = net.members[0].node
        first = await net.order("first")
        await net.send(first)
        seen: list[Phase] = []

        async def watch() -> None:
            async for view in node.watch(first.id):
                seen.append(view.phase)

        watching = asyncio.create_task(watch())
        await until(lambda: bool(seen) and seen[-1] is Phase.SETTLED)
        for number in range(4):
            order = await net.order(f"ref {number}")
            await net.send(order)
            await settled_everywhere(net, order)
        await net.advance(WINDOW + 1)
        async with asyncio.timeout(5):
            await watching
        assert seen[-1] is Phase.PAID


async def test_many_requests_leave_nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_IN_MEMORY", 10)
    async with world(3, capacity=64) as net:
        before = asyncio.all_tasks()
        for batch in range(4):
            orders = [await net.order(f"ref {batch} {i}") for i in range(15)]
            for order in orders:
                await net.send(order)
            ids = [order.id for order in orders]
            for member in net.members:
                book = member.node.book
                await until(
                    lambda b=book, w=ids: all(i not in b.entries or b.entries[i].phase in DONE for i in w)  # type: ignore[misc]
                )
        await net.advance(WINDOW + 1)
        last = await net.order("last")
        await net.send(last)
        await settled_everywhere(net, last)
        await quiet()
        for member in net.members:
            node = member.node
            assert len(node.book.entries) <= 12
            assert node.ctx.watchers == set()
            assert node.earnings is not None
            assert node.earnings.due == {}
            assert len(node.earnings.window) <= 2
            assert node.intake._orphans == {}
            assert all(e.timer is None for e in node.book.entries.values())
            assert all(e.unproven == {} for e in node.book.entries.values())
        await until(lambda: len(asyncio.all_tasks() - before) == 0, "no task left")


async def test_a_node_that_works_ends_within_seconds() -> None:
    async with world(3) as net:
        for member in net.members:
            member.bench.may_prove.clear()
            member.bench.stubborn = True  # a container that does not die when it is told to
        order = await net.order()
        first, *_ = await net.ranked(order)
        await net.send(order)
        await first.bench.proving.wait()
        began = time.monotonic()
        await first.stop()
        assert time.monotonic() - began < 6
        await first.stop()
        assert all(e.timer is None for e in first.node.book.entries.values())


async def test_what_serves_a_node_and_breaks_does_not_keep_it_open() -> None:
    async with world(2) as net:
        member = net.members[0]

        async def breaks() -> None:
            raise errors.PortInUse("It broke.")

        member.node.closing.append(breaks)
        await member.stop()
        assert member.address not in net.hub.running
        await member.start()


async def test_nodes_on_disk_go_on_where_they_stood(tmp_path: Path) -> None:
    """The same with the store that users have: stopped in the middle, and all of it there again."""
    async with world(2) as net:
        third = await net.add("on disk", SqliteStore(tmp_path / "node.sqlite"))
        await net.commit()
        for member in net.members:
            member.bench.may_prove.clear()
        order = await net.order(payload=bytes(100_000))
        await net.send(order, third)
        for member in net.members:
            await until(lambda m=member: m.knows(order))  # type: ignore[misc]
        await third.stop()
        for member in net.members:
            member.bench.may_prove.set()
        await third.start()
        await settled_everywhere(net, order)
        assert (await third.node.proof("ref")).request_id == order.id


async def test_what_a_consumer_owes_is_forgotten_when_it_has_paid() -> None:
    """Each request alone is covered; the second waits for the first one's settlement to be proved."""
    async with world(3, capacity=8) as net:
        reward = Gwei(600_000_000)  # of a balance of a thousand million
        first = await net.order("first", reward=reward)
        for member in net.members:
            member.bench.may_prove.clear()
        await net.send(first)
        second = await net.order("second", reward=reward)
        await net.send(second)
        await net.members[0].reach(second, Phase.EXPIRED)
        reasons = [f["reason"] for m in net.members for name, f in m.events if name == "declined"]
        assert reasons == ["exposure"] * 3
        for member in net.members:
            member.bench.may_prove.set()
        await settled_everywhere(net, first)
        third = await net.order("third", reward=Gwei(300_000_000))
        await net.send(third)
        await settled_everywhere(net, third)


async def test_a_start_looks_at_the_consumers_a_few_times_whatever_has_happened() -> None:
    async with world(2) as net:
        for number in range(40):
            await net.consumer_chain.submit(f"deposit {number}", Deposit(net.consumer, Wei(10**9)))
        await net.settle_down()
        member = net.members[0]
        await member.disk.platter.set("from_block", b"\0")
        await member.stop()
        asked = 0
        consumers = MemoryChain.consumers

        async def count(chain: MemoryChain) -> list[ConsumerInfo]:
            nonlocal asked
            asked += chain is member.chain
            return await consumers(chain)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryChain, "consumers", count)
            await member.start()
            await net.settle_down()
            await until(lambda: bool(member.node.view().consumers), "the consumers")
            await quiet()
        assert 0 < asked < 10


async def test_proofs_are_not_kept_for_ever() -> None:
    """The summary and the statements stay, and who asks for the proof is told the truth."""
    async with world(3, keep_blobs_seconds=-1.0) as net:
        order = await net.order()
        await net.send(order)
        gateway = net.members[0]
        await gateway.reach(order, *DONE)
        await net.advance(WINDOW + 1)
        await gateway.reach(order, Phase.PAID)
        assert await gateway.node.proof("ref")
        await gateway.restart(killed=False)
        await until(lambda: not gateway.disk.platter._blobs, "housekeeping")  # type: ignore[attr-defined]
        with pytest.raises(errors.RequestEnded, match="not kept"):
            await gateway.node.proof("ref")


async def test_a_commitment_is_renewed_before_it_ends_and_once() -> None:
    async with world(3) as net:
        ends = {c.prover: c.expires_at for c in await net.members[0].chain.committee(net.consumer)}
        await net.advance(24 * 24 * 3600)  # six days are left
        for _ in range(3):
            await net.advance(4000)
            await quiet()
        for member in net.members:
            assert len(member.sent("renew:")) == 1
        later = {c.prover: c.expires_at for c in await net.members[0].chain.committee(net.consumer)}
        assert all(later[who] > end + 20 * 24 * 3600 for who, end in ends.items())
