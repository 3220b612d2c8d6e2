"""What late joiners ask for: pages of a peer's kept messages. Nothing in them is trusted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from gpn_desktop.adapters.p2p import codec
from gpn_desktop.adapters.p2p.frames import BadFrame, Frames
from gpn_desktop.adapters.p2p.pb import peer_pb2 as pb
from gpn_desktop.adapters.p2p.topics import consumer_of
from gpn_desktop.core.errors import PeerMessageInvalid
from gpn_desktop.core.messages import MAX_GOSSIP_BYTES, PeerMessage
from gpn_desktop.core.types import Address, Domain

PAGE: Final = 64  # messages
MAX_PAGE_BYTES: Final = PAGE * (MAX_GOSSIP_BYTES + 16)
MAX_REQUEST: Final = 64

Since = Callable[[Address, int, int], Awaitable[tuple[list[PeerMessage], int]]]


async def ask(
    frames: Frames, consumer: Address, cursor: int, domain: Domain
) -> tuple[list[PeerMessage], int, int]:
    """One page: its good messages, the cursor to go on from, and how many were bad.

    Raises:
        BadFrame, PeerMessageInvalid: the answer as a whole is not one.
    """
    await frames.send(pb.SyncRequest(consumer=consumer, cursor=cursor).SerializeToString())
    page = codec.parse(pb.SyncPage, await frames.receive(MAX_PAGE_BYTES), MAX_PAGE_BYTES)
    if len(page.messages) > PAGE or page.cursor < cursor or (page.messages and page.cursor == cursor):
        raise BadFrame("a page that is too long or does not lead on")
    good: list[PeerMessage] = []
    for raw in page.messages:
        # Each costs up to a hundred signatures, and everything else of the network waits for them.
        await trio.lowlevel.checkpoint()
        try:
            message = codec.open_envelope(raw, domain).message
        except PeerMessageInvalid:
            continue
        if consumer_of(message) == consumer:
            good.append(message)
    return good, page.cursor, len(page.messages) - len(good)


async def answer(frames: Frames, since: Since) -> None:
    """Serve one page."""
    request = codec.parse(pb.SyncRequest, await frames.receive(MAX_REQUEST), MAX_REQUEST)
    consumer = codec.address(request.consumer)
    if request.cursor >= 1 << 63:
        raise BadFrame("a cursor that no store has")
    messages, cursor = await since(consumer, request.cursor, PAGE)
    page = pb.SyncPage(messages=[codec.envelope(message, 0) for message in messages], cursor=cursor)
    await frames.send(page.SerializeToString())
