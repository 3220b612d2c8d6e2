// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {GpnSettlement} from "../src/GpnSettlement.sol";
import {Base, Vm} from "./Base.t.sol";

/// What a settlement takes and what it refuses. Committee of 5: V is 4, so quorums are 3 and 4.
contract SettleTest is Base {
    function setUp() public override {
        super.setUp();
        formCommittee(5);
    }

    function good() internal returns (IGpnSettlement.Entry memory) {
        return entry(request(3), 0, 0x0e); // seats 1, 2, 3
    }

    function test_settles_and_debits() public {
        settleBy(operator(0), "a", one(good()));
        IGpnSettlement.ConsumerView memory c = reg.consumer(consumer);
        eq(c.balanceGwei, 10 ether / 1 gwei - REWARD, "balance");
        eq(c.nonceBase, 1, "nonce base moved past the used nonce");
        (bool open,,) = reg.batchState(reg.keyOf(operator(0), "a"));
        check(open, "batch is open");
    }

    function test_latest_proof_is_told() public {
        IGpnSettlement.Entry memory e = good();
        bytes32 requestId = reg.requestDigest(e.request);
        vm.recordLogs();
        vm.prank(operator(0));
        gpn.settle("a", none(), one(e));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        check(logs[0].topics[0] == IGpnSettlement.LatestProof.selector, "LatestProof comes first");
        check(logs[0].topics[1] == bytes32(uint256(uint160(consumer))), "its consumer");
        (bytes32 request_, bytes32 proof) = abi.decode(logs[0].data, (bytes32, bytes32));
        check(request_ == requestId, "its request");
        check(proof == e.proofHash, "its proof");
    }

    // Signatures ------------------------------------------------------------------------------------------

    function test_wrong_length_of_votes() public {
        IGpnSettlement.Entry memory e = good();
        e.votes = bytes.concat(e.votes, hex"00");
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
        e.votes = packedVotes(0x06, voteDigest(e));
        refused(operator(0), e, IGpnSettlement.QuorumNotMet.selector);
        e.votes = "";
        refused(operator(0), e, IGpnSettlement.QuorumNotMet.selector);
    }

    function test_one_signature_repeated_counts_once() public {
        IGpnSettlement.Entry memory e = good();
        bytes memory vote = packedVote(1, voteDigest(e));
        e.votes = bytes.concat(vote, vote, vote);
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_one_signature_under_other_seats() public {
        IGpnSettlement.Entry memory e = good();
        bytes memory vote = packedVote(1, voteDigest(e));
        bytes memory copy = bytes.concat(vote);
        copy[0] = 0x02;
        e.votes = bytes.concat(vote, copy, packedVote(3, voteDigest(e)));
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_seats_must_increase() public {
        IGpnSettlement.Entry memory e = good();
        bytes32 d = voteDigest(e);
        e.votes = bytes.concat(packedVote(2, d), packedVote(1, d), packedVote(3, d));
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    /// The malleated twin of a signature, as far as EIP-2098 can carry it: s must stay below 2^255.
    function test_high_s_of_a_vote() public {
        IGpnSettlement.Entry memory e = good();
        (bytes32 r, bytes32 vs) = twin(OPERATOR_KEY + 1, voteDigest(e));
        bytes32 d = voteDigest(e);
        e.votes = bytes.concat(abi.encodePacked(uint8(1), r, vs), packedVotes(0x0c, d));
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_high_s_of_the_consumer() public {
        IGpnSettlement.Entry memory e = good();
        (e.consumerR, e.consumerVS) = twin(CONSUMER_KEY, reg.requestDigest(e.request));
        refused(operator(0), e, IGpnSettlement.BadConsumerSignature.selector);
    }

    function twin(uint256 key, bytes32 digest) internal pure returns (bytes32, bytes32) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return (r, bytes32((ORDER - uint256(s)) | (uint256(28 - v) << 255)));
    }

    /// An s just above half the order still fits into EIP-2098, and ecrecover itself would take it.
    function test_smallest_high_s_is_no_signature() public {
        IGpnSettlement.Entry memory e = good();
        e.consumerVS = bytes32(uint256(0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A1));
        bytes32 digest = reg.requestDigest(e.request);
        address accepted = ecrecover(digest, 27, e.consumerR, e.consumerVS);
        check(accepted != address(0), "the precompile takes it");
        e.request.consumer = accepted;
        vm.deal(accepted, 1 ether);
        refused(operator(0), e, IGpnSettlement.UnknownSnapshot.selector);
        e.request.consumer = consumer;
        e.votes = bytes.concat(
            abi.encodePacked(uint8(1), e.consumerR, e.consumerVS), packedVotes(0x0c, voteDigest(e))
        );
        (e.consumerR, e.consumerVS) = compact(CONSUMER_KEY, digest);
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_garbage_signature() public {
        IGpnSettlement.Entry memory e = good();
        e.consumerR = 0;
        refused(operator(0), e, IGpnSettlement.BadConsumerSignature.selector);
    }

    function test_wrong_chain() public {
        IGpnSettlement.Entry memory e = good();
        bytes32 here = gpn.DOMAIN_SEPARATOR();
        vm.chainId(4242);
        check(gpn.DOMAIN_SEPARATOR() != here, "the domain follows the chain");
        refused(operator(0), e, IGpnSettlement.BadConsumerSignature.selector);
    }

    function test_signatures_of_another_deployment() public {
        IGpnSettlement.Entry memory e = good();
        GpnSettlement first = gpn;
        deploy(defaults());
        vm.prank(consumer);
        reg.registerConsumer{value: 1 ether}("example/image:1", DIGEST);
        formCommittee(5);
        check(address(first) != address(gpn), "another contract");
        refused(operator(0), e, IGpnSettlement.BadConsumerSignature.selector);
        (e.consumerR, e.consumerVS) = compact(CONSUMER_KEY, reg.requestDigest(e.request));
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_invalid_votes_are_not_valid_votes() public {
        IGpnSettlement.Entry memory e = good();
        bytes32 no = reg.voteDigest(reg.requestDigest(e.request), operator(0), e.proofHash, e.attempt, false);
        e.votes = packedVotes(0x0e, no);
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    // Who votes -------------------------------------------------------------------------------------------

    function test_prover_does_not_vote_for_itself() public {
        IGpnSettlement.Entry memory e = entry(request(3), 0, 0x0f);
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_non_member_does_not_vote() public {
        enlist(5, 1 ether); // registered, yet in no snapshot
        IGpnSettlement.Entry memory e = entry(request(3), 0, 0x26);
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_sybils_outside_the_snapshot_count_nothing() public {
        for (uint256 i = 5; i < 12; ++i) {
            enlist(i, 1 ether);
            join(i, BOTH); // candidates only: no snapshot was taken since
        }
        IGpnSettlement.Entry memory e = entry(request(3), 0, 0xfe0);
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    function test_votes_need_the_verify_role_and_proofs_the_prove_role() public {
        join(1, 1);
        join(2, 2);
        reg.takeSnapshot(consumer);
        refused(operator(0), entry(request(3), 0, 0x0e), IGpnSettlement.BadVotes.selector);
        refused(operator(2), entry(request(3), 2, 0x19), IGpnSettlement.BadProver.selector);
        refused(operator(0), entry(request(3), 9, 0x0e), IGpnSettlement.BadProver.selector);
        settleBy(operator(0), "a", one(entry(request(3), 0, 0x1c)));
    }

    function test_quorum_bounds() public {
        refused(operator(0), entry(request(2), 0, 0x1e), IGpnSettlement.QuorumOutOfRange.selector);
        refused(operator(0), entry(request(5), 0, 0x1e), IGpnSettlement.QuorumOutOfRange.selector);
        refused(operator(0), entry(request(0), 0, 0x1e), IGpnSettlement.QuorumOutOfRange.selector);
        settleBy(operator(0), "a", one(entry(request(4), 0, 0x1e)));
    }

    // The request -----------------------------------------------------------------------------------------

    function test_nonce_settles_once() public {
        IGpnSettlement.Entry memory e = good();
        settleBy(operator(0), "a", one(e));
        refused(operator(0), e, IGpnSettlement.NonceUsed.selector);
        // Not by another prover's proof of the same request either.
        refused(operator(1), entry(e.request, 1, 0x1c), IGpnSettlement.NonceUsed.selector);
    }

    function test_nonce_twice_in_one_batch() public {
        IGpnSettlement.Entry memory e = good();
        vm.recordLogs();
        vm.prank(operator(0));
        gpn.settle("a", none(), two(e, e));
        eq(settledBatch().records.length, 128, "one record");
    }

    function test_nonce_window() public {
        IGpnSettlement.RequestData memory r = request(3);
        r.nonce = 128;
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.NonceTooFar.selector);
        r.nonce = 127;
        settleBy(operator(0), "a", one(entry(r, 0, 0x0e)));
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.NonceUsed.selector);
        eq(reg.consumer(consumer).nonceWindow, uint256(1) << 127, "window");
    }

    function test_deadlines() public {
        IGpnSettlement.Entry memory e = good();
        vm.warp(uint256(e.request.deadline) + defaults().settleGrace + 1);
        refused(operator(0), e, IGpnSettlement.RequestExpired.selector);
        IGpnSettlement.RequestData memory r = request(3);
        r.deadline = uint64(block.timestamp + defaults().maxLifetime + 1);
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.DeadlineTooFar.selector);
        r.deadline = type(uint64).max;
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.DeadlineTooFar.selector);
    }

    function test_timely_proof_settles_until_the_end_of_the_grace() public {
        IGpnSettlement.Entry memory e = good();
        vm.warp(uint256(e.request.deadline) + defaults().settleGrace);
        settleBy(operator(0), "a", one(e));
    }

    function test_dust_reward() public {
        IGpnSettlement.RequestData memory r = request(3);
        r.rewardGwei = 999;
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.RewardTooSmall.selector);
    }

    function test_reward_beyond_the_balance() public {
        IGpnSettlement.RequestData memory r = request(3);
        r.rewardGwei = type(uint64).max;
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.InsufficientBalance.selector);
        r.rewardGwei = reg.consumer(consumer).balanceGwei + 1;
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.InsufficientBalance.selector);
        r.rewardGwei -= 1;
        settleBy(operator(0), "a", one(entry(r, 0, 0x0e)));
        eq(reg.consumer(consumer).balanceGwei, 0, "all spent");
    }

    /// 10^30 wei in gwei does not fit the field: the decoder throws such a call out as a whole.
    function test_reward_that_overflows_its_field() public {
        bytes memory data = abi.encodeCall(gpn.settle, (bytes32("a"), none(), one(good())));
        uint256 at = 4 + 32 * 3 + 64 + 32 + 32 + 32 + 32 * 2; // head, old batch, list, offset, reward
        bool found;
        for (uint256 i = at - 160; i <= at + 160; i += 32) {
            uint256 word;
            assembly {
                word := mload(add(add(data, 32), i))
            }
            if (word == REWARD) {
                found = true;
                assembly {
                    mstore(add(add(data, 32), i), 1000000000000000000000)
                }
            }
        }
        check(found, "the reward's word");
        vm.prank(operator(0));
        (bool settled,) = address(gpn).call(data);
        check(!settled, "refused");
    }

    // Snapshots -------------------------------------------------------------------------------------------

    function test_snapshot_changed_between_vote_and_settlement() public {
        IGpnSettlement.Entry memory e = good();
        vm.prank(operator(2));
        reg.uncommit(consumer); // a new snapshot, with other seats
        eq(reg.consumer(consumer).snapshotId, 2, "new snapshot");
        settleBy(operator(0), "a", one(e)); // still by the request's own
    }

    function test_old_snapshot_takes_no_new_requests() public {
        IGpnSettlement.RequestData memory r = request(3);
        vm.prank(operator(4));
        reg.uncommit(consumer);
        vm.warp(block.timestamp + 1);
        r.deadline = uint64(block.timestamp + defaults().maxLifetime);
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.SnapshotNotInForce.selector);
        r.deadline -= 1;
        settleBy(operator(0), "a", one(entry(r, 0, 0x0e)));
    }

    function test_unknown_snapshot() public {
        IGpnSettlement.RequestData memory r = request(3);
        r.snapshotId = 7;
        refused(operator(0), entry(r, 0, 0x0e), IGpnSettlement.UnknownSnapshot.selector);
    }

    // Batches ---------------------------------------------------------------------------------------------

    function test_one_bad_entry_is_skipped() public {
        IGpnSettlement.Entry memory bad = good();
        bad.votes[5] ^= 0x01;
        IGpnSettlement.Entry memory fine = good();
        vm.recordLogs();
        vm.prank(operator(0));
        gpn.settle("a", none(), two(bad, fine));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        check(logs[0].topics[0] == IGpnSettlement.EntrySkipped.selector, "EntrySkipped");
        (uint256 index, bytes4 reason) = abi.decode(logs[0].data, (uint256, bytes4));
        eq(index, 0, "index");
        check(reason == IGpnSettlement.BadVotes.selector, "reason");
        eq(reg.consumer(consumer).balanceGwei, 10 ether / 1 gwei - REWARD, "only the good one was paid");
        eq(reg.consumer(consumer).nonceWindow, 1 << 1, "the bad one's nonce is free");
    }

    function test_outsiders_do_not_settle() public {
        refused(address(0xBEEF), good(), IGpnSettlement.NotMember.selector);
        enlist(7, 1 ether);
        refused(operator(7), good(), IGpnSettlement.NotMember.selector);
    }

    function test_nobody_overwrites_a_batch() public {
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(good()));
        IGpnSettlement.Entry[] memory next = one(good());
        IGpnSettlement.Batch memory empty = none();
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.BatchOpen.selector);
        gpn.settle("a", empty, next);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        gpn.settle("a", batch, next);
        settleBy(operator(1), "a", one(entry(request(3), 1, 0x1c))); // another caller's slot of that name
        (bool open,,) = reg.batchState(key);
        check(open, "untouched");
    }

    function test_slot_is_recycled_and_pays_the_old_batch() public {
        (, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(good()));
        vm.warp(batch.finalizeAt);
        IGpnSettlement.Entry[] memory next = one(good());
        vm.prank(operator(0));
        gpn.settle("a", batch, next);
        check(reg.rewards(1) != 0, "the first batch is paid");
        (bool open,,) = reg.batchState(reg.keyOf(operator(0), "a"));
        check(open, "the second is open");
    }

    // Attested batches ------------------------------------------------------------------------------------

    function settleAttested(IGpnSettlement.Entry[] memory entries, uint256 seats) internal {
        bytes memory signatures = packedVotes(seats, batchVoteDigest(entries));
        IGpnSettlement.Batch memory empty = none();
        vm.prank(operator(0));
        gpn.settleAttested("a", empty, entries, signatures);
    }

    function test_attested_batch() public {
        vm.recordLogs();
        settleAttested(two(signed(request(3), 0), signed(request(4), 0)), 0x1e);
        eq(settledBatch().records.length, 256, "both");
    }

    function test_attested_batch_meets_each_quorum() public {
        vm.recordLogs();
        settleAttested(two(signed(request(3), 0), signed(request(4), 0)), 0x0e);
        eq(settledBatch().records.length, 128, "only the first has its quorum");
    }

    function test_attested_prover_never_counts_for_itself() public {
        vm.recordLogs();
        settleAttested(two(signed(request(3), 0), signed(request(4), 1)), 0x0f);
        bytes memory records = settledBatch().records;
        eq(records.length, 128, "seats 0, 2, 3 are not four");
        eq(uint8(records[95]), 0x0e, "counted without the prover");
    }

    function test_attested_skipped_entry_stays_in_the_signed_list() public {
        IGpnSettlement.Entry memory bad = signed(request(3), 0);
        bad.consumerR = keccak256("no signature");
        vm.recordLogs();
        settleAttested(two(bad, signed(request(3), 0)), 0x0e);
        eq(settledBatch().records.length, 128, "the good one");
    }

    function test_attested_with_an_entry_that_nobody_approved() public {
        IGpnSettlement.Entry[] memory approved = one(signed(request(3), 0));
        bytes memory signatures = packedVotes(0x0e, batchVoteDigest(approved));
        IGpnSettlement.Entry[] memory more = two(approved[0], signed(request(3), 0));
        IGpnSettlement.Batch memory empty = none();
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.BadVotes.selector);
        gpn.settleAttested("a", empty, more, signatures);
    }

    function test_attested_is_of_one_consumer_and_snapshot() public {
        IGpnSettlement.Entry memory a = signed(request(3), 0);
        vm.prank(operator(4));
        reg.uncommit(consumer);
        IGpnSettlement.Entry[] memory mixed = two(a, signed(request(3), 0));
        bytes memory signatures = packedVotes(0x0e, batchVoteDigest(mixed));
        IGpnSettlement.Batch memory empty = none();
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotInBatch.selector);
        gpn.settleAttested("a", empty, mixed, signatures);
    }

    /// Whatever is flipped in packed votes, no seat is counted that did not sign.
    function testFuzz_tampered_votes_never_count(uint256 at, uint8 flip) public {
        IGpnSettlement.Entry memory e = good();
        vm.assume(flip != 0);
        e.votes[at % e.votes.length] ^= bytes1(flip);
        refused(operator(0), e, IGpnSettlement.BadVotes.selector);
    }

    /// Every set of seats is judged as the rules say.
    function testFuzz_sets_of_seats(uint8 seats, uint8 quorum) public {
        uint256 set = seats & 0x1f;
        IGpnSettlement.Entry memory e = entry(request(quorum), 0, set);
        bytes4 reason;
        if (quorum < 3 || quorum > 4) reason = IGpnSettlement.QuorumOutOfRange.selector;
        else if (set & 1 != 0) reason = IGpnSettlement.BadVotes.selector;
        else if (count(set) < quorum) reason = IGpnSettlement.QuorumNotMet.selector;
        if (reason != 0) return refused(operator(0), e, reason);
        (, IGpnSettlement.Batch memory batch) = settleBy(operator(0), "a", one(e));
        eq(uint8(batch.records[95]), set, "counted");
    }
}
