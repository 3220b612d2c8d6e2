"""Below libp2p: connections that say nothing, too much, or something else."""

from __future__ import annotations

import os

import trio

from tests.attacks.peer import Target, hostile

GARBAGE = (
    b"\x00" * 100,
    os.urandom(5000),
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x13/multistream/1.0.0\n\x07/noise\n",
)


async def garbage(target: Target) -> None:
    while True:
        for junk in GARBAGE:
            async with await target.dial() as socket:
                await socket.send_all(junk)
        await trio.sleep(0.01)


async def half_open(target: Target) -> None:
    """Two hundred connections that never say a word."""
    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(_listen, target)


async def _listen(target: Target) -> None:
    while True:
        socket = await target.dial()
        try:
            while await socket.receive_some(1024):
                pass
        except trio.BrokenResourceError:
            pass
        await socket.aclose()
        await trio.sleep(0.2)


async def flood(target: Target) -> None:
    """Some three hundred connections a second."""
    while True:
        socket = await target.dial()
        await socket.aclose()
        await trio.sleep(0.003)


async def endless_name(target: Target) -> None:
    """A protocol's name of a terabyte, before anybody has said who he is."""
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(_recite, target)


async def _recite(target: Target) -> None:
    while True:
        socket = await target.dial()
        try:
            await socket.send_all(b"\x13/multistream/1.0.0\n\x80\x80\x80\x80\x80\x20")
            while True:
                await socket.send_all(bytes(1 << 20))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.sleep(0.02)


async def drip(target: Target) -> None:
    """A proper start, one byte at a time, on fifty connections."""
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(_drip, target)


async def _drip(target: Target) -> None:
    while True:
        socket = await target.dial()
        try:
            for byte in b"\x13/multistream/1.0.0\n":
                await socket.send_all(bytes([byte]))
                await trio.sleep(0.2)
        except trio.BrokenResourceError:
            await trio.sleep(0.1)


async def identities(target: Target) -> None:
    """A new key for each connection; each is a proper peer for a moment."""
    while True:
        async with hostile(target):
            pass
