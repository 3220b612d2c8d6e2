// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {Accuser} from "./Accuser.t.sol";
import {Vm} from "./Base.t.sol";

/// A wallet that needs more than the 2,300 gas of `transfer` to take money.
contract Wallet {
    uint256 public received;

    receive() external payable {
        received += msg.value;
    }
}

/// One test for each flaw of the first prototype and each attack that THREATS.md lists, by its name. Each fails
/// when the flaw is put back: tools/mutate.py does so.
contract AttacksTest is Accuser {
    function setUp() public override {
        super.setUp();
        formCommittee(5); // V is 4
    }

    function good() internal returns (IGpnSettlement.Entry memory) {
        return entry(request(3), 0, 0x0e);
    }

    function fee() internal pure returns (uint256) {
        return uint256(REWARD) * 2000 / 10_000 / 4;
    }

    function sweep(bytes32 key, IGpnSettlement.Batch memory batch) internal {
        vm.warp(batch.finalizeAt);
        finalizeOne(key, batch);
    }

    // Flaws of the first prototype ------------------------------------------------------------------------

    function test_flaw_one_signature_repeated_200_times() public {
        IGpnSettlement.Entry memory e = good();
        bytes memory one_ = packedVote(1, voteDigest(e));
        e.votes = "";
        for (uint256 i; i < 200; ++i) e.votes = bytes.concat(e.votes, one_);
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    /// In the form of EIP-2098 a twin's s would need its highest bit, where v is, so nearly none can be written
    /// down. Some can: s just above half the order. Whoever such a signature belongs to is a member here.
    function test_flaw_a_malleated_twin_counts_again() public {
        IGpnSettlement.Entry memory e = good();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OPERATOR_KEY + 1, voteDigest(e));
        bytes32 twin = bytes32((ORDER - uint256(s)) | (uint256(28 - v) << 255));
        e.votes = bytes.concat(packedVotes(0x06, voteDigest(e)), abi.encodePacked(uint8(3), r, twin));
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);

        IGpnSettlement.RequestData memory later = request(3);
        later.snapshotId = 2;
        e = signed(later, 0);
        bytes32 high = bytes32(uint256(0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A1));
        address signer = ecrecover(voteDigest(e), 27, r, high);
        vm.deal(signer, 1 ether);
        vm.prank(signer);
        reg.registerProver{value: 1 ether}(signer);
        vm.prank(signer);
        reg.commit(consumer, DIGEST, BOTH);
        eq(reg.takeSnapshot(consumer), 2, "its seat is the sixth");
        e.votes = bytes.concat(packedVotes(0x06, voteDigest(e)), abi.encodePacked(uint8(5), r, high));
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
        e.votes = packedVotes(0x0e, voteDigest(e));
        settleBy(operator(0), "a", one(e));
    }

    function test_flaw_prover_votes_for_itself() public {
        refused(operator(0), entry(request(3), 0, 0x07), IGpnSettlement.BadVotes.selector);
        vm.recordLogs();
        IGpnSettlement.Entry[] memory entries = two(signed(request(3), 0), signed(request(3), 1));
        bytes memory signatures = packedVotes(0x0d, batchVoteDigest(entries));
        IGpnSettlement.Batch memory empty = none();
        vm.prank(operator(0));
        gpn.settleAttested("a", empty, entries, signatures);
        eq(settledBatch().records.length, 128, "seats 2 and 3 alone are no quorum for seat 0's proof");
    }

    function test_flaw_resubmission_overwrites_and_restarts_the_window() public {
        nextNonce = 3; // ahead of the base, where only the window of used nonces knows of it
        IGpnSettlement.Entry memory e = good();
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(e));
        vm.warp(block.timestamp + 20 hours);
        refused(operator(0), e, IGpnSettlement.NonceUsed.selector);
        IGpnSettlement.Batch memory empty = none();
        IGpnSettlement.Entry[] memory next = one(good());
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.BatchOpen.selector);
        gpn.settle("a", empty, next);
        sweep(key, batch); // at the time it was told at first
        check(reg.rewards(1) != 0, "paid in time");
    }

    function test_flaw_caller_unregistered_with_zero_votes() public {
        IGpnSettlement.Entry memory e = good();
        refused(address(0xBAD), e, IGpnSettlement.NotMember.selector);
        e.votes = "";
        refused(address(0xBAD), e, IGpnSettlement.QuorumNotMet.selector);
        refused(operator(0), e, IGpnSettlement.QuorumNotMet.selector);
        IGpnSettlement.RequestData memory r = request(0);
        refused(operator(0), entry(r, 0, 0), IGpnSettlement.QuorumOutOfRange.selector);
    }

    function test_flaw_reward_beyond_everything() public {
        IGpnSettlement.RequestData memory r = request(3);
        r.rewardGwei = type(uint64).max;
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.InsufficientBalance.selector);
        r.rewardGwei = 999;
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.RewardTooSmall.selector);
        uint64 all = reg.consumer(consumer).balanceGwei;
        r.rewardGwei = all;
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(entry(r, 0, 0x1e)));
        eq(reg.consumer(consumer).balanceGwei, 0, "taken at once");
        sweep(key, batch);
        uint256 paid;
        for (uint32 id = 1; id <= 5; ++id) paid += reg.rewards(id);
        eq(paid, all, "and paid in full");
    }

    function test_flaw_consumer_withdraws_under_open_payouts() public {
        IGpnSettlement.Entry memory e = good();
        vm.prank(consumer);
        reg.beginExit();
        vm.warp(uint256(e.request.deadline) + defaults().settleGrace);
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(e));
        sweep(key, batch);
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        reg.withdrawConsumer();
        check(reg.rewards(1) != 0, "the last moment's proof is paid");
        vm.warp(reg.consumer(consumer).exitAt);
        vm.prank(consumer);
        reg.withdrawConsumer();
        gpn.withdrawRewards(ids(1));
    }

    function test_flaw_prover_withdraws_at_once() public {
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotUnbonding.selector);
        reg.withdrawProver();
        vm.prank(operator(0));
        reg.uncommit(consumer);
        vm.prank(operator(0));
        reg.beginUnbond();
        vm.warp(block.timestamp + defaults().maxLifetime + defaults().settleGrace + defaults().window);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        reg.withdrawProver();
        eq(reg.prover(operator(0)).stake, 1 ether, "still there");
    }

    function test_flaw_lists_never_shrink() public {
        eq(reg.getProvers(0, 100).length, 5, "five");
        for (uint256 i; i < 5; ++i) {
            vm.prank(operator(i));
            reg.uncommit(consumer);
            vm.prank(operator(i));
            reg.beginUnbond();
        }
        eq(reg.committee(consumer).length, 0, "nobody is committed");
        vm.warp(block.timestamp + defaults().unbond);
        for (uint256 i; i < 5; ++i) {
            vm.prank(operator(i));
            reg.withdrawProver();
        }
        eq(reg.getProvers(0, 100).length, 0, "none");
        vm.deal(operator(2), 1 ether);
        vm.prank(operator(2));
        reg.registerProver{value: 1 ether}(payoutOf(2));
        eq(reg.getProvers(0, 100).length, 1, "one, once");
        vm.deal(operator(2), 1 ether);
        vm.prank(operator(2));
        vm.expectRevert(IGpnSettlement.AlreadyRegistered.selector);
        reg.registerProver{value: 1 ether}(payoutOf(2));
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.AlreadyRegistered.selector);
        reg.registerConsumer("again", DIGEST);
    }

    function test_flaw_signatures_work_on_a_second_deployment() public {
        IGpnSettlement.Entry memory e = good();
        deploy(defaults());
        vm.prank(consumer);
        reg.registerConsumer{value: 10 ether}("example/image:1", DIGEST);
        formCommittee(5); // the same members on the same seats
        refused(operator(0), e, IGpnSettlement.BadConsumerSignature.selector);
        (e.consumerR, e.consumerVS) = compact(CONSUMER_KEY, reg.requestDigest(e.request));
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_flaw_contract_wallets_are_locked_out() public {
        Wallet wallet = new Wallet();
        vm.prank(payoutOf(0));
        reg.setPayout(operator(0), address(wallet));
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(good()));
        sweep(key, batch);
        uint256 amount = uint256(reg.rewards(1)) * 1 gwei;
        gpn.withdrawRewards(ids(1));
        eq(wallet.received(), amount, "rewards");
        vm.prank(operator(0));
        reg.uncommit(consumer);
        vm.prank(operator(0));
        reg.beginUnbond();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(operator(0));
        reg.withdrawProver();
        eq(wallet.received(), amount + 1 ether, "stake");
    }

    /// Every step of a life is told. What the events carry is held to the views by the node's own tests.
    function test_flaw_no_events() public {
        vm.recordLogs();
        enlist(9, 1 ether);
        join(9, BOTH);
        reg.takeSnapshot(consumer);
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(good()));
        vm.recordLogs();
        sweep(key, batch);
        gpn.withdrawRewards(ids(1));
        vm.prank(operator(9));
        reg.uncommit(consumer);
        vm.prank(operator(9));
        reg.beginUnbond();
        slash(9);
        vm.prank(consumer);
        reg.beginExit();
        bytes32[6] memory wanted = [
            IGpnSettlement.Finalized.selector,
            IGpnSettlement.RewardsWithdrawn.selector,
            IGpnSettlement.Uncommitted.selector,
            IGpnSettlement.UnbondBegun.selector,
            IGpnSettlement.ProverSlashed.selector,
            IGpnSettlement.ExitBegun.selector
        ];
        bytes32[] memory told = topics();
        for (uint256 i; i < wanted.length; ++i) check(contains(told, wanted[i]), "an event is missing");
    }

    function topics() internal returns (bytes32[] memory list) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        list = new bytes32[](logs.length);
        for (uint256 i; i < logs.length; ++i) list[i] = logs[i].topics[0];
    }

    function contains(bytes32[] memory list, bytes32 what) internal pure returns (bool) {
        for (uint256 i; i < list.length; ++i) if (list[i] == what) return true;
        return false;
    }

    // Attacks found on paper ------------------------------------------------------------------------------

    function test_attack_snapshot_changed_between_vote_and_settlement() public {
        IGpnSettlement.Entry memory e = good();
        vm.prank(operator(1));
        reg.uncommit(consumer); // seats move: a new snapshot is in force
        enlist(7, 1 ether);
        join(7, BOTH);
        reg.takeSnapshot(consumer);
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(e));
        sweep(key, batch);
        eq(reg.rewards(2), fee(), "who voted then is paid, though it has left");
        eq(reg.rewards(6), 0, "who came later is not");
    }

    function test_attack_seat_reused_by_a_newcomer_who_is_paid_late() public {
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(good()));
        vm.prank(operator(1));
        reg.uncommit(consumer);
        vm.prank(operator(1));
        reg.beginUnbond();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(operator(1));
        reg.withdrawProver();
        enlist(7, 1 ether); // after the other's id could have become free
        join(7, BOTH);
        sweep(key, batch);
        eq(reg.prover(operator(7)).memberId, 6, "an id of its own");
        eq(reg.rewards(6), 0, "nothing for the newcomer");
        gpn.withdrawRewards(ids(2));
        eq(payoutOf(1).balance, 1 ether + fee() * 1 gwei, "the one who voted, gone or not");
    }

    function test_attack_128_expired_nonces() public {
        nextNonce = 128;
        refused(operator(0), good(), IGpnSettlement.NonceTooFar.selector);
        vm.prank(consumer);
        reg.retireNonces(128);
        vm.warp(block.timestamp + defaults().maxLifetime + defaults().settleGrace);
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        reg.retireNonces(128); // a request of the last moment could still be settled
        vm.warp(block.timestamp + 1);
        vm.prank(consumer);
        reg.retireNonces(128);
        settleBy(operator(0), "a", one(good()));
    }

    function test_attack_quorum_below_a_majority() public {
        refused(operator(0), entry(request(2), 0, 0x1e), IGpnSettlement.QuorumOutOfRange.selector);
        refused(operator(0), entry(request(5), 0, 0x1e), IGpnSettlement.QuorumOutOfRange.selector);
        settleBy(operator(0), "a", one(entry(request(4), 0, 0x1e)));
    }

    function test_attack_sybils_outside_the_sampled_set() public {
        for (uint256 i = 40; i < 43; ++i) {
            enlist(i, 0.5 ether);
            join(i, BOTH); // committed, and in no snapshot
        }
        IGpnSettlement.Entry memory e = good();
        bytes32 digest = voteDigest(e);
        for (uint256 seat = 1; seat <= 3; ++seat) {
            (bytes32 r, bytes32 vs) = compact(OPERATOR_KEY + 39 + seat, digest);
            e.votes = seat == 1
                ? abi.encodePacked(uint8(seat), r, vs)
                : bytes.concat(e.votes, abi.encodePacked(uint8(seat), r, vs));
        }
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
        e.votes = packedVotes(0x0e0, digest);
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_attack_last_block_supersede_with_a_copied_proof() public {
        IGpnSettlement.Entry memory e = good(); // three of four voted for it
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(e));
        bytes32 id = reg.requestDigest(e.request);
        bytes memory copied = packedVotes(0x0f, vote(id, 4, e.proofHash, 2, true));
        vm.warp(batch.finalizeAt - defaults().window / 8);
        vm.expectRevert(IGpnSettlement.WindowClosed.selector);
        gpn.supersede(key, batch, 0, 4, e.proofHash, 2, copied);
        // In time it stands beside the incumbent, whose friends have the time to answer.
        vm.warp(block.timestamp - 1);
        gpn.supersede(key, batch, 0, 4, e.proofHash, 2, copied);
        vm.warp(batch.finalizeAt - 1);
        extendOne(key, batch, 0, packedVotes(0x10, voteDigest(e)));
        sweep(key, batch);
        eq(reg.rewards(1), REWARD - 4 * fee(), "a tie goes to the incumbent");
        eq(reg.rewards(5), fee(), "the copier has its fee as a verifier");
    }

    function test_attack_honest_revote_after_a_reorg_is_not_slashed() public {
        bytes32 id = reg.requestDigest(request(3));
        IGpnSettlement.Opinion memory first = opinion(1, id, 0, "proof", 0, true);
        IGpnSettlement.Opinion memory again = opinion(1, id, 0, "proof", 1, true); // the order changed
        vm.expectRevert(IGpnSettlement.BadEvidence.selector);
        reg.slashEquivocation(operator(1), id, operator(0), "proof", first, again);
        // The same prover announces the same proof in another attempt.
        IGpnSettlement.Announced memory a = announced(0, id, "proof");
        vm.expectRevert(IGpnSettlement.BadEvidence.selector);
        reg.slashDoubleAnnouncement(operator(0), id, a, a);
        eq(reg.prover(operator(1)).stake, 1 ether, "verifier's stake");
        eq(reg.prover(operator(0)).stake, 1 ether, "prover's stake");
    }

    /// Everybody votes against an honest prover, as an image that lies makes them.
    function test_attack_false_by_design_image_costs_no_stake() public {
        IGpnSettlement.RequestData memory r = request(3);
        bytes32 id = reg.requestDigest(r);
        IGpnSettlement.Refuted memory f = refuted(id, 0, "proof", 0x1e);
        IGpnSettlement.Announced memory a = announced(0, id, "proof");
        vm.prank(REPORTER);
        reg.suspend(r, f, a);
        eq(reg.prover(operator(0)).stake, 1 ether, "stake");
        check(!reg.prover(operator(0)).slashed, "not slashed");
        eq(REPORTER.balance, 0, "nobody is paid for it");
        check(reg.suspendedUntil(consumer, operator(0)) != 0, "its seat with that consumer is gone");
        vm.prank(operator(0));
        reg.beginUnbond(); // free to go, with all of it
    }

    function test_attack_testing_mode_signatures_replayed() public {
        IGpnSettlement.Entry memory e = good();
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("GPN-testing"),
                keccak256("1"),
                uint256(0),
                address(0)
            )
        );
        bytes32 id = reg.requestDigest(e.request);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Vote(bytes32 requestId,address prover,bytes32 proofHash,uint8 attempt,bool valid)"),
                id,
                operator(0),
                e.proofHash,
                e.attempt,
                true
            )
        );
        e.votes = packedVotes(0x0e, keccak256(abi.encodePacked(hex"1901", separator, structHash)));
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
        // Under the contract's own domain the very same structure counts.
        e.votes = packedVotes(0x0e, keccak256(abi.encodePacked(hex"1901", gpn.DOMAIN_SEPARATOR(), structHash)));
        settleBy(operator(0), "a", one(e));
    }

    function test_attack_two_provers_proofs_both_settled() public {
        IGpnSettlement.Entry memory first = good();
        IGpnSettlement.Entry memory second = entry(first.request, 4, 0x0f);
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", two(first, second));
        eq(batch.records.length, 128, "one of them");
        refused(operator(4), second, IGpnSettlement.NonceUsed.selector);
        gpn.supersede(key, batch, 0, 4, second.proofHash, second.attempt, second.votes);
        sweep(key, batch);
        uint256 total = reg.burned();
        for (uint32 id = 1; id <= 5; ++id) total += reg.rewards(id);
        eq(total, REWARD, "one reward in all");
        eq(reg.rewards(5), REWARD - 4 * fee(), "to the one with more votes");
    }

    function test_attack_timely_proof_in_a_late_batch() public {
        IGpnSettlement.Entry memory e = good();
        vm.warp(uint256(e.request.deadline) + defaults().settleGrace);
        settleBy(operator(0), "a", one(e));
        e = good();
        vm.warp(uint256(e.request.deadline) + defaults().settleGrace + 1);
        refused(operator(0), e, IGpnSettlement.RequestExpired.selector);
    }

    /// The worst case: it leaves the committee first, signs on an open request at its last moment, and the
    /// evidence comes at the end of the window.
    function test_attack_stake_gone_before_the_evidence() public {
        IGpnSettlement.RequestData memory r = request(3);
        r.deadline = uint64(block.timestamp + defaults().maxLifetime);
        vm.prank(operator(1));
        reg.uncommit(consumer);
        vm.prank(operator(1));
        reg.beginUnbond();
        bytes32 id = reg.requestDigest(r);
        IGpnSettlement.Opinion memory yes = opinion(1, id, 0, "proof", 1, true);
        IGpnSettlement.Opinion memory no = opinion(1, id, 0, "proof", 1, false);
        vm.warp(uint256(r.deadline) + defaults().settleGrace + defaults().window);
        vm.prank(operator(1));
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        reg.withdrawProver();
        vm.prank(REPORTER);
        reg.slashEquivocation(operator(1), id, operator(0), "proof", yes, no);
        eq(reg.prover(operator(1)).stake, 0, "taken");
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(operator(1));
        vm.expectRevert(IGpnSettlement.NotUnbonding.selector);
        reg.withdrawProver();
    }

    /// The node's side, that it signs nothing but its own journal, is tests/services/test_attestation.py.
    function test_attack_batch_vote_with_an_unapproved_entry() public {
        IGpnSettlement.Entry[] memory approved = two(signed(request(3), 0), signed(request(3), 0));
        bytes memory signatures = packedVotes(0x0e, batchVoteDigest(approved));
        IGpnSettlement.Batch memory empty = none();
        IGpnSettlement.Entry[] memory other = two(approved[0], signed(request(3), 0));
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.BadVotes.selector);
        gpn.settleAttested("a", empty, other, signatures);
        other = two(approved[1], approved[0]); // another order is another list
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.BadVotes.selector);
        gpn.settleAttested("a", empty, other, signatures);
        vm.prank(operator(0));
        gpn.settleAttested("a", empty, approved, signatures);
    }

    function test_attack_one_vote_extend_invalidates_others() public {
        IGpnSettlement.Entry memory e = entry(request(3), 0, 0x0e);
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(e));
        bytes memory mine = packedVotes(0x02, voteDigest(e));
        bytes memory left = packedVotes(0x10, voteDigest(e)); // prepared against the batch as it was told
        extendOne(key, batch, 0, mine);
        extendOne(key, batch, 0, left);
        extendOne(key, batch, 0, "");
        sweep(key, batch); // and so is the final payment
        eq(reg.rewards(5), fee(), "the one who was left out");
        eq(reg.burned(), 0, "nobody is missing");
    }

    function test_attack_slashed_member_paid_from_open_records() public {
        (bytes32 key, IGpnSettlement.Batch memory batch) =
            settleBy(operator(0), "a", two(entry(request(3), 0, 0x1e), entry(request(3), 1, 0x1d)));
        slash(1);
        uint256 before = reg.burned();
        sweep(key, batch);
        eq(reg.rewards(2), 0, "neither fee nor share");
        eq(reg.burned() - before, fee() + REWARD - 4 * fee(), "both are burned");
        eq(reg.rewards(1), REWARD - 4 * fee() + fee(), "the others are paid as ever");
    }

    function test_attack_reporting_oneself() public {
        uint256 before = operator(1).balance;
        bytes32 id = keccak256("a request");
        IGpnSettlement.Opinion memory yes = opinion(1, id, 0, "p", 1, true);
        IGpnSettlement.Opinion memory no = opinion(1, id, 0, "p", 1, false);
        vm.prank(operator(1));
        reg.slashEquivocation(operator(1), id, operator(0), "p", yes, no);
        eq(operator(1).balance - before, 0.05 ether, "a twentieth");
        eq(reg.burned(), 0.95 ether / 1 gwei, "the rest is gone");
    }

    function test_attack_double_request_reported_again() public {
        IGpnSettlement.RequestData memory a = request(3);
        IGpnSettlement.RequestData memory b = request(3);
        IGpnSettlement.RequestData memory c = request(3);
        (b.nonce, c.nonce) = (a.nonce, a.nonce);
        (b.payloadHash, c.payloadHash) = ("b", "c");
        IGpnSettlement.SignedRequest memory first = signedRequest(a);
        IGpnSettlement.SignedRequest memory second = signedRequest(b);
        vm.prank(REPORTER);
        reg.slashDoubleRequest(first, second);
        uint64 left = reg.consumer(consumer).balanceGwei;
        eq(left, 10 ether / 1 gwei - 4 * uint256(REWARD), "twice both rewards");
        IGpnSettlement.SignedRequest memory third = signedRequest(c);
        vm.expectRevert(IGpnSettlement.AlreadyPunished.selector);
        reg.slashDoubleRequest(first, third);
        vm.expectRevert(IGpnSettlement.BadEvidence.selector);
        reg.slashDoubleRequest(first, first);
        eq(reg.consumer(consumer).balanceGwei, left, "once");
    }

    function test_attack_old_evidence_suspends_again() public {
        IGpnSettlement.RequestData memory r = request(3);
        r.deadline = uint64(block.timestamp + defaults().maxLifetime);
        bytes32 id = reg.requestDigest(r);
        IGpnSettlement.Refuted memory f = refuted(id, 0, "proof", 0x1e);
        IGpnSettlement.Announced memory a = announced(0, id, "proof");
        reg.suspend(r, f, a);
        vm.expectRevert(IGpnSettlement.MemberSuspended.selector);
        reg.suspend(r, f, a);
        vm.warp(reg.suspendedUntil(consumer, operator(0)));
        vm.expectRevert(IGpnSettlement.RequestExpired.selector);
        reg.suspend(r, f, a);
        join(0, BOTH); // it is back
    }

    function test_attack_money_sent_to_the_registry() public {
        address payable code = payable(gpn.registry());
        vm.deal(address(this), 2 ether);
        (bool done,) = code.call{value: 1 ether}(abi.encodeCall(reg.registerProver, (address(this))));
        check(!done, "no stake");
        (done,) = code.call{value: 1 ether}(abi.encodeCall(reg.registerConsumer, ("image", DIGEST)));
        check(!done, "no deposit");
        (done,) = code.call{value: 1 ether}("");
        check(!done, "no gift");
        (done,) = address(gpn).call{value: 1 ether}("");
        check(!done, "none to the settlement either, without a purpose");
        eq(code.balance, 0, "nothing there");
    }
}
