from __future__ import annotations

import asyncio
import threading

from gpn_desktop.adapters.p2p.inbox import Inbox
from gpn_desktop.core.messages import StatusMessage
from gpn_desktop.core.types import Address
from gpn_desktop.ports.network import NetworkEvent, PeerDown, PeerUp, Received

PEER = Address(b"\x01" * 20)


def gossip(number: int) -> Received:
    return Received(StatusMessage("", number, ()), PEER)


async def drain(inbox: Inbox) -> list[NetworkEvent]:
    return [event async for event in inbox.events()]


async def test_events_come_in_order_and_the_end_is_the_end() -> None:
    inbox = Inbox(10)
    events: list[NetworkEvent] = [PeerUp(PEER), gossip(1), gossip(2), PeerDown(PEER), gossip(3)]
    for event in events:
        inbox.put(event)
    inbox.close()
    assert await drain(inbox) == events


async def test_the_oldest_gossip_goes_and_is_counted_but_no_peer_event() -> None:
    inbox = Inbox(2)
    inbox.put(PeerUp(PEER))
    for number in range(5):
        inbox.put(gossip(number))
    inbox.close()
    assert await drain(inbox) == [PeerUp(PEER), gossip(3), gossip(4)]
    assert inbox.tally.drops().full == 3


async def test_another_thread_wakes_the_reader() -> None:
    inbox = Inbox(10_000)
    reader = asyncio.create_task(drain(inbox))
    await asyncio.sleep(0)

    def fill() -> None:
        for number in range(5000):
            inbox.put(gossip(number))
        inbox.close()

    thread = threading.Thread(target=fill)
    thread.start()
    events = await asyncio.wait_for(reader, 10)
    thread.join()
    assert events == [gossip(n) for n in range(5000)]
    assert inbox.tally.drops().full == 0
