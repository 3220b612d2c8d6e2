"""The rows of the fairness report: the game of each, what the network promises, what theory says."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gpn_desktop.simulation import fairness_games as games
from gpn_desktop.simulation.fairness_figures import Figure, figure
from gpn_desktop.simulation.fairness_games import TRIES, Beacon, Table, Tally
from gpn_desktop.simulation.fairness_report import Row
from gpn_desktop.simulation.fairness_rules import Rule, committee_of

TABLE_STAKES: Final = (2, 1, 1, 2, 2)  # of the games, in units of the minimum stake; the first member plays
OTHERS: Final = (1, 2, 3, 4, 6)  # beside the one that splits its stake
SPLIT: Final = 16
ABOVE: Final = 160
PERCENT: Final = 10  # of the blocks that the proposer proposes

Game = Callable[[Table, int], Tally]


@dataclass(frozen=True)
class Plan:
    """A row before it is played. ``before`` and ``after`` are the stakes without and with the strategy.

    ``seats`` is how many of the first seats are the player's afterwards; ``gains`` is the expected share from
    the honest one, None for a promise of nothing. ``note`` says why; ``beside`` says it of the prototype, and
    is None where its rule cannot tell the strategy from the one above.
    """

    key: str
    title: str
    game: Game
    note: str
    gains: Callable[[float], float] | None = None
    before: Sequence[int] = TABLE_STAKES
    after: Sequence[int] = TABLE_STAKES
    seats: int = 1
    part: int = 1  # of the draws, one in so many
    beside: str | None = None

    def row(self, own: Rule, prototype: Rule, seed: int, draws: int, z: float) -> Row:
        product = self._play(own, seed, draws, z)
        beside = self._play(prototype, seed, draws, z) if self.beside else None
        expected = product.honest if self.gains is None else self.gains(product.honest)
        return Row(
            self.key, self.title, self.gains is None, expected, product, beside, self.note, self.beside
        )

    def _play(self, rule: Rule, seed: int, draws: int, z: float) -> Figure:
        before, after = committee_of(self.before), committee_of(self.after)
        players = frozenset(seat.address for seat in after.seats[: self.seats])
        dice = random.Random(f"{seed}/{self.key}")
        tally = self.game(Table(rule, after, players, dice), draws // self.part)
        return figure(tally, rule.share(before, before.seats[0].address), z)


def chosen(share: float) -> float:
    """How often one of TRIES independent orders suits."""
    return 1 - (1 - share) ** TRIES


def proposed(share: float, tries: int) -> float:
    """First places of a proposer of PERCENT of the blocks, each in ``tries`` variants or left out."""
    part, won = PERCENT / 100, 1 - (1 - share) ** tries
    return (part * won + (1 - part) * share) / (1 - part * (1 - won))


def plans() -> tuple[Plan, ...]:
    return (*_prover_plans(), *_requester_plans(), *_proposer_plans(), *_stake_plans())


def _prover_plans() -> tuple[Plan, ...]:
    return (
        Plan(
            "grinding_prover",
            f"prover re-randomises its proof {TRIES} times",
            lambda t, n: games.prover(t, n, games.grind),
            note="the next request is signed after the proof, and its beacon block comes later still",
            beside="its own proof decides, so it stays first",
        ),
        Plan(
            "grinding_prover_no_beacon",
            "the same, network without beacon",
            lambda t, n: games.prover(t, n, games.grind, Beacon.NONE),
            note="the next request's id alone is enough",
        ),
        Plan(
            "grinding_prover_told",
            "the same, and the requester tells it the next request",
            lambda t, n: games.prover(t, n, games.grind, told=True),
            note="the beacon alone is enough",
        ),
        Plan(
            "delaying_prover",
            "prover brings its proof out late if that suits",
            lambda t, n: games.prover(t, n, games.delay),
            note="neither proof says who is next before the next request is there",
            beside="the same prover is drawn as long as the latest proof stays",
        ),
        Plan(
            "withholding_prover",
            "prover gives its turn away if that suits",
            lambda t, n: games.prover(t, n, games.withhold),
            note="there is nothing to choose by, and what it gives away is lost",
            beside="it sees what its own proof would do, and has a second chance",
        ),
    )


def _requester_plans() -> tuple[Plan, ...]:
    return (
        Plan(
            "grinding_requester",
            f"requester picks one of {TRIES} variants for a friend, beacon unknown",
            lambda t, n: games.requester(t, n, Beacon.AFTER),
            note="the beacon decides, and does not exist yet",
            beside="nothing of the request is in the seed",
        ),
        Plan(
            "requester_within_allowance",
            "the same within the 5 s after the beacon block",
            lambda t, n: games.requester(t, n, Beacon.BEFORE),
            gains=chosen,
            note="1-(1-p)^k, for the beacon is known and the request still counts as on time",
        ),
        Plan(
            "requester_no_beacon",
            "the same, network without beacon",
            lambda t, n: games.requester(t, n, Beacon.NONE),
            gains=chosen,
            note="1-(1-p)^k, which is what beaconDelay = 0 gives up",
        ),
        Plan(
            "waiting_requester",
            f"requester waits up to {TRIES} latest proofs, beacon unknown",
            lambda t, n: games.requester(t, n, Beacon.AFTER, waits=True),
            note="the beacon decides, and does not exist yet",
            beside="everybody knows the next prover before there is a request",
        ),
    )


def _proposer_plans() -> tuple[Plan, ...]:
    return (
        Plan(
            "skipping_proposer",
            f"prover proposes {PERCENT} % of the blocks, leaves them out if that suits",
            lambda t, n: games.proposer(t, n, PERCENT, 1),
            gains=lambda p: proposed(p, 1),
            note="p/(1-a(1-p)), and it loses a block's reward each time",
            beside="no block is in the seed",
        ),
        Plan(
            "building_proposer",
            f"the same, and builds each in up to {TRIES} variants",
            lambda t, n: games.proposer(t, n, PERCENT, TRIES),
            gains=lambda p: proposed(p, TRIES),
            note="about a+(1-a)p, for a block's hash, unlike its randao, can be varied for nothing",
            beside="no block is in the seed",
        ),
    )


def _stake_plans() -> tuple[Plan, ...]:
    whole, over = (SPLIT, *OTHERS), (ABOVE, *OTHERS)
    return (
        Plan(
            "sybils",
            f"stake of {SPLIT} in {SPLIT} seats instead of one",
            games.spread,
            before=whole,
            after=(*(1,) * SPLIT, *OTHERS),
            seats=SPLIT,
            note="a seat counts what is staked in it; for verifiers' fees see below",
            beside="every seat is one entry, whatever is staked",
        ),
        Plan(
            "stake_above_clamp",
            f"stake of {ABOVE} in {ABOVE // SPLIT} seats instead of one",
            games.spread,
            gains=lambda _p: ABOVE / (ABOVE + sum(OTHERS)),
            before=over,
            after=(*(SPLIT,) * (ABOVE // SPLIT), *OTHERS),
            seats=ABOVE // SPLIT,
            part=4,
            note=f"a seat counts {SPLIT} at most, so more stake than that wants more seats",
            beside="every seat is one entry, whatever is staked",
        ),
    )
