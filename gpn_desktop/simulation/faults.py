"""What can go wrong, by name; and how members behave that are not honest."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Fault(Enum):
    """Kinds of trouble that a run may contain; the value is its name on the command line."""

    LATENCY = "latency"
    LOSS = "loss"
    DUPLICATION = "duplication"
    REORDERING = "reordering"
    PARTITION = "partition"
    SKEW = "skew"
    CRASH = "crash"
    OUTAGE = "outage"
    REORG = "reorg"
    SLOW = "slow"
    CHEAT = "cheat"
    LIE = "lie"
    COPY = "copy"
    SILENCE = "silence"
    EQUIVOCATE = "equivocate"
    SYBIL = "sybil"
    GRIND = "grind"
    WITHHOLD = "withhold"


class Habit(Enum):
    """How a member behaves. Only an honest one is held to the rules; a slow one is honest as well."""

    HONEST = "honest"
    SLOW = "slow"  # proves longer than its turn now and then
    CHEAT = "cheat"  # announces false proofs, votes honestly
    LIAR = "liar"  # votes the opposite of what it found
    COPIER = "copier"  # repeats others' votes without having the proof
    SILENT = "silent"  # says nothing that it owes
    EQUIVOCATOR = "equivocator"  # tells half of the network the opposite, and announces two proofs
    SYBIL = "sybil"  # one operator in several seats: false proofs, and each other's votes for them
    GRINDER = "grinder"  # makes its proof's hash over and over before it announces one
    WITHHOLDER = "withholder"  # proves and keeps the proof


BAD_HABITS: Final = {
    Fault.SLOW: Habit.SLOW,
    Fault.CHEAT: Habit.CHEAT,
    Fault.LIE: Habit.LIAR,
    Fault.COPY: Habit.COPIER,
    Fault.SILENCE: Habit.SILENT,
    Fault.EQUIVOCATE: Habit.EQUIVOCATOR,
    Fault.SYBIL: Habit.SYBIL,
    Fault.GRIND: Habit.GRINDER,
    Fault.WITHHOLD: Habit.WITHHOLDER,
}

HONEST: Final = frozenset({Habit.HONEST, Habit.SLOW})
TWO_FACED: Final = frozenset({Habit.LIAR, Habit.EQUIVOCATOR, Habit.SYBIL})
"""Those that sign for more than one proof, or for a false one."""


def parse(text: str) -> frozenset[Fault]:
    """``all``, ``none``, or names with commas between them; ValueError for a name that is none."""
    if text in ("all", "none"):
        return frozenset(Fault) if text == "all" else frozenset()
    return frozenset(Fault(name.strip()) for name in text.split(","))
