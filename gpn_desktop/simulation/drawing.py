"""A plan by chance: the same seed, sizes and faults give the same plan everywhere."""

from __future__ import annotations

from random import Random
from typing import Final

from gpn_desktop.simulation.faults import BAD_HABITS, TWO_FACED, Fault, Habit
from gpn_desktop.simulation.plan import (
    START,
    Committee,
    Incident,
    Kind,
    Member,
    OrderPlan,
    Plan,
    Trouble,
)
from gpn_desktop.simulation.timeline import dice

SMALLEST: Final = 4
LARGEST: Final = 16
PER_COMMITTEE: Final = 8  # nodes for one consumer
EVERY_MS: Final = 4_000  # between two requests, on average
FIRST_AT: Final = 120_000  # the chain has a few blocks by then
LEAST_REWARD: Final = 1_000  # gwei
MAX_REORG: Final = 2


def draw(seed: int, nodes: int, requests: int, faults: frozenset[Fault]) -> Plan:
    """A plan. ValueError when there are too few nodes for a committee."""
    if nodes < SMALLEST or requests < 1:
        raise ValueError(f"a run takes at least {SMALLEST} nodes and one request")
    chance = dice(seed, "plan")
    members = tuple(_member(chance, number, faults) for number in range(nodes))
    committees = tuple(
        _committee(chance, number, members) for number in range(max(1, nodes // PER_COMMITTEE))
    )
    length = requests * EVERY_MS
    orders = tuple(
        _order(chance, number, START + FIRST_AT + chance.randrange(length), committees, nodes, faults)
        for number in range(requests)
    )
    return Plan(
        seed,
        faults,
        members,
        committees,
        orders,
        _incidents(chance, nodes, length, faults),
        (5, 60) if Fault.LATENCY in faults else (5, 10),
        0.03 if Fault.LOSS in faults else 0.0,
        0.05 if Fault.DUPLICATION in faults else 0.0,
    )


def _member(chance: Random, number: int, faults: frozenset[Fault]) -> Member:
    bad = [habit for fault, habit in BAD_HABITS.items() if fault in faults]
    spoilt = chance.random() < 0.15 and number > 1  # two stay honest, for the smallest committees
    habit = chance.choice(bad) if bad and spoilt else Habit.HONEST
    skew = chance.randint(-900, 900) if Fault.SKEW in faults else 0
    return Member(number, habit, skew, chance.randint(800, 12_000), chance.randint(20, 900))


def _committee(chance: Random, number: int, members: tuple[Member, ...]) -> Committee:
    """A committee whose honest members hold the quorum, and that no two-faced ones can give two verdicts.

    Two verdicts take 2 · quorum signatures. Of n members each signs for one proof at most, and of two provers
    one for none, so d members that sign for both are too few while d < 2 · quorum − (n − 1).
    """
    size = min(chance.randint(SMALLEST, LARGEST), chance.randint(SMALLEST, LARGEST), len(members))
    chosen = chance.sample(members, size)
    while True:
        two_faced = sum(member.habit in TWO_FACED for member in chosen)
        verifiers = size - 1
        quorum = max(verifiers // 2 + 1, (verifiers + two_faced) // 2 + 1)
        if quorum <= verifiers and two_faced < quorum:
            break
        stranger = next((m for m in members if m.habit not in TWO_FACED and m not in chosen), None)
        traitor = next(place for place, m in enumerate(chosen) if m.habit in TWO_FACED)
        chosen = [m for place, m in enumerate(chosen) if place != traitor]
        chosen += [stranger] if stranger is not None else []
        size = len(chosen)
    weights = tuple(min(16, 1 + int(chance.expovariate(0.4))) for _ in chosen)
    return Committee(number, tuple(member.number for member in chosen), weights, quorum)


def _order(
    chance: Random,
    number: int,
    at: int,
    committees: tuple[Committee, ...],
    nodes: int,
    faults: frozenset[Fault],
) -> OrderPlan:
    committee = chance.choice(committees)
    gateway = chance.choice(committee.members) if chance.random() < 0.8 else chance.randrange(nodes)
    odd = chance.random()
    kind = Kind.PLAIN
    if odd < 0.02:
        kind = Kind.CANCELLED
    elif odd < 0.03:
        kind = Kind.CHEAP
    elif odd < 0.07 and Fault.GRIND in faults:
        kind = chance.choice((Kind.LATE, Kind.DOUBLE))
    reward = LEAST_REWARD - 1 if kind is Kind.CHEAP else chance.randint(LEAST_REWARD, 5_000_000)
    turn = chance.randint(15, 60)
    lifetime = chance.randint(4 * turn, 900)
    return OrderPlan(
        number, at, committee.number, gateway, kind, reward, turn, lifetime, chance.random() < 0.4
    )


def _incidents(chance: Random, nodes: int, length: int, faults: frozenset[Fault]) -> tuple[Incident, ...]:
    """As many as make each kind ordinary: a node in three dies, a partition every ten minutes."""
    made: list[Incident] = []

    def add(trouble: Trouble, number: int, longest_s: int, size: int = 0) -> None:
        for _ in range(number):
            at = START + FIRST_AT + chance.randrange(length)
            until = at + chance.randint(2_000, longest_s * 1000)
            made.append(Incident(trouble, at, until, chance.randrange(nodes), chance.randint(0, size)))

    minutes = max(1, length // 60_000)
    if Fault.CRASH in faults:
        add(Trouble.CRASH, max(3, nodes // 3), 180, 1)
    if Fault.OUTAGE in faults:
        add(Trouble.OUTAGE, max(2, nodes // 6), 120)
    if Fault.PARTITION in faults:
        add(Trouble.PARTITION, max(1, minutes // 10), 90, 2)
    if Fault.REORG in faults:
        add(Trouble.REORG, max(1, minutes // 7), 2, MAX_REORG - 1)
    return tuple(sorted(made, key=lambda i: i.at))
