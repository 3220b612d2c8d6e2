"""Whether an image is worth committing to, from what a trial measured: go or no-go, with reasons and figures.

Time is judged by the worst run with room to spare, because a turn that runs out earns nothing and everybody
waits for it; money by integers, from the shares that the network pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from gpn_desktop.core.batching import gas_attested, gas_single
from gpn_desktop.core.manifest import MIB, Limits
from gpn_desktop.core.said import said
from gpn_desktop.core.settlement import Shares, split
from gpn_desktop.core.types import WEI_PER_GWEI, Gwei, Wei

PROVE_MARGIN: Final = 1.25  # of the worst proof: the network, the queue and a warmer day take their part
VERIFY_MARGIN: Final = 2.0
VERIFY_SECONDS: Final = 30.0  # the network's, protocol.md


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of several runs."""

    median: float
    worst: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times | None:
        return cls(median(seconds), max(seconds)) if seconds else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a trial found. Times in seconds, sizes in bytes; None where nothing could be measured.

    ``violations`` are sentences about what the image tried and was not allowed to, or did wrong.
    """

    runs: int
    cold_start: float
    prove: Times | None
    verify: Times | None
    proof_bytes: int
    peak_memory: int | None
    peak_vram: int | None
    processes: int
    limits: Limits
    violations: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    shortfalls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What a consumer gives: seconds for a turn, a reward, and what settling costs at the time.

    ``gas_price`` is in wei per gas, ``batch`` how many requests are settled at a time.
    """

    turn_seconds: float
    reward: Gwei | None = None
    gas_price: int = 0
    members: int = 5
    batch: int = 1
    shares: Shares | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    good: bool
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``go`` when every finding is good. ``net`` is what one proof brings after gas, None if not asked."""

    go: bool
    findings: tuple[Finding, ...]
    net: Wei | None = None


_PROOF: Final = (
    "The slowest proof, {time} s, and {spare} to spare are within the turn's {most} s.",
    "The slowest proof, {time} s, and {spare} to spare are over the turn's {most} s.",
)
_VERIFICATION: Final = (
    "The slowest verification, {time} s, and {spare} to spare are within the allowed {most} s.",
    "The slowest verification, {time} s, and {spare} to spare are over the allowed {most} s.",
)


def judge(found: Measured, offer: Offer) -> Verdict:
    """Go or no-go for one consumer."""
    wrong = (*found.failures, *found.violations, *found.shortfalls)
    findings = [Finding(False, text) for text in wrong]
    if not found.failures and not found.violations:
        findings.append(Finding(True, said("{n} of {n} proofs were made and verified.", n=found.runs)))
    if found.prove is not None:
        findings.append(_in_time(_PROOF, found.prove, PROVE_MARGIN, offer.turn_seconds))
    if found.verify is not None:
        verify = min(VERIFY_SECONDS, found.limits.validate_seconds)
        findings.append(_in_time(_VERIFICATION, found.verify, VERIFY_MARGIN, verify))
    if found.peak_memory is not None:
        findings.append(_in_memory(found.peak_memory, found.limits.memory))
    net = None
    if offer.reward is not None and offer.shares is not None:
        net = net_of(offer.reward, offer.shares, offer)
        findings.append(Finding(net > 0, _money(offer, net)))
    return Verdict(all(finding.good for finding in findings), tuple(findings), net)


def net_of(reward: Gwei, shares: Shares, offer: Offer) -> Wei:
    """What one proof brings its prover, in wei, with all votes settled: its share less its gas."""
    verifiers = max(1, offer.members - 1)
    share = split(reward, shares, verifiers, verifiers, by_prover=True).prover
    votes = offer.batch * (verifiers // 2 + 1)
    gas = min(
        gas_single(offer.batch, votes, offer.members),
        gas_attested(offer.batch, verifiers, offer.members),
    )
    return Wei(share * WEI_PER_GWEI - gas * offer.gas_price // offer.batch)


def _in_time(words: tuple[str, str], times: Times, margin: float, allowed: float) -> Finding:
    good = times.worst * margin <= allowed
    return Finding(
        good, said(words[not good], time=f"{times.worst:.2f}", spare=f"{margin - 1:.0%}", most=f"{allowed:g}")
    )


def _in_memory(peak: int, cap: int) -> Finding:
    good = peak * 10 <= cap * 9
    words = "It used {used} MiB of the {cap} MiB that it may."
    if not good:
        words = "It used {used} MiB of the {cap} MiB that it may: a larger input may not fit."
    return Finding(good, said(words, used=f"{peak / MIB:,.0f}", cap=f"{cap // MIB:,}"))


def _money(offer: Offer, net: Wei) -> str:
    rest = f"{abs(net) / 10**18:.9f}".rstrip("0") + " ETH"
    words = "A proof brings {rest} after gas ({price} gwei, {batch} to a settlement)."
    if net <= 0:
        words = "A proof loses {rest} after gas ({price} gwei, {batch} to a settlement)."
    return said(words, rest=rest, price=f"{offer.gas_price / WEI_PER_GWEI:g}", batch=offer.batch)
