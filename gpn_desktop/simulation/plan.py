"""A run, laid out before it begins: who takes part, what is ordered, what goes wrong and when.

A plan is data: it can be drawn from a seed, cut down to what still fails, and run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gpn_desktop.simulation.faults import Fault, Habit

START: Final = 1_700_000_000_000  # chain time in milliseconds at which a run begins


class Kind(Enum):
    """What a consumer does with a request."""

    PLAIN = "plain"
    CANCELLED = "cancelled"  # taken back before its first turn
    CHEAP = "cheap"  # below the network's least reward, so refused by everybody
    LATE = "late"  # held back until its sender has seen the beacon
    DOUBLE = "double"  # another request is signed on the same nonce


@dataclass(frozen=True, slots=True)
class Member:
    """One node. ``prove_ms``, ``verify_ms``: its usual times. ``skew_ms``: its clock against the chain's."""

    number: int
    habit: Habit
    skew_ms: int
    prove_ms: int
    verify_ms: int


@dataclass(frozen=True, slots=True)
class Committee:
    """One consumer's members with their weights, and the quorum that its requests ask for."""

    number: int
    members: tuple[int, ...]
    weights: tuple[int, ...]
    quorum: int


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """One request. ``gateway``: a node, of the committee or not. ``large``: its proof is fetched by hash."""

    number: int
    at: int
    committee: int
    gateway: int
    kind: Kind
    reward: int  # gwei
    turn_s: int
    lifetime_s: int
    large: bool


class Trouble(Enum):
    CRASH = "crash"  # a node dies, at the instant or right after its next journal entry
    PARTITION = "partition"  # the network falls into two parts
    OUTAGE = "outage"  # a node's chain endpoint does not answer
    REORG = "reorg"  # the last blocks are replaced


@dataclass(frozen=True, slots=True)
class Incident:
    """``node``: whom it meets.

    ``size``: a reorg replaces one block more than that; a partition's smaller side are the nodes whose number
    modulo 7 is at most that; a crash with 1 strikes right after the node's next journal entry.
    """

    trouble: Trouble
    at: int
    until: int
    node: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """``latency_ms``: least and usual way of a message; ``loss`` and ``twice``: how likely each is."""

    seed: int
    faults: frozenset[Fault]
    members: tuple[Member, ...]
    committees: tuple[Committee, ...]
    orders: tuple[OrderPlan, ...]
    incidents: tuple[Incident, ...]
    latency_ms: tuple[int, int]
    loss: float
    twice: float
