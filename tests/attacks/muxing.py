"""Inside the secured connection: what Yamux and the choice of protocols take."""

from __future__ import annotations

import os
import struct

import trio
import trio.lowlevel
from libp2p.utils.varint import encode_varint_prefixed

from gpn_desktop.adapters.p2p.topics import Kind
from tests.attacks.peer import Hostile, Target, hostile

DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8


def frame(kind: int, flags: int, stream: int, length: int, body: bytes = b"") -> bytes:
    return struct.pack("!BBHII", 0, kind, flags, stream, length) + body


async def noise(target: Target) -> None:
    """Random bytes as frames; each costs the attacker its connection."""
    while True:
        async with hostile(target) as peer:
            while not peer.cut_off:
                await peer.muxed._write_frame(os.urandom(64))
                await trio.sleep(0.01)


async def tiny_frames(target: Target) -> None:
    """As many pings and empty frames as the wire takes."""
    many = frame(PING, SYN, 0, 7) * 200 + frame(WINDOW, 0, 99, 1) * 400 + frame(DATA, 0, 99, 1, b"x") * 400
    async with hostile(target) as peer:
        while not peer.cut_off:
            await peer.muxed.secured_conn.write(many)
            await trio.sleep(0.001)


async def huge_frame(target: Target) -> None:
    """A frame that announces four gigabytes, and one that announces what is allowed and never comes."""
    while True:
        async with hostile(target) as peer:
            await peer.muxed._write_frame(frame(DATA, SYN, 1001, (1 << 32) - 1, bytes(1024)))
            await trio.sleep(0.1)
        async with hostile(target) as peer:
            await peer.muxed._write_frame(frame(DATA, SYN, 1001, 1 << 20, bytes(1024)))
            await trio.sleep(0.5)


async def overrun(target: Target) -> None:
    """Data on streams that nobody reads, whatever their windows allow."""
    while True:
        async with hostile(target) as peer:
            await _overrun(peer)


async def _overrun(peer: Hostile) -> None:
    body = bytes(60_000)
    streams = [await peer.stream(peer.target.names.fetch) for _ in range(3)]
    for stream in streams:  # asks for something, so that the victim is busy with writing
        request = b"\x0a\x20" + bytes.fromhex(peer.target.blob)
        await stream.write(len(request).to_bytes(4, "big") + request)
    while not peer.cut_off:
        for stream in streams:
            number = stream.muxed_stream.stream_id  # type: ignore[attr-defined]
            await peer.muxed._write_frame(frame(DATA, 0, number, len(body), body))


async def half_open_streams(target: Target) -> None:
    """Streams by the hundred, on which nothing is ever said."""
    while True:
        async with hostile(target) as peer:
            for number in range(1001, 3001, 2):
                await peer.muxed._write_frame(frame(WINDOW, SYN, number, 0))
                await trio.lowlevel.checkpoint()


async def stream_flood(target: Target) -> None:
    """Streams opened and reset as quickly as possible."""
    while True:
        async with hostile(target) as peer:
            for number in range(1001, 100_001, 2):
                await peer.muxed._write_frame(frame(WINDOW, SYN, number, 0) + frame(WINDOW, RST, number, 0))


async def junk_protocols(target: Target) -> None:
    """Long, odd and unknown names of protocols, and a list asked for again and again."""
    names = (b"ls\n", b"/no/such/thing\n", b"\xff\xfe\n", b"x" * 900 + b"\n", b"no end")
    async with hostile(target) as peer:
        while not peer.cut_off:
            stream = await peer.muxed.open_stream()
            await stream.write(b"\x13/multistream/1.0.0\n")
            for name in names:
                await stream.write(encode_varint_prefixed(name))
            await stream.write(b"\x80\x80\x80\x80\x80\x20" + bytes(50_000))
            await trio.sleep(0.02)


async def never_reads(target: Target) -> None:
    """Joins, asks for all there is, and then reads nothing from its socket any more."""
    while True:
        async with hostile(target) as peer:
            await peer.stack.pubsub.subscribe(target.topic(Kind.VOTES))
            await trio.sleep(0.3)
            peer.muxed.secured_conn.read = _never
            request = b"\x0a\x20" + bytes.fromhex(target.blob)
            with trio.move_on_after(3):
                for _ in range(8):
                    number = peer.muxed.next_stream_id
                    peer.muxed.next_stream_id += 2
                    said = b"\x13/multistream/1.0.0\n" + encode_varint_prefixed(
                        target.names.fetch.encode() + b"\n"
                    )
                    said += len(request).to_bytes(4, "big") + request
                    await peer.muxed._write_frame(frame(WINDOW, SYN, number, 1 << 24))
                    await peer.muxed._write_frame(frame(DATA, 0, number, len(said), said))
            await trio.sleep_forever()


async def _never(n: int | None = None) -> bytes:
    await trio.sleep_forever()
    raise AssertionError("it woke")
