"""A full disk under a working node, and a damaged one: nothing leaves that is not kept, and nobody is fooled.

They come after the other tests of the network: at the end one node has lost what it knew.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gpn_desktop.core.errors import StoreCorrupt, StoreFull
from gpn_desktop.core.messages import AnnouncementMessage, VotesMessage
from gpn_desktop.services.demo.stage import Operator
from tests.e2e.crash.network import DONE, Network

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.skipif(sys.platform != "linux", reason="another process's limits can be set on Linux alone"),
]


@contextmanager
def full_disk(net: Network, operator: Operator) -> Iterator[None]:
    """No file of the node's can be written, as if its disk had no room."""
    pid = net.pid(operator)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


async def told(net: Network, operator: Operator, code: str, since: int) -> None:
    """The node has told its operator of an error."""
    await net.stage.crew.until(
        lambda t: t.address == operator.address and t.name == "alert" and code in str(t.fields["text"]),
        60,
        since,
    )


def said_by(net: Network, speaker: Operator, request_id: bytes) -> list[object]:
    """What the first node has heard from another one about a request."""
    return [
        kept.message
        for kept in net.journal(net.stage.operators[0]).statements()
        if kept.request_id == request_id and isinstance(kept.message, VotesMessage | AnnouncementMessage)
        if speaker.address in _signers(kept.message)
    ]


def _signers(message: VotesMessage | AnnouncementMessage) -> set[bytes]:
    if isinstance(message, AnnouncementMessage):
        return {message.signed.signer}
    return {cast.signed.signer for cast in message.votes}


async def test_a_verifier_without_room_is_silent_until_there_is_room(network: Network) -> None:
    victim, first = network.victim, network.stage.operators[0]
    order = await network.order(besides=victim)
    mark = len(network.stage.crew.told)
    with full_disk(network, victim):
        await network.send(order)
        await network.reaches(order, first, *DONE)
        await told(network, victim, StoreFull.code, mark)
        assert said_by(network, victim, order.id) == []
    await network.reaches(order, victim, *DONE)
    await network.counted(order, victim)  # its vote came late, and is paid all the same
    assert len(said_by(network, victim, order.id)) == 1
    network.no_contradiction()
    await network.transactions_agree(victim)


async def test_a_gateway_without_room_says_so_and_takes_the_request_later(network: Network) -> None:
    victim = network.victim
    order = await network.order(besides=victim)
    with full_disk(network, victim), pytest.raises(StoreFull):
        await network.send(order, victim)
    await network.send(order, victim)
    await network.reaches(order, victim, *DONE)
    await network.settled_once(order)


async def test_a_damaged_journal_is_refused_until_its_operator_sets_it_aside(network: Network) -> None:
    victim = network.victim
    network.stage.crew.kill(victim.address)
    journal = network.journal(victim)
    text = victim.spec.data_dir / "node.log"
    damage(network, victim)
    before = len(text.read_text())
    process = await network.stage.crew.launcher.launch(victim.spec)
    async with asyncio.timeout(60):
        async for event in process.events():
            assert event["event"] != "ready"
    refusal = text.read_text()[before:]
    assert StoreCorrupt.code in refusal
    assert "journal new" in refusal

    command = [sys.executable, "-m", "gpn_desktop", "journal", "new", "--yes"]
    command += ["--config", str(victim.spec.data_dir / "node.toml")]
    done = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await done.communicate()
    assert done.returncode == 0, err
    assert f"{journal.path}.damaged-1" in out.decode()

    mark = len(network.stage.crew.told)
    await network.rise(victim)
    await told(network, victim, "This journal is new", mark)
    order = await network.order(prover=victim)
    await network.send(order)
    for operator in (network.stage.operators[0], victim):
        await network.reaches(order, operator, *DONE)
    assert len(said_by(network, victim, order.id)) == 1
    await network.settled_once(order)
    network.no_contradiction()


def damage(network: Network, operator: Operator) -> None:
    """Bits of the journal's file are not what they were."""
    path = network.journal(operator).path
    path.with_name("node.db-wal").unlink(missing_ok=True)
    data = bytearray(path.read_bytes())
    data[4_096:12_288] = b"\xa5" * 8_192
    path.write_bytes(data)
