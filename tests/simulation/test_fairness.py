"""The order of provers is fair where it promises to be, and the report finds fault where a rule is not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.selection import ranking
from gpn_desktop.core.types import ZERO_HASH, Address, Snapshot
from gpn_desktop.simulation.fairness import ABSENT, STAKES, income, measure
from gpn_desktop.simulation.fairness_figures import chi_square, wilson, z_of
from gpn_desktop.simulation.fairness_plans import chosen, plans, proposed
from gpn_desktop.simulation.fairness_report import Report, Row
from gpn_desktop.simulation.fairness_rules import Entropy, ProductRule, committee_of
from gpn_desktop.simulation.fairness_text import report_text
from gpn_desktop.simulation.prototype import PrototypeRule

KNOWN = {
    "requester_within_allowance",
    "requester_no_beacon",
    "skipping_proposer",
    "building_proposer",
    "stake_above_clamp",
}
PROTOTYPES_FLAWS = {"grinding_prover", "delaying_prover", "waiting_requester", "sybils", "stake_above_clamp"}


@pytest.fixture(scope="module")
def report() -> Report:
    return measure(7, 1_500)


def row(report: Report, key: str) -> Row:
    return next(row for row in report.rows if row.key == key)


def test_every_member_works_by_its_stake(report: Report) -> None:
    own = report.honest[0]
    assert [member.stake for member in own.members] == list(STAKES)
    assert all(member.first.within for member in own.members)
    assert own.chance > 0.01 / report.figures


def test_an_absence_is_shared_by_stake_and_reorders_nobody(report: Report) -> None:
    own = report.honest[0]
    present = [member.present for member in own.members]
    assert [number for number, figure in enumerate(present) if figure is None] == list(ABSENT)
    assert all(figure.within for figure in present if figure is not None)
    assert own.reordered == 0


def test_what_is_promised_brings_nothing(report: Report) -> None:
    assert {row.key for row in report.rows if not row.promised} == KNOWN
    assert [row.key for row in report.rows if row.promised and not row.product.within] == []
    assert report.fair


def test_what_is_known_to_pay_pays_as_theory_says(report: Report) -> None:
    assert all(row(report, key).as_expected for key in KNOWN)
    assert row(report, "requester_no_beacon").product.share > 0.99
    assert row(report, "building_proposer").product.gain_low > 0
    assert row(report, "stake_above_clamp").product.gain_low > 0


def test_a_turn_given_away_is_not_paid(report: Report) -> None:
    withholding = row(report, "withholding_prover").product
    assert withholding.paid < withholding.share / 2


def test_the_prototypes_flaws_show(report: Report) -> None:
    prototype = report.honest[1]
    whales = prototype.members[-1].first
    assert whales.high < 0.25 < whales.honest, "half of the stake, a seventh of the work"
    assert prototype.chance < 1e-6
    assert prototype.reordered > 0.5
    for key in PROTOTYPES_FLAWS:
        beside = row(report, key).prototype
        assert beside is not None
        assert beside.gain_low > 1, f"{key} at least doubles the share"


def test_the_same_arguments_give_the_same_bytes() -> None:
    first, again = (json.dumps(measure(11, 500).as_json()) for _ in range(2))
    assert first == again
    rows = (plans()[0].row(ProductRule(), PrototypeRule(), seed, 500, z_of(1)) for seed in range(4))
    assert len({row.product.hits for row in rows}) > 1, "another seed is another chance"


def test_too_few_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="say nothing"):
        measure(7, 10)


class Heads(ProductRule):
    """Stake does not count."""

    def order(self, committee: Snapshot, entropy: Entropy) -> tuple[Address, ...]:
        seats = tuple(replace(seat, weight=1) for seat in committee.seats)
        return super().order(replace(committee, seats=seats), entropy)


class WithoutRequest(ProductRule):
    def order(self, committee: Snapshot, entropy: Entropy) -> tuple[Address, ...]:
        return super().order(committee, replace(entropy, request_id=ZERO_HASH))


class WithoutBeacon(ProductRule):
    def order(self, committee: Snapshot, entropy: Entropy) -> tuple[Address, ...]:
        return super().order(committee, replace(entropy, beacon=b""))


class SeedOfThoseThere(ProductRule):
    """The order is drawn again for whoever is there."""

    def order(self, committee: Snapshot, entropy: Entropy) -> tuple[Address, ...]:
        there = bytes(len(committee.seats))
        return super().order(committee, replace(entropy, beacon=entropy.beacon + there))


class FirstSeatsFriend(ProductRule):
    """A little more than its share for one member: every tenth order is turned round for it."""

    def order(self, committee: Snapshot, entropy: Entropy) -> tuple[Address, ...]:
        order = super().order(committee, entropy)
        friend = committee.seats[0].address
        if entropy.request_id[0] % 10:
            return order
        return (friend, *(address for address in order if address != friend))


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (Heads(), "member 7"),
        (WithoutRequest(), "grinding_prover_no_beacon: a gain"),
        (WithoutBeacon(), "grinding_prover_told: a gain"),
        (WithoutBeacon(), "grinding_requester: a gain"),
        (SeedOfThoseThere(), "when a member is absent"),
        (FirstSeatsFriend(), "member 1"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ProductRule) else None,
)
def test_a_broken_rule_is_found(rule: ProductRule, found: str, broken: dict[str, Report]) -> None:
    name = type(rule).__name__
    if name not in broken:
        broken[name] = measure(7, 500, rule=rule)
    assert not broken[name].fair
    assert any(found in flag for flag in broken[name].flags), broken[name].flags
    assert report_text(broken[name]).splitlines()[-1].startswith("NOT FAIR: ")


@pytest.fixture(scope="module")
def broken() -> dict[str, Report]:
    """Measured once for all that is to be found."""
    return {}


def test_the_product_plays_by_the_rule_that_nodes_run() -> None:
    committee = committee_of(STAKES)
    assert [seat.weight for seat in committee.seats] == [1, 1, 2, 3, 4, 5, 16]
    entropy = Entropy(ZERO_HASH, ZERO_HASH, b"")
    order = ProductRule().order(committee, entropy)
    assert sorted(order) == sorted(seat.address for seat in committee.seats)
    assert order != ranking(ZERO_HASH, committee), "the seed is not one of its parts"
    assert committee_of((160, 1)).seats[0].weight == 16


def test_the_prototype_looks_at_the_latest_proof_alone() -> None:
    rule, committee = PrototypeRule(), committee_of(STAKES)
    orders = set()
    for number in range(50):
        entropy = Entropy(keccak(bytes([number])), ZERO_HASH, b"")
        order = rule.order(committee, entropy)
        assert len(set(order)) == len(order) == 3, "three attempts, each by another one"
        assert rule.order(committee, replace(entropy, request_id=keccak(b"other"), beacon=b"x")) == order
        assert rule.order(committee_of((16,) * 7), entropy) == order
        orders.add(order)
    assert len(orders) > 30


def test_incomes_are_the_contracts() -> None:
    one, many = income(1), income(16)
    assert (one.proving, many.proving) == (0.4, 0.4)
    # One seat has a fifth of the fees of the other half of the work; sixteen have most of all fees.
    assert one.fees == 0.5 * 0.2 / 5
    assert many.fees == pytest.approx(0.5 * 0.2 * 15 / 20 + 0.5 * 0.2 * 16 / 20)
    assert (one.votes, one.quorum) == (1, 3)
    assert (many.votes, many.quorum) == (16, 11)


def test_the_text_has_every_row_and_fits(report: Report) -> None:
    text = report_text(report)
    assert max(len(line) for line in text.splitlines()) <= 110
    for each in report.rows:
        assert each.title in text
    assert text.splitlines()[-1].startswith("Fair: ")
    assert "32.5% in theory" in text


def test_the_figures_are_the_textbooks() -> None:
    assert wilson(50, 100, 1.959964) == pytest.approx((0.40383, 0.59617), abs=1e-5)
    assert wilson(0, 100, 1.959964)[0] == 0
    assert z_of(1) == pytest.approx(2.575829, abs=1e-6)
    assert chi_square([60, 40], [0.5, 0.5]) == pytest.approx((4.0, 0.0455003), abs=1e-6)
    assert chi_square([30, 20, 10], [1 / 3] * 3) == pytest.approx((10.0, 0.00673795), abs=1e-6)
    assert chi_square([10, 10, 10, 10], [0.25] * 4) == (0.0, pytest.approx(1.0))
    assert chosen(0.25) == 1 - 0.75**64
    assert proposed(0.25, 1) == pytest.approx(0.25 / (1 - 0.1 * 0.75))
    assert proposed(0.25, 64) == pytest.approx(0.325)
