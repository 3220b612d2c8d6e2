"""The fairness report for people: this network and the prototype side by side, a plain verdict per row."""

from __future__ import annotations

import textwrap

from gpn_desktop.simulation.fairness_figures import CONFIDENCE, Figure
from gpn_desktop.simulation.fairness_plans import SPLIT
from gpn_desktop.simulation.fairness_report import Honest, Income, Member, Report, Row


def report_text(report: Report) -> str:
    """Lines of at most 110 characters, without a line break at the end."""
    own, prototype = report.honest
    lines = [
        f"Is the order of provers fair? Seed {report.seed}, {report.draws:,} requests a game.",
        f"In brackets: intervals that hold with {CONFIDENCE:.0%} for all {report.figures} figures together.",
        "",
        "WHO PROVES FIRST, everybody honest",
        _columns("", "share of stake", own.rule, prototype.rule),
        *(
            _member(number, pair)
            for number, pair in enumerate(zip(own.members, prototype.members, strict=True), 1)
        ),
        *(_honest_verdict(each) for each in (own, prototype)),
        "",
        "WHAT TRICKS BRING, in first places more than the honest share",
        _columns("", "share", own.rule, prototype.rule),
    ]
    for row in report.rows:
        lines += _row(row)
    lines += ["", *_income(*report.income), "", _summary(report)]
    return "\n".join(lines)


def _columns(title: str, share: str, own: str, prototype: str) -> str:
    return f"  {title:<30}{share:>18}{own:>28}{prototype:>28}".rstrip()


def _member(number: int, pair: tuple[Member, Member]) -> str:
    own, prototype = pair
    weight = "" if own.weight == own.stake else f", counts {own.weight}"
    return _columns(
        f"member {number}, stake {own.stake}{weight}",
        f"{own.first.honest:.1%}",
        _share(own.first),
        _share(prototype.first),
    )


def _share(one: Figure) -> str:
    return f"{one.share:.1%} [{one.low:.1%}, {one.high:.1%}]"


def _gain(one: Figure) -> str:
    return f"{one.gain:+.1%} [{one.gain_low:+.1%}, {one.gain_high:+.1%}]"


def _honest_verdict(honest: Honest) -> str:
    figures = [f for m in honest.members for f in (m.first, m.present) if f is not None]
    out = sum(not each.within for each in figures)
    off = f"work does not go by stake, {out} of {len(figures)} are off"
    by_stake = off if out else "work goes by stake"
    chance = f"p = {honest.chance:.2g}" if honest.chance >= 1e-6 else "p < 0.000001"
    absent = "changes nothing among the others" if not honest.reordered else (
        f"changes who of the others is first in {honest.reordered:.0%} of requests"
    )  # fmt: skip
    return _wrapped(
        f"{honest.rule}: {by_stake} (chi-square {honest.chi_square:,.1f}, {chance}); an absence {absent}"
    )


def _row(row: Row) -> list[str]:
    own, beside = row.product, row.prototype
    figures = _columns(
        "",
        f"{own.honest:.1%} to {own.share:.1%}",
        _gain(own),
        "as above" if beside is None else _gain(beside),
    )
    verdict = f"{_verdict(row)}: {row.note}"
    if own.paid < own.share:
        verdict += f" (it is paid for {own.paid:.1%})"
    if beside is not None:
        verdict += f"; prototype {'no gain' if beside.within else 'GAIN'}: {row.beside}"
    return [f"  {row.title}", figures, _wrapped(verdict)]


def _verdict(row: Row) -> str:
    if row.promised:
        return "no gain" if row.product.within else "A GAIN THAT THERE MUST NOT BE"
    if row.as_expected:
        return f"known and open, {row.expected:.1%} in theory"
    return f"NOT AS IN THEORY, {row.expected:.1%}"


def _income(one: Income, many: Income) -> list[str]:
    more, in_all = many.fees / one.fees, _total(many) / _total(one) - 1
    alone = "and decide verdicts alone" if many.votes >= many.quorum else "and cannot decide alone"
    return [
        f"WHAT A STAKE OF {SPLIT} BRINGS BY SEATS, per request, all votes counted",
        *(
            f"  in {each.seats:>2}: {each.proving:.1%} of the reward for proving, {each.fees:.1%} for "
            f"verifying; {each.votes} of {each.verifiers} votes, the quorum is {each.quorum}"
            for each in (one, many)
        ),
        _wrapped(
            f"Fees and votes go by seat, not by stake: {many.seats} seats earn {more:.1f} times the fees, "
            f"{in_all:+.0%} in all, {alone}. A committee has 32 seats, and larger stakes get them first."
        ),
    ]


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 108, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def _total(income: Income) -> float:
    return income.proving + income.fees


def _summary(report: Report) -> str:
    if report.fair:
        known = sum(not row.promised for row in report.rows)
        return f"Fair: what is promised holds. Nothing is promised of {known} strategies known to pay."
    return "NOT FAIR: " + "; ".join(report.flags) + "."
