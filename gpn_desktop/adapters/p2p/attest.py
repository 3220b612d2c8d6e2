"""One signature of a verifier over a list of its own votes, so that a settlement carries one for many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gpn_desktop.adapters.p2p.codec import parse
from gpn_desktop.adapters.p2p.frames import BadFrame, Frames
from gpn_desktop.adapters.p2p.pb import peer_pb2 as pb
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.network import MAX_ATTESTED

MAX_REQUEST: Final = MAX_ATTESTED * 34 + 16
MAX_REPLY: Final = 80
SIGNATURE: Final = 65

Attest = Callable[[tuple[Hash32, ...]], Awaitable[bytes | None]]


async def ask(frames: Frames, votes: Sequence[Hash32]) -> bytes | None:
    """The signature, not yet checked; None when the peer gave other votes.

    Raises:
        BadFrame, PeerMessageInvalid: the answer is none.
    """
    await frames.send(pb.AttestRequest(votes=list(votes)).SerializeToString())
    reply = parse(pb.AttestReply, await frames.receive(MAX_REPLY), MAX_REPLY)
    if len(reply.signature) not in (0, SIGNATURE):
        raise BadFrame("a signature has 65 bytes")
    return bytes(reply.signature) or None


async def answer(frames: Frames, attest: Attest) -> None:
    """Serve one request."""
    request = parse(pb.AttestRequest, await frames.receive(MAX_REQUEST), MAX_REQUEST)
    if not 1 <= len(request.votes) <= MAX_ATTESTED or any(len(vote) != 32 for vote in request.votes):
        raise BadFrame(f"1 to {MAX_ATTESTED} digests of 32 bytes are expected")
    signature = await attest(tuple(Hash32(vote) for vote in request.votes))
    await frames.send(pb.AttestReply(signature=signature or b"").SerializeToString())
