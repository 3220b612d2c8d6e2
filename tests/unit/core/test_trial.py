"""Go or no-go: each reason, and the money to the wei."""

from __future__ import annotations

from dataclasses import replace

from gpn_desktop.core.batching import gas_attested, gas_single
from gpn_desktop.core.manifest import MIB, Limits
from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.trial import Measured, Offer, Times, judge, net_of
from gpn_desktop.core.types import WEI_PER_GWEI, Gwei

SHARES = Shares(6000, 2000, 2000, Gwei(500))
GOOD = Measured(
    runs=5,
    cold_start=2.0,
    prove=Times(2.0, 3.0),
    verify=Times(0.05, 0.1),
    proof_bytes=288,
    peak_memory=200 * MIB,
    peak_vram=None,
    processes=10,
    limits=Limits(memory=512 * MIB),
)
OFFER = Offer(turn_seconds=30.0, reward=Gwei(2_100_000), gas_price=10**9, members=5, shares=SHARES)


def refused(found: Measured, offer: Offer = OFFER) -> list[str]:
    verdict = judge(found, offer)
    wrong = [finding.text for finding in verdict.findings if not finding.good]
    assert verdict.go == (not wrong)
    return wrong


def test_a_good_image_is_a_go() -> None:
    verdict = judge(GOOD, OFFER)

    assert verdict.go
    assert verdict.net is not None
    assert verdict.net > 0
    assert "5 of 5 proofs" in verdict.findings[0].text


def test_each_reason_against_is_told() -> None:
    assert "over the turn's 3.5 s" in refused(GOOD, replace(OFFER, turn_seconds=3.5))[0]
    assert refused(GOOD, replace(OFFER, turn_seconds=3.75)) == []
    assert "slowest verification, 16.00 s" in refused(replace(GOOD, verify=Times(1.0, 16.0)))[0]
    assert "a larger input may not fit" in refused(replace(GOOD, peak_memory=470 * MIB))[0]
    assert refused(replace(GOOD, violations=("It tried to reach a network.",))) == [
        "It tried to reach a network."
    ]
    assert refused(replace(GOOD, failures=("It refuses its own proof.",), prove=None, verify=None)) == [
        "It refuses its own proof."
    ]
    assert refused(replace(GOOD, shortfalls=("It asks for a GPU.",))) == ["It asks for a GPU."]
    assert "loses" in refused(GOOD, replace(OFFER, gas_price=10**12))[0]


def test_what_was_not_asked_or_not_measured_is_not_judged() -> None:
    verdict = judge(replace(GOOD, peak_memory=None), Offer(30.0))

    assert verdict.go
    assert verdict.net is None
    assert len(verdict.findings) == 3


def test_net_is_the_share_less_the_cheaper_settlement() -> None:
    for members in (2, 5, 32):
        for batch in (1, 10):
            offer = replace(OFFER, members=members, batch=batch, gas_price=3)
            others = members - 1
            share = split(Gwei(2_100_000), SHARES, others, others, by_prover=True).prover
            single = gas_single(batch, batch * (others // 2 + 1), members)
            gas = min(single, gas_attested(batch, others, members))
            assert net_of(Gwei(2_100_000), SHARES, offer) == share * WEI_PER_GWEI - gas * 3 // batch


def test_times_of_nothing_are_none() -> None:
    assert Times.of([]) is None
    assert Times.of([3.0, 1.0, 2.0]) == Times(2.0, 3.0)
