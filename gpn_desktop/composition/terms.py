"""The terms of a new contract: options in people's units, and the contract's own rules about them.

The contract checks them too, but all it says is BadParams, after the gas was paid for.
"""

from __future__ import annotations

import argparse
import re
from typing import Any, Final

from gpn_desktop import config_values as values
from gpn_desktop.composition.asking import lasting
from gpn_desktop.composition.command_args import TERMS
from gpn_desktop.composition.sites import eth_amount, option
from gpn_desktop.core.errors import BadOption
from gpn_desktop.core.settlement import Shares
from gpn_desktop.core.types import Gwei, Wei
from gpn_desktop.ports.chain import ContractParams
from gpn_desktop.services.funds import in_eth

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,12})([smhd]?)")
LONGEST_UNBOND: Final = 3650 * 86_400
WHOLE: Final = 10_000  # basis points


def duration(given: Any) -> int:
    """``90`` or ``90s``, ``30m``, ``24h``, ``2d`` in seconds; ValueError otherwise."""
    match = _DURATION.fullmatch(str(given))
    if match is None:
        raise ValueError("a time is expected, like 90s, 30m, 24h or 2d")
    return int(match[1]) * _UNITS[match[2]]


def percent(given: Any) -> int:
    """A percentage with at most two decimals in basis points; ValueError otherwise."""
    match = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?", str(given))
    points = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else WHOLE + 1
    if points > WHOLE:
        raise ValueError("a percentage from 0 to 100 is expected, with at most two decimals")
    return points


_gwei = values.integer(0, 2**53)


def read_terms(args: argparse.Namespace) -> ContractParams:
    """Raises BadOption for what the contract would not take."""
    given = vars(args)
    seconds = {t.dest: option(t.name, duration, given[t.dest]) for t in TERMS if t.unit == "TIME"}
    points = {t.dest: option(t.name, percent, given[t.dest]) for t in TERMS if t.unit == "%"}
    terms = ContractParams(
        **seconds,
        min_stake=option("min-stake-eth", eth_amount, args.min_stake_eth),
        min_reward=Gwei(option("min-reward-gwei", _gwei, args.min_reward_gwei)),
        tip=Gwei(option("tip-gwei", _gwei, args.tip_gwei)),
        prover_bps=points["prover_percent"],
        inclusion_bps=points["inclusion_percent"],
        verifier_bps=points["verifier_percent"],
    )
    _check(terms)
    return terms


def standard_shares() -> Shares:
    """How a contract of the standard terms splits a reward."""
    default = {term.dest: term.default for term in TERMS}
    return Shares(
        prover_bps=percent(default["prover_percent"]),
        inclusion_bps=percent(default["inclusion_percent"]),
        verifier_bps=percent(default["verifier_percent"]),
        tip=Gwei(int(default["tip_gwei"])),
    )


def _check(terms: ContractParams) -> None:
    busy = terms.max_lifetime + terms.settle_grace + terms.window
    shares = terms.prover_bps + terms.inclusion_bps + terms.verifier_bps
    least_share = terms.min_reward * terms.prover_bps // WHOLE
    rules = (
        (terms.window > 0, "--window: it must be longer than 0"),
        (terms.max_lifetime > 0, "--max-lifetime: it must be longer than 0"),
        (terms.unbond > busy, "--unbond: it must be longer than max-lifetime, settle-grace and window "
         f"together, {lasting(busy)}"),
        (terms.unbond <= LONGEST_UNBOND, "--unbond: it must be at most 3650 days"),
        (terms.settle_delay <= terms.settle_grace, "--settle-delay: it must be at most settle-grace"),
        (terms.min_stake < 2**96, "--min-stake-eth: no more than the contract can count"),
        (terms.min_reward > 0, "--min-reward-gwei: it must be above 0"),
        (terms.tip <= least_share, "--tip-gwei: it must be at most the prover's share of the least reward, "
         f"{least_share} gwei"),
        (shares == WHOLE, f"--prover-percent: the three shares must make 100 %, not {shares / 100:g} %"),
    )  # fmt: skip
    for holds, problem in rules:
        if not holds:
            raise BadOption(f"{problem}.")


def term_lines(terms: ContractParams) -> dict[str, str]:
    """The terms in people's units, by the options' names."""
    return {
        "window": lasting(terms.window),
        "settle grace": lasting(terms.settle_grace),
        "longest lifetime": lasting(terms.max_lifetime),
        "unbonding": lasting(terms.unbond),
        "settle delay": lasting(terms.settle_delay),
        "least stake": f"{in_eth(Wei(terms.min_stake))} ETH",
        "least reward": f"{terms.min_reward} gwei",
        "tip": f"{terms.tip} gwei",
        "shares": f"prover {terms.prover_bps / 100:g} %, for inclusion {terms.inclusion_bps / 100:g} %, "
        f"verifiers {terms.verifier_bps / 100:g} %",
    }
