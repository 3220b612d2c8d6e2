"""Is the order of provers fair? Work against stake, and what grinding brings, by playing it.

The rule under test and the prototype's play the same games from one seed, so a report can be had again to the
byte. The rule is a parameter: a measure that could not find fault with a broken one would say nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import Address, Gwei, Snapshot
from gpn_desktop.simulation.fairness_figures import Figure, chi_square, figure, z_of
from gpn_desktop.simulation.fairness_games import Table, Tally
from gpn_desktop.simulation.fairness_plans import OTHERS, SPLIT, plans
from gpn_desktop.simulation.fairness_report import Honest, Income, Member, Report
from gpn_desktop.simulation.fairness_rules import Entropy, ProductRule, Rule, committee_of, without
from gpn_desktop.simulation.prototype import PrototypeRule

STAKES: Final = (1, 1, 2, 3, 4, 5, 16)  # of the honest committee, in units of the minimum stake
ABSENT: Final = (3, 6)
LEAST_DRAWS: Final = 500
REWARD: Final = Gwei(1_000_000)
# The standard terms' split.
SHARES: Final = Shares(prover_bps=6_000, inclusion_bps=2_000, verifier_bps=2_000, tip=Gwei(0))

Progress = Callable[[str], None]


def measure(
    seed: int, draws: int = 10_000, progress: Progress | None = None, rule: Rule | None = None
) -> Report:
    """Play everything, ``draws`` requests a game; the same arguments give the same report.

    Raises:
        ValueError: too few draws to say anything.
    """
    if draws < LEAST_DRAWS:
        raise ValueError(f"{draws} draws say nothing; {LEAST_DRAWS} are the least")
    tell = progress or (lambda _text: None)
    own, prototype = rule or ProductRule(), PrototypeRule()
    rows_to_play = plans()
    figures = len(rows_to_play) + 2 * len(STAKES) - len(ABSENT) + 1
    z = z_of(figures)
    honest = []
    for each in (own, prototype):
        tell(f"honest shares, {each.name}")
        honest.append(_honest(each, random.Random(f"{seed}/honest"), draws, z))
    rows = []
    for plan in rows_to_play:
        tell(plan.title)
        rows.append(plan.row(own, prototype, seed, draws, z))
    return Report(seed, draws, figures, (honest[0], honest[1]), tuple(rows), (income(1), income(SPLIT)))


def _honest(rule: Rule, dice: random.Random, draws: int, z: float) -> Honest:
    whole = committee_of(STAKES)
    absent = frozenset(whole.seats[number].address for number in ABSENT)
    rest = without(whole, absent)
    table = Table(rule, whole, frozenset(), dice)
    firsts: Counter[Address] = Counter()
    turns: Counter[Address] = Counter()
    reordered = 0
    for _ in range(draws):
        entropy = Entropy(table.hash(), table.hash(), table.hash())
        order, left = rule.order(whole, entropy), rule.order(rest, entropy)
        firsts[order[0]] += 1
        turns[left[0]] += 1
        reordered += left[0] != next((a for a in order if a not in absent), None)
    first, present = _figures(whole, firsts, draws, z), _figures(rest, turns, draws, z)
    members = tuple(
        Member(STAKES[seat.member_id], seat.weight, first[seat.address], present.get(seat.address))
        for seat in whole.seats
    )
    statistic, chance = chi_square([m.first.hits for m in members], [m.first.honest for m in members])
    return Honest(rule.name, members, statistic, chance, reordered / draws)


def _figures(committee: Snapshot, hits: Mapping[Address, int], draws: int, z: float) -> dict[Address, Figure]:
    """Each member's share beside its stake's, this network's promise and the measure for any rule."""
    fair = ProductRule()
    return {
        seat.address: figure(
            Tally(hits[seat.address], draws, hits[seat.address]), fair.share(committee, seat.address), z
        )
        for seat in committee.seats
    }


def income(seats: int) -> Income:
    """Of a stake of SPLIT in so many equal seats beside OTHERS, by the contract's own arithmetic."""
    committee = committee_of((*(SPLIT // seats,) * seats, *OTHERS))
    verifiers = len(committee.seats) - 1
    paid = split(REWARD, SHARES, verifiers, verifiers, by_prover=True)
    first = sum(ProductRule().share(committee, seat.address) for seat in committee.seats[:seats])
    fees = first * (seats - 1) + (1 - first) * seats
    return Income(
        seats,
        round(first * paid.prover / REWARD, 6),
        round(fees * paid.fee / REWARD, 6),
        seats,
        verifiers,
        verifiers // 2 + 1,
    )
