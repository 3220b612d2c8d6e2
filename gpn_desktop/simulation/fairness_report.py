"""What a fairness report says, as frozen values; text and JSON say the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from gpn_desktop.simulation.fairness_figures import CONFIDENCE, Figure
from gpn_desktop.simulation.fairness_games import TRIES


@dataclass(frozen=True, slots=True)
class Member:
    """``first`` when all are there; ``present`` is its share when some are not, None if it is absent."""

    stake: int
    weight: int
    first: Figure
    present: Figure | None


@dataclass(frozen=True, slots=True)
class Honest:
    """One rule with honest members. ``figure.honest`` is the stake's share, whatever the rule means to do.

    ``reordered``: the share of requests in which leaving out the absent changes who is first of the others.
    """

    rule: str
    members: tuple[Member, ...]
    chi_square: float
    chance: float
    reordered: float


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy. ``expected`` is the share that theory gives it in this network.

    ``promised``: the network promises that it brings nothing; otherwise it is known to. ``prototype`` is None
    where its rule cannot tell the strategy from the one above. ``note`` and ``beside`` say why, of each.
    """

    key: str
    title: str
    promised: bool
    expected: float
    product: Figure
    prototype: Figure | None
    note: str
    beside: str | None

    @property
    def as_expected(self) -> bool:
        return self.product.holds(self.expected)


@dataclass(frozen=True, slots=True)
class Income:
    """What one owner gets per request, in parts of the reward, with all votes counted.

    ``votes`` of ``verifiers`` are its own when another member proves; ``quorum`` is the default one.
    """

    seats: int
    proving: float
    fees: float
    votes: int
    verifiers: int
    quorum: int


@dataclass(frozen=True, slots=True)
class Report:
    seed: int
    draws: int
    figures: int
    honest: tuple[Honest, Honest]  # the rule under test, and the prototype's
    rows: tuple[Row, ...]
    income: tuple[Income, Income]  # of one seat, and of the same stake split

    @property
    def flags(self) -> tuple[str, ...]:
        """What is not as the network promises, for people; nothing where all is fair."""
        own = self.honest[0]
        found = [f"the share of {title}" for title, each in _shares(own) if not each.within]
        if own.chance < (1 - CONFIDENCE) / self.figures:
            found.append("the shares of all members together")
        if own.reordered:
            found.append("the order of the others when a member is absent")
        for row in self.rows:
            if row.promised and not row.product.within:
                found.append(f"{row.key}: a gain of {row.product.gain:+.0%}")
            elif not row.as_expected:
                found.append(f"{row.key}: not the share that theory gives")
        return tuple(found)

    @property
    def fair(self) -> bool:
        return not self.flags

    def as_json(self) -> dict[str, object]:
        return {
            "seed": self.seed,
            "draws": self.draws,
            "tries": TRIES,
            "confidence": CONFIDENCE,
            "figures": self.figures,
            "fair": self.fair,
            "flags": list(self.flags),
            "honest": [_honest_json(each) for each in self.honest],
            "strategies": [_row_json(row) for row in self.rows],
            "income": [asdict(each) for each in self.income],
        }


def _shares(honest: Honest) -> list[tuple[str, Figure]]:
    found = [(f"member {number + 1}", member.first) for number, member in enumerate(honest.members)]
    found += [
        (f"member {number + 1} with others absent", member.present)
        for number, member in enumerate(honest.members)
        if member.present is not None
    ]
    return found


def _honest_json(honest: Honest) -> dict[str, object]:
    return {
        "rule": honest.rule,
        "members": [
            {
                "stake": member.stake,
                "weight": member.weight,
                "first": member.first.as_json(),
                "present": None if member.present is None else member.present.as_json(),
            }
            for member in honest.members
        ],
        "chi_square": round(honest.chi_square, 3),
        "chance": round(honest.chance, 6),
        "reordered": round(honest.reordered, 6),
    }


def _row_json(row: Row) -> dict[str, object]:
    return {
        "key": row.key,
        "title": row.title,
        "promised": row.promised,
        "expected_share": round(row.expected, 6),
        "as_expected": row.as_expected,
        "product": row.product.as_json(),
        "prototype": None if row.prototype is None else row.prototype.as_json(),
        "note": row.note,
        "prototype_note": row.beside,
    }
