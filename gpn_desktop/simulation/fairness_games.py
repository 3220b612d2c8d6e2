"""The games of the fairness report: who is first how often, if somebody uses what it knows when it knows it.

A player chooses among the things that it can still change, by computing the order that each would give. What
does not exist yet at that time it has to guess; the order that counts is computed with what came true. So one
strategy serves any rule: a rule that can be ground is ground, and one that cannot leaves the guess worthless.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from gpn_desktop.core.types import Address, Hash32, Snapshot
from gpn_desktop.simulation.fairness_rules import Entropy, Rule

TRIES: Final = (
    64  # what a grinder takes the trouble of: re-randomised proofs, signed variants, block contents
)


class Beacon(Enum):
    """When the beacon block's hash is there, as seen from who signs the request."""

    AFTER = "after"
    BEFORE = "before"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Tally:
    """``hits`` first places in ``draws`` requests; ``paid`` of them proven by the player for a reward."""

    hits: int
    draws: int
    paid: int


@dataclass(frozen=True)
class Table:
    """Who plays under which rule. ``dice`` is the only chance there is."""

    rule: Rule
    committee: Snapshot
    players: frozenset[Address]
    dice: random.Random

    def wins(self, entropy: Entropy) -> bool:
        return self.rule.order(self.committee, entropy)[0] in self.players

    def hash(self) -> Hash32:
        """The hash of something that nobody knew before."""
        return Hash32(self.dice.randbytes(32))

    def beacon(self, when: Beacon) -> bytes:
        return b"" if when is Beacon.NONE else self.hash()


# What a prover makes of its turn: the next latest proof, and whether it is paid for this one. It is given
# what it believes the next request to be drawn from; the latest proof in it is the present one.
Turn = Callable[[Table, Entropy], tuple[Hash32, bool]]


def honest(table: Table, _believed: Entropy) -> tuple[Hash32, bool]:
    return table.hash(), True


def grind(table: Table, believed: Entropy) -> tuple[Hash32, bool]:
    """Makes the same proof anew, which for Groth16 takes milliseconds, until it suits."""
    proof = table.hash()
    for _ in range(TRIES - 1):
        if table.wins(replace(believed, latest_proof=proof)):
            break
        proof = table.hash()
    return proof, True


def delay(table: Table, believed: Entropy) -> tuple[Hash32, bool]:
    """Brings its proof out after the next request's order is drawn, if that suits; it is still paid."""
    own = table.hash()
    keeps = not table.wins(replace(believed, latest_proof=own)) and table.wins(believed)
    return (believed.latest_proof if keeps else own), True


def withhold(table: Table, believed: Entropy) -> tuple[Hash32, bool]:
    """Gives its turn away if its proof does not suit: the next prover's, unknown yet, will be the latest."""
    own = table.hash()
    if table.wins(replace(believed, latest_proof=own)):
        return own, True
    return table.hash(), False


def prover(table: Table, draws: int, turn: Turn, beacon: Beacon = Beacon.AFTER, told: bool = False) -> Tally:
    """Requests one after the other; on each of its turns the player decides what the next latest proof is.

    The next request is signed after that proof, so its id is a guess, unless the requester has ``told`` it.
    """
    latest, request = table.hash(), table.hash()
    hits = paid = 0
    for _ in range(draws):
        first = table.wins(Entropy(latest, request, table.beacon(beacon)))
        request = table.hash()
        if not first:
            latest = table.hash()
            continue
        believed = Entropy(latest, request if told else table.hash(), table.beacon(beacon))
        latest, is_paid = turn(table, believed)
        hits, paid = hits + 1, paid + is_paid
    return Tally(hits, draws, paid)


def requester(table: Table, draws: int, beacon: Beacon, waits: bool = False) -> Tally:
    """Signs variants of one request (another ref will do) and sends the one that has its friend first.

    ``waits``: it keeps to one request and sends it when the latest proof suits; junk brings new ones.
    """
    hits = 0
    for _ in range(draws):
        block = table.beacon(beacon)
        seen = table.hash() if beacon is Beacon.AFTER else block
        chosen = Entropy(table.hash(), table.hash(), seen)
        for _ in range(TRIES - 1):
            if table.wins(chosen):
                break
            fresh = table.hash()
            chosen = replace(chosen, latest_proof=fresh) if waits else replace(chosen, request_id=fresh)
        hits += table.wins(replace(chosen, beacon=block))
    return Tally(hits, draws, hits)


def proposer(table: Table, draws: int, percent: int, tries: int) -> Tally:
    """A prover that proposes ``percent`` of the blocks, where one of them is a request's beacon.

    It knows request and latest proof by then, may build its block in ``tries`` variants, and leaves it out if
    none suits; then the next proposer's block is the beacon.
    """
    hits = 0
    for _ in range(draws):
        drawn = Entropy(table.hash(), table.hash(), b"")
        mine, won = True, False
        while mine and not won:
            mine = table.dice.randrange(100) < percent
            blocks = tries if mine else 1
            won = any(table.wins(replace(drawn, beacon=table.hash())) for _ in range(blocks))
        hits += won
    return Tally(hits, draws, hits)


def spread(table: Table, draws: int) -> Tally:
    """Everybody is honest; the player may have several seats."""
    return prover(table, draws, honest)
