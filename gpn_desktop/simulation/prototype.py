"""How the Go prototype picks a prover, kept only to be measured beside the network's own rule.

The seed document says: "The selection of the prover is done randomly, using on the latest proof generated for
the specific consumer as a random seed." What that means in detail is in the prototype's public repository,
dimazhornyk/generic-proving-network: ``selectProvingNode`` of ``internal/logic/service.go`` at commit 6aba500,
and ``BytesToRandom`` of ``internal/common/utils.go`` (earlier ``ZKPToRandom``). Described here, not copied:

1. The candidates are the nodes that gossip says are committed to the consumer and idle, and that came up
   before the request's timestamp, sorted by peer id. Stake plays no part: each of them is one entry.
2. The first 8 bytes (big-endian) of the SHA-256 of the latest proof's bytes seed Go's ``math/rand``; as long
   as there is no proof, those of the image's name do. Neither the request nor a block is in it.
3. The first ``Intn(number of candidates)`` is the prover. Each node votes for what it computed.
4. After a proof that was voted down, the same seed picks again from the list without those that have had
   their turn, three attempts in all (``voting-handler.go`` at 3ae137d). A silent prover is never replaced.
5. The proof becomes the latest one for the consumer when its votes are in. The contract (``gpn-core.sol`` at
   1afec8f) pays nothing to anybody, so a turn that is given away costs nothing.

Ambiguous in the source, and how it is read here: which nodes are idle differs from node to node (all see the
same, the kinder reading); peer ids sort as the addresses do; the timestamp is the gateway's word (everybody
has been up for long). One thing stands in for another: instead of Go's generator, SHA-256 over the same seed,
which Go too reduces modulo 2³¹−1, gives the one number that is drawn. Both are a fixed function of the latest
proof alone and near enough uniform, and nothing that is measured here depends on which.
"""

from __future__ import annotations

import hashlib
from typing import Final

from gpn_desktop.core.types import Address, Snapshot
from gpn_desktop.simulation.fairness_rules import Entropy

ATTEMPTS: Final = 3
GO_SEEDS: Final = 2**31 - 1


class PrototypeRule:
    """The prover of each attempt, from the latest proof alone."""

    name = "prototype"

    def order(self, committee: Snapshot, entropy: Entropy) -> tuple[Address, ...]:
        left = sorted(seat.address for seat in committee.seats)
        number = self._number(entropy.latest_proof)
        return tuple(left.pop(number % len(left)) for _ in range(min(ATTEMPTS, len(left))))

    def share(self, committee: Snapshot, address: Address) -> float:
        """By heads."""
        return 1 / len(committee.seats)

    @staticmethod
    def _number(proof: bytes) -> int:
        """The 31 bits that one draw takes."""
        seed = int.from_bytes(hashlib.sha256(proof).digest()[:8], "big", signed=True) % GO_SEEDS
        return int.from_bytes(hashlib.sha256(seed.to_bytes(8, "big")).digest()[:4], "big") >> 1
