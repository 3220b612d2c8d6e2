"""The direct protocols, asked and answered with ill will."""

from __future__ import annotations

import os

import trio

from gpn_desktop.adapters.p2p import codec, peers
from gpn_desktop.adapters.p2p.frames import Frames
from gpn_desktop.adapters.p2p.identity import peer_of_secret
from gpn_desktop.adapters.p2p.pb import peer_pb2 as pb
from gpn_desktop.adapters.p2p.topics import Kind
from tests.attacks.peer import Hostile, Target, hostile


def protocols(target: Target) -> tuple[str, ...]:
    names = target.names
    return names.fetch, names.sync, names.peers, names.attest


async def garbage(target: Target) -> None:
    """No requests, and lengths of gigabytes, on each protocol."""
    junk = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x08" + b"\xff" * 8, b"\x00\x00\x00\x00", b"\x00\x00")
    async with hostile(target) as peer:
        while not peer.cut_off:
            for protocol in protocols(target):
                for data in junk:
                    await (await peer.stream(protocol)).write(data)
            await trio.sleep(0.02)


async def byte_by_byte(target: Target) -> None:
    """Proper requests that never get finished."""
    async with hostile(target) as peer, trio.open_nursery() as nursery:
        for protocol in protocols(target) * 10:
            nursery.start_soon(_dawdle, peer, protocol)


async def _dawdle(peer: Hostile, protocol: str) -> None:
    request = b"\x00\x00\x00\x22\x0a\x20" + bytes(31)
    while not peer.cut_off:
        try:
            stream = await peer.stream(protocol)
            for byte in request:
                await stream.write(bytes([byte]))
                await trio.sleep(0.1)
        except Exception:  # noqa: BLE001 - it is reset sooner or later
            await trio.sleep(0.05)


async def slow_reader(target: Target) -> None:
    """Asks for large blobs and never reads them."""
    async with hostile(target) as peer:
        request = pb.FetchRequest(hash=bytes.fromhex(target.blob)).SerializeToString()
        while not peer.cut_off:
            frames = await peer.frames(target.names.fetch)
            await frames.send(request)
            await trio.sleep(0.05)


async def questions(target: Target) -> None:
    """As many histories, addresses, blobs and signatures as the victim will look for."""
    consumer = bytes(target.who)
    asked = (
        (target.names.sync, pb.SyncRequest(consumer=consumer).SerializeToString()),
        (target.names.peers, pb.PeersRequest().SerializeToString()),
        (target.names.fetch, pb.FetchRequest(hash=os.urandom(32)).SerializeToString()),
        (target.names.attest, pb.AttestRequest(votes=[os.urandom(32)] * 64).SerializeToString()),
    )
    async with hostile(target) as peer:
        while not peer.cut_off:
            for protocol, request in asked:
                with trio.move_on_after(0.2):
                    frames = await peer.frames(protocol)
                    await frames.send(request)
            await trio.sleep(0.005)


async def lying_history(target: Target) -> None:
    """A history without end, of statements about requests that nobody made."""
    async with hostile(target, _invent) as peer:
        await peer.stack.pubsub.subscribe(target.topic(Kind.REQUESTS))
        await trio.sleep_forever()


def _invent(peer: Hostile) -> None:
    async def serve(frames: Frames) -> None:
        request = codec.parse(pb.SyncRequest, await frames.receive(64), 64)
        said = []
        for number in range(64):
            raw = pb.Envelope()
            raw.ParseFromString(peer.envelope(peer.decline(f"{request.cursor} {number}")))
            said.append(raw)
        page = pb.SyncPage(messages=said, cursor=request.cursor + 64)
        await frames.send(page.SerializeToString())
        await frames.close()

    peer.answer(peer.target.names.sync, serve)


async def backward_history(target: Target) -> None:
    """Pages that lead back, are too long, or are none; a new peer each time, for the victim to ask."""
    while True:
        async with hostile(target, _lead_back) as peer:
            with trio.move_on_after(0.6):
                while not peer.cut_off:  # noqa: ASYNC110 - the library tells nobody that a peer has gone
                    await trio.sleep(0.02)


def _lead_back(peer: Hostile) -> None:
    async def serve(frames: Frames) -> None:
        await frames.receive(64)
        raw = pb.Envelope()
        raw.ParseFromString(peer.envelope(peer.decline("back")))
        page = pb.SyncPage(messages=[raw] * 70, cursor=0).SerializeToString()
        await frames.send(page if os.urandom(1)[0] % 2 else os.urandom(500))

    peer.answer(peer.target.names.sync, serve)


async def lying_addresses(target: Target) -> None:
    """Knows a crowd of peers, all of whom live where somebody else lives."""
    async with hostile(target, _point_at_bystander) as peer:
        while not peer.cut_off:
            frames = await peer.frames(target.names.peers)
            me = peer.stack.host.get_id()
            await peers.ask(frames, tuple(f"{_bystander(target)}/p2p/{me}" for _ in range(peers.MAX_CLAIMED)))
            await trio.sleep(0.1)


def _bystander(target: Target) -> str:
    return f"/ip4/{target.source}/tcp/{target.bystander}"


def _point_at_bystander(peer: Hostile) -> None:
    async def serve(frames: Frames) -> None:
        await frames.receive(peers.MAX_BYTES)
        crowd = [
            f"{_bystander(peer.target)}/p2p/{peer_of_secret(os.urandom(32))}" for _ in range(peers.MAX_TOLD)
        ]
        await frames.send(pb.PeersReply(addresses=crowd).SerializeToString())
        await frames.close()

    peer.answer(peer.target.names.peers, serve)
