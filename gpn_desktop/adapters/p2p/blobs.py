"""Blobs by hash over direct streams: chunks, a running keccak, resume at the byte, several providers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Final

import trio
from eth_hash.auto import keccak

from gpn_desktop.adapters.p2p.codec import parse
from gpn_desktop.adapters.p2p.frames import BadFrame, Broken, Frames
from gpn_desktop.adapters.p2p.pb import peer_pb2 as pb
from gpn_desktop.core.errors import FetchFailed, PeerMessageInvalid
from gpn_desktop.core.messages import MAX_BLOB_BYTES
from gpn_desktop.core.types import Address, Hash32, short

CHUNK: Final = 64 * 1024
MAX_HEAD: Final = 128
FIRST_PAUSE: Final = 0.1  # seconds between rounds over the providers
LAST_PAUSE: Final = 2.0

Open = Callable[[Address], Awaitable[Frames]]  # a fetch stream to a provider, or Broken
Read = Callable[[Hash32], Awaitable[bytes | None]]


class Outcome(Enum):
    DONE = "done"
    LATER = "later"  # not there, not reachable or broken off: another round may help
    NEVER = "never"  # it sent something else


class Download:
    """What is here of one blob, and who sent it."""

    def __init__(self, hash32: Hash32, size: int) -> None:
        self.hash32, self.size = hash32, size
        self.restart()

    def restart(self) -> None:
        self.data = bytearray()
        self.hasher = keccak.new(b"")
        self.sources: set[Address] = set()

    def add(self, chunk: bytes, source: Address) -> None:
        self.data += chunk
        self.hasher.update(chunk)
        self.sources.add(source)

    async def pull(self, frames: Frames, source: Address) -> Outcome:
        """Go on with one provider from the byte reached."""
        await frames.send(pb.FetchRequest(hash=self.hash32, offset=len(self.data)).SerializeToString())
        head = parse(pb.FetchHead, await frames.receive(MAX_HEAD), MAX_HEAD)
        if not head.found:
            return Outcome.LATER
        if head.size != self.size:
            return Outcome.NEVER
        while len(self.data) < self.size:
            chunk = await frames.receive(min(CHUNK, self.size - len(self.data)))
            if not chunk:
                raise BadFrame("an empty chunk")
            self.add(chunk, source)
        return self._judge()

    def _judge(self) -> Outcome:
        if self.hasher.digest() == self.hash32:
            return Outcome.DONE
        # With one source it lied; with several one of them did, so each has to show the whole blob alone.
        alone = len(self.sources) <= 1
        self.restart()
        return Outcome.NEVER if alone else Outcome.LATER


async def fetch(
    download: Download, providers: Sequence[Address], open_stream: Open, blame: Callable[[Address], None]
) -> bytes:
    """The blob from the first providers that have it; FetchFailed when none is left. Has no deadline."""
    left = list(dict.fromkeys(providers))
    pause = FIRST_PAUSE
    mixed = False
    while left:
        for provider in list(left):
            if mixed:
                download.restart()
            before = bool(download.sources)
            outcome = await _attempt(download, provider, open_stream)
            if outcome is Outcome.DONE:
                return bytes(download.data)
            mixed |= before and not download.sources
            if outcome is Outcome.NEVER:
                left.remove(provider)
                blame(provider)
        if left:
            await trio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)
    raise FetchFailed(f"Nobody served {short(download.hash32)} as announced.")


async def _attempt(download: Download, provider: Address, open_stream: Open) -> Outcome:
    try:
        frames = await open_stream(provider)
    except Broken:
        return Outcome.LATER
    outcome = Outcome.LATER
    try:
        outcome = await download.pull(frames, provider)
    except Broken:
        return Outcome.LATER
    except (BadFrame, PeerMessageInvalid):
        return Outcome.NEVER
    finally:
        await (frames.close() if outcome is Outcome.DONE else frames.abort())
    return outcome


class Shelf:
    """Blobs being served, so that several peers that fetch one share its bytes.

    At most ``room`` bytes are held; for what does not fit its askers have to come again.
    """

    def __init__(self, read: Read, room: int) -> None:
        self._read, self._room = read, room
        self._blobs: dict[Hash32, tuple[bytes, int]] = {}

    async def take(self, hash32: Hash32) -> bytes | None:
        """A blob; ``give_back`` it unless it is None."""
        held = self._blobs.get(hash32)
        blob = held[0] if held is not None else await self._read(hash32)
        if blob is None or len(blob) > MAX_BLOB_BYTES:
            return None
        if (
            hash32 not in self._blobs
            and len(blob) + sum(len(b) for b, _ in self._blobs.values()) > self._room
        ):
            return None
        first, users = self._blobs.get(hash32, (blob, 0))
        self._blobs[hash32] = (first, users + 1)
        return first

    def give_back(self, hash32: Hash32) -> None:
        blob, users = self._blobs[hash32]
        if users == 1:
            del self._blobs[hash32]
        else:
            self._blobs[hash32] = (blob, users - 1)


async def serve(frames: Frames, shelf: Shelf) -> None:
    """Answer one fetch; Broken, BadFrame or PeerMessageInvalid when the asker goes or is at fault."""
    request = parse(pb.FetchRequest, await frames.receive(MAX_HEAD), MAX_HEAD)
    if len(request.hash) != 32:
        raise BadFrame("a hash has 32 bytes")
    hash32 = Hash32(request.hash)
    blob = await shelf.take(hash32)
    if blob is None:
        await frames.send(pb.FetchHead(found=False).SerializeToString())
        return
    try:
        if request.offset > len(blob):
            raise BadFrame("an offset behind the end")
        await frames.send(pb.FetchHead(found=True, size=len(blob)).SerializeToString())
        for start in range(request.offset, len(blob), CHUNK):
            await frames.send(blob[start : start + CHUNK])
    finally:
        shelf.give_back(hash32)
