"""GossipSub's own notes (IHAVE, IWANT, GRAFT, PRUNE, subscriptions), cleaned before it acts on them.

It would keep state for any topic that a peer makes up, dial whatever addresses a PRUNE recommends, and answer
an IWANT with the same message as often as its id is repeated.
"""

from __future__ import annotations

from typing import Any, Final

from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from gpn_desktop.adapters.p2p.identity import Roster
from gpn_desktop.adapters.p2p.options import Limits
from gpn_desktop.adapters.p2p.standing import Buckets, Standing
from gpn_desktop.adapters.p2p.tally import Drop, Tally
from gpn_desktop.adapters.p2p.topics import Names

FLOOD_WEIGHT: Final = 0.2  # strikes for a message of notes above the rate
MAX_BACK_OFF: Final = 3600  # seconds
MAX_WANTED: Final = 256  # different messages in one IWANT
TOPIC_COST: Final = 10.0  # entries, of one about a topic that counts: the library begins three tasks for it


class ControlGuard:
    def __init__(
        self, names: Names, limits: Limits, roster: Roster, standing: Standing, tally: Tally
    ) -> None:
        self._names, self._roster, self._standing, self._tally = names, roster, standing, tally
        self._entries = Buckets(limits.control_rate, limits.control_burst)

    def admit(self, sender: ID, rpc: rpc_pb2.RPC) -> bool:
        """Whether to act on the notes of an RPC at all; what is left of them makes sense."""
        notes = rpc.control
        ids = sum(len(have.messageIDs) for have in notes.ihave) + sum(len(w.messageIDs) for w in notes.iwant)
        entries = len(notes.ihave) + len(notes.iwant) + len(notes.graft) + len(notes.prune)
        if not self._affords(sender, 1 + ids + entries + len(notes.idontwant)):
            return False
        dropped = sum(self._keep_ours(repeated) for repeated in (notes.ihave, notes.graft, notes.prune))
        for prune in notes.prune:
            del prune.peers[:]
            prune.backoff = min(prune.backoff, MAX_BACK_OFF)
        for want in notes.iwant:
            wanted = list(dict.fromkeys(want.messageIDs))[:MAX_WANTED]
            dropped += len(want.messageIDs) - len(wanted)
            want.messageIDs[:] = wanted
        del notes.iwant[1:]
        if dropped:
            self._tally.add(Drop.CONTROL, dropped)
        return True

    def admit_subscription(self, sender: ID, said: rpc_pb2.RPC.SubOpts) -> bool:
        """Whether to take note of a topic that a peer joined or left."""
        ours = self._names.ours(said.topicid)
        if not self._affords(sender, TOPIC_COST if ours else 1):
            return False
        if not ours:
            self._tally.add(Drop.CONTROL)
        return ours

    def _affords(self, sender: ID, cost: float) -> bool:
        peer = self._roster.address(sender)
        if self._standing.banned(peer):
            self._tally.add(Drop.BANNED)
            return False
        if not self._entries.take(peer, cost):
            self._standing.strike(peer, FLOOD_WEIGHT, "flood of gossip's notes")
            self._tally.add(Drop.CONTROL)
            return False
        return True

    def _keep_ours(self, notes: Any) -> int:
        """Take out the entries about topics that are none of this deployment's; how many there were."""
        kept = [note for note in notes if self._names.ours(note.topicID)]
        dropped = len(notes) - len(kept)
        if dropped:
            copies = [type(note).FromString(note.SerializeToString()) for note in kept]
            del notes[:]
            notes.extend(copies)
        return dropped
