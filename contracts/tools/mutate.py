"""Puts each flaw of THREATS.md back into a copy of the sources, and expects its test to fail.

    python tools/mutate.py [--jobs 2] [--only WORD]

A mutant that survives, or whose text the sources no longer have, is an error. Each takes as long as a
compilation, so this is run by hand (``sh build.sh --mutants``); that every entry of the table still fits the
sources and names a test that exists is part of the ordinary tests.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
TESTS = ("Base.t.sol", "Accuser.t.sol", "Attacks.t.sol")


@dataclass(frozen=True)
class Mutant:
    """``old`` occurs once in ``file``; with ``new`` in its place ``test`` has to fail."""

    test: str
    file: str
    old: str
    new: str


MUTANTS = (
    # the flaws of the first prototype
    Mutant("test_flaw_one_signature_repeated_200_times", "Signatures", "lt(seat, lowest),", "0,"),
    Mutant("test_flaw_a_malleated_twin_counts_again", "Signatures", "or(gt(s, half), xor(", "or(0, xor("),
    Mutant(
        "test_flaw_prover_votes_for_itself",
        "GpnSettlement",
        "signers & ~(uint256(1) << item.proverSeat)",
        "signers",
    ),
    Mutant(
        "test_flaw_resubmission_overwrites_and_restarts_the_window",
        "GpnSettlement",
        "if ((window >> offset) & 1 != 0) return NonceUsed.selector;",
        "",
    ),
    Mutant(
        "test_flaw_resubmission_overwrites_and_restarts_the_window",
        "GpnSettlement",
        "if (old.records.length == 0) revert BatchOpen();",
        "if (old.records.length == 0) return;",
    ),
    Mutant(
        "test_flaw_caller_unregistered_with_zero_votes",
        "GpnSettlement",
        "if (seat == w.committee.count) return NotMember.selector;",
        "",
    ),
    Mutant(
        "test_flaw_caller_unregistered_with_zero_votes",
        "GpnSettlement",
        "if (Committees.popcount(counted) < r.quorum) return QuorumNotMet.selector;",
        "",
    ),
    Mutant(
        "test_flaw_reward_beyond_everything",
        "GpnSettlement",
        "if (r.rewardGwei > a.balanceGwei) return InsufficientBalance.selector;",
        "",
    ),
    Mutant(
        "test_flaw_consumer_withdraws_under_open_payouts",
        "Consumers",
        "if (block.timestamp < c.exitAt) revert TooEarly();",
        "",
    ),
    Mutant(
        "test_flaw_prover_withdraws_at_once",
        "Operators",
        "if (block.timestamp < p.unbondAt) revert TooEarly();",
        "",
    ),
    Mutant(
        "test_flaw_prover_withdraws_at_once",
        "Operators",
        "if (p.unbondAt == 0) revert NotUnbonding();",
        "",
    ),
    Mutant("test_flaw_lists_never_shrink", "Consumers", "list.pop();", ""),
    Mutant(
        "test_flaw_lists_never_shrink",
        "Operators",
        "if (p.stake != 0) revert AlreadyRegistered();",
        "",
    ),
    Mutant(
        "test_flaw_signatures_work_on_a_second_deployment",
        "Signatures",
        'keccak256("1"), block.chainid, address(this)',
        'keccak256("1"), block.chainid, address(0)',
    ),
    Mutant(
        "test_flaw_contract_wallets_are_locked_out",
        "State",
        'to.call{value: amount}("")',
        'to.call{value: amount, gas: 2300}("")',
    ),
    Mutant(
        "test_flaw_no_events",
        "Operators",
        "        emit UnbondBegun(msg.sender, p.unbondAt);\n",
        "",
    ),
    # the attacks found on paper
    Mutant(
        "test_attack_snapshot_changed_between_vote_and_settlement",
        "GpnSettlement",
        "k = w.committee = _committee(r.consumer, r.snapshotId);",
        "k = w.committee = _committee(r.consumer, _consumers[r.consumer].snapshotId);",
    ),
    Mutant(
        "test_attack_seat_reused_by_a_newcomer_who_is_paid_late",
        "Operators",
        "p.memberId = uint32(_members.length);",
        "p.memberId = uint32(_proverList.length + 1);",
    ),
    Mutant(
        "test_attack_128_expired_nonces",
        "Consumers",
        "if (block.timestamp <= r.effectiveAt) revert TooEarly();",
        "",
    ),
    Mutant(
        "test_attack_128_expired_nonces",
        "Consumers",
        "a.nonceBase = newBase;",
        "",
    ),
    Mutant("test_attack_quorum_below_a_majority", "GpnSettlement", "r.quorum <= verifiers / 2 || ", ""),
    Mutant(
        "test_attack_sybils_outside_the_sampled_set",
        "Signatures",
        "xor(signer, shr(96, mload(add(seats, mul(seat, 26)))))",
        "iszero(signer)",
    ),
    Mutant(
        "test_attack_last_block_supersede_with_a_copied_proof",
        "GpnSettlement",
        "if (block.timestamp >= batch.finalizeAt - WINDOW / 8) revert WindowClosed();",
        "",
    ),
    Mutant(
        "test_attack_last_block_supersede_with_a_copied_proof",
        "GpnSettlement",
        "if (Committees.popcount(c.counted) > Committees.popcount(r.counted)) {",
        "if (Committees.popcount(c.counted) >= Committees.popcount(r.counted)) {",
    ),
    Mutant(
        "test_attack_honest_revote_after_a_reorg_is_not_slashed",
        "Faults",
        "_voteDigest(domain, requestId, prover_, proofHash, no.attempt, false), no);",
        "_voteDigest(domain, requestId, prover_, proofHash, no.attempt, true), no);",
    ),
    Mutant(
        "test_attack_honest_revote_after_a_reorg_is_not_slashed",
        "Faults",
        "if (first.proofHash == second.proofHash) revert BadEvidence();",
        "",
    ),
    Mutant(
        "test_attack_false_by_design_image_costs_no_stake",
        "Faults",
        "        _suspend(request.consumer, prover_, requestId);\n",
        "        _suspend(request.consumer, prover_, requestId);\n        _slash(prover_);\n",
    ),
    Mutant(
        "test_attack_testing_mode_signatures_replayed",
        "Signatures",
        "or(gt(s, half), xor(signer, shr(96, mload(add(seats, mul(seat, 26))))))",
        "gt(s, half)",
    ),
    Mutant(
        "test_attack_two_provers_proofs_both_settled",
        "GpnSettlement",
        "a.nonceWindow = uint128(window | (1 << offset));",
        "",
    ),
    Mutant(
        "test_attack_timely_proof_in_a_late_batch",
        "GpnSettlement",
        "block.timestamp > deadline + SETTLE_GRACE",
        "block.timestamp > deadline",
    ),
    Mutant(
        "test_attack_stake_gone_before_the_evidence",
        "Operators",
        "p.unbondAt = uint40(block.timestamp + UNBOND);",
        "p.unbondAt = uint40(block.timestamp + WINDOW);",
    ),
    Mutant(
        "test_attack_batch_vote_with_an_unapproved_entry",
        "GpnSettlement",
        "if (!good || signers & ~w.committee.verifiers != 0) revert BadVotes();",
        "",
    ),
    Mutant(
        "test_attack_one_vote_extend_invalidates_others",
        "GpnSettlement",
        "            _batches[key] |= EXTENDED;\n",
        "            _batches[key] ^= 256;\n",
    ),
    Mutant(
        "test_attack_slashed_member_paid_from_open_records",
        "Payouts",
        "uint256 flags = word & ALL_SLASHED;",
        "uint256 flags = 0;",
    ),
    Mutant("test_attack_reporting_oneself", "Faults", "REPORTER_BPS = 500;", "REPORTER_BPS = 9000;"),
    Mutant(
        "test_attack_double_request_reported_again",
        "Faults",
        "_punished[a.consumer][a.nonce] = true;",
        "",
    ),
    Mutant(
        "test_attack_old_evidence_suspends_again",
        "Faults",
        "if (block.timestamp > uint256(r.deadline) + SETTLE_GRACE) revert RequestExpired();",
        "",
    ),
    Mutant(
        "test_attack_money_sent_to_the_registry",
        "Consumers",
        "if (address(this) == _code) revert NotHere();",
        "",
    ),
)


def source(mutant: Mutant) -> Path:
    return HERE / "src" / f"{mutant.file}.sol"


def misfits() -> list[str]:
    """Entries whose text is not in the sources exactly once, or whose test does not exist."""
    tests = "".join((HERE / "test" / name).read_text() for name in TESTS)
    wrong = [f"{m.test}: {m.file}.sol" for m in MUTANTS if source(m).read_text().count(m.old) != 1]
    return wrong + [f"no test {m.test}" for m in MUTANTS if f"function {m.test}(" not in tests]


def forge() -> Path:
    return next(iter((HERE / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge*")))


def killed(mutant: Mutant | None) -> tuple[bool, str]:
    """Whether the mutant's test fails, and forge's words. None: the sources as they are, all tests."""
    with tempfile.TemporaryDirectory(prefix="gpn-mutant-") as folder:
        project = Path(folder)
        for name in ("src", "tools"):
            shutil.copytree(HERE / name, project / name)
        (project / "test").mkdir()
        for name in (*TESTS, "../foundry.toml"):
            shutil.copy(HERE / "test" / name, project / "test" / name)
        (project / "node_modules").symlink_to(HERE / "node_modules")
        wanted: list[str] = []
        if mutant is not None:
            target = project / "src" / f"{mutant.file}.sol"
            target.write_text(target.read_text().replace(mutant.old, mutant.new))
            wanted = ["--match-test", mutant.test]
        done = subprocess.run(
            [str(forge()), "test", "--offline", "--root", str(project), *wanted],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        failed = "[FAIL" in done.stdout
        return failed and done.returncode != 0, done.stdout[-3000:] + done.stderr[-1000:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", metavar="WORD", help="tests with the word in their name")
    args = parser.parse_args()
    wrong = misfits()
    if wrong:
        print("the table does not fit the sources:", *wrong, sep="\n  ", file=sys.stderr)
        return 1
    chosen = [m for m in MUTANTS if args.only in m.test]
    survived = 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for mutant, (dead, words) in zip(chosen, pool.map(killed, chosen), strict=True):
            print(f"{'killed  ' if dead else 'SURVIVED'} {mutant.test} ({mutant.file}.sol)", flush=True)
            if not dead:
                survived += 1
                print(words, file=sys.stderr)
    print(f"{len(chosen) - survived} of {len(chosen)} mutants were killed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
