"""Every attack by its name: the layer, what is done, and what the victim's operator has to see of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.attacks import asking, gossiping, muxing, sockets
from tests.attacks.peer import Target


@dataclass(frozen=True)
class Attack:
    """``counted``: reasons of ``Drops``, of which one has to grow; ``banned``: a ban has to be there."""

    layer: str
    what: str
    run: Callable[[Target], Awaitable[None]]
    counted: tuple[str, ...] = ()
    banned: bool = False


ATTACKS = {
    # below libp2p
    "socket garbage": Attack("socket", "zeros, HTTP and random bytes", sockets.garbage),
    "socket half open": Attack("socket", "200 silent connections", sockets.half_open, ("connections",)),
    "socket flood": Attack("socket", "300 connections a second", sockets.flood, ("connections",)),
    "socket drip": Attack("socket", "50 handshakes, a byte at a time", sockets.drip, ("connections",)),
    "endless name": Attack("multistream", "a protocol's name of a terabyte", sockets.endless_name),
    "identity flood": Attack("noise", "a new key for each connection", sockets.identities),
    # within the secured connection
    "mux noise": Attack("yamux", "random bytes as frames", muxing.noise),
    "mux tiny frames": Attack("yamux", "pings and one-byte frames", muxing.tiny_frames, banned=True),
    "mux huge frame": Attack("yamux", "a frame of 4 GB", muxing.huge_frame),
    "mux overrun": Attack("yamux", "more than the windows allow", muxing.overrun, ("streams",), True),
    "mux half open": Attack("yamux", "1000 silent streams", muxing.half_open_streams, ("streams",), True),
    "mux stream flood": Attack("yamux", "streams opened and reset", muxing.stream_flood, ("streams",), True),
    "mux junk protocols": Attack("multistream", "odd names of protocols", muxing.junk_protocols),
    "mux never reads": Attack("yamux", "asks for much, reads nothing", muxing.never_reads),
    # gossip's frames and notes
    "gossip garbage": Attack("gossipsub", "frames that are no protobuf", gossiping.garbage),
    "gossip empty": Attack("gossipsub", "60,000 empty frames in one write", gossiping.empty),
    "gossip grafts": Attack(
        "gossipsub",
        "GRAFT and PRUNE of made-up topics, others to dial",
        gossiping.graft_and_prune,
        ("control",),
    ),
    "gossip ihave": Attack("gossipsub", "ids of nothing", gossiping.ihave, ("control",), True),
    "gossip iwant": Attack("gossipsub", "one message a thousand times", gossiping.iwant, ("control",)),
    "gossip subscriptions": Attack("gossipsub", "topics without end", gossiping.subscriptions, ("control",)),
    # gossip's messages
    "malformed": Attack("gossip", "random payloads", gossiping.malformed, ("malformed",), True),
    "oversize": Attack("gossip", "200 KB where 32 are allowed", gossiping.oversize, ("malformed",), True),
    "bad signatures": Attack("gossip", "forged authors", gossiping.bad_signatures, ("malformed",), True),
    "stale": Attack("gossip", "an hour old, an hour early", gossiping.stale, ("stale", "stranger")),
    "replay": Attack("gossip", "the same again, also renumbered", gossiping.replay, ("stranger",)),
    "wrong topics": Attack(
        "gossip", "of another consumer or kind", gossiping.wrong_topics, ("misplaced",), True
    ),
    "impersonation": Attack("gossip", "statements of others", gossiping.impersonation, ("misplaced",), True),
    "strangers": Attack(
        "gossip", "200 good messages a second of a stranger", gossiping.strangers, ("stranger",)
    ),
    "costly votes": Attack("gossip", "100 signatures in each message", gossiping.costly_votes, ("stranger",)),
    "unpaid requests": Attack(
        "gossip", "requests that no consumer signed", gossiping.unpaid_requests, ("malformed",), True
    ),
    # direct protocols
    "ask garbage": Attack("streams", "no requests, lengths of gigabytes", asking.garbage, ("streams",), True),
    "ask byte by byte": Attack("streams", "requests that never end", asking.byte_by_byte, ("streams",)),
    "ask and not read": Attack("fetch", "large blobs that nobody reads", asking.slow_reader, ("streams",)),
    "ask too much": Attack("sync, attest", "as much as is answered", asking.questions, ("streams",)),
    "lying history": Attack("sync", "pages without end", asking.lying_history),
    "backward history": Attack("sync", "pages that lead back", asking.backward_history),
    "lying addresses": Attack("peers", "a crowd at a bystander's address", asking.lying_addresses),
}
