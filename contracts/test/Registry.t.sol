// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {GpnSettlement} from "../src/GpnSettlement.sol";
import {Base} from "./Base.t.sol";

/// Consumers, operators, commitments and snapshots.
contract RegistryTest is Base {
    // Parameters ------------------------------------------------------------------------------------------

    function test_parameters_must_fit_together() public {
        IGpnSettlement.Params[7] memory bad;
        for (uint256 i; i < bad.length; ++i) bad[i] = defaults();
        bad[0].proverBps += 1;
        bad[1].unbond = bad[1].maxLifetime + bad[1].settleGrace + bad[1].window;
        bad[2].window = 0;
        bad[3].settleDelay = bad[3].settleGrace + 1;
        bad[4].tipGwei = 601; // of 60 % of 1000
        bad[5].minStake = 0;
        bad[6].unbond = type(uint64).max;
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(IGpnSettlement.BadParams.selector);
            new GpnSettlement(bad[i]);
        }
        check(keccak256(abi.encode(gpn.params())) == keccak256(abi.encode(defaults())), "params are shown");
    }

    // Consumers -------------------------------------------------------------------------------------------

    function test_consumer_registers_once() public {
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.AlreadyRegistered.selector);
        gpn.registerConsumer("again", DIGEST);
        eq(gpn.getConsumers(0, 10).length, 1, "one in the list");
        vm.expectRevert(IGpnSettlement.BadImage.selector);
        gpn.registerConsumer("image", 0);
        vm.expectRevert(IGpnSettlement.BadImage.selector);
        gpn.registerConsumer("", DIGEST);
        vm.expectRevert(IGpnSettlement.BadImage.selector);
        gpn.registerConsumer(string(new bytes(257)), DIGEST);
    }

    function test_deposits_are_whole_gwei_for_someone_registered() public {
        vm.deal(address(this), 1 ether);
        gpn.depositEth{value: 3 gwei}(consumer);
        eq(gpn.consumer(consumer).balanceGwei, 10 ether / 1 gwei + 3, "balance");
        vm.expectRevert(IGpnSettlement.NotWholeGwei.selector);
        gpn.depositEth{value: 1 gwei + 1}(consumer);
        vm.expectRevert(IGpnSettlement.NotRegistered.selector);
        gpn.depositEth{value: 1 gwei}(address(this));
        (bool sent,) = address(gpn).call{value: 1 gwei}("");
        check(!sent, "ether without a purpose stays outside");
    }

    function test_deposit_beyond_64_bits_of_gwei() public {
        vm.deal(address(this), type(uint128).max);
        vm.expectRevert(IGpnSettlement.AmountTooLarge.selector);
        gpn.depositEth{value: (uint256(type(uint64).max) + 1) * 1 gwei}(consumer);
    }

    function test_consumer_leaves_after_everything_is_over() public {
        formCommittee(3);
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.NotExiting.selector);
        gpn.withdrawConsumer();
        IGpnSettlement.Entry memory e = entry(request(2), 0, 0x06);
        vm.prank(consumer);
        gpn.beginExit();
        check(gpn.consumer(consumer).snapshotEndedAt != 0, "no new requests");
        settleBy(operator(0), "a", one(e)); // the old ones are still owed
        vm.warp(block.timestamp + defaults().unbond - 1);
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        gpn.withdrawConsumer();
        vm.warp(block.timestamp + 1);
        uint256 before = consumer.balance;
        vm.prank(consumer);
        gpn.withdrawConsumer();
        eq(consumer.balance - before, 10 ether - uint256(REWARD) * 1 gwei, "what is left");
        eq(gpn.getConsumers(0, 10).length, 0, "the list shrinks");
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.NotRegistered.selector);
        gpn.withdrawConsumer();
    }

    function test_used_nonces_outlive_a_registration() public {
        formCommittee(3);
        settleBy(operator(0), "a", one(entry(request(2), 0, 0x06)));
        vm.prank(consumer);
        gpn.beginExit();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(consumer);
        gpn.withdrawConsumer();
        vm.prank(consumer);
        gpn.registerConsumer{value: 1 ether}("image", DIGEST);
        eq(gpn.consumer(consumer).nonceBase, 1, "nonce base");
    }

    function test_leaving_keeps_the_lists_right() public {
        for (uint160 i = 1; i <= 3; ++i) {
            vm.prank(address(i));
            gpn.registerConsumer("image", DIGEST);
        }
        vm.prank(address(1));
        gpn.beginExit();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(address(1));
        gpn.withdrawConsumer();
        vm.prank(address(3));
        gpn.beginExit();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(address(3));
        gpn.withdrawConsumer();
        IGpnSettlement.ConsumerView[] memory all = gpn.getConsumers(0, 10);
        eq(all.length, 2, "two left");
        check(all[0].consumer == consumer && all[1].consumer == address(2), "the right ones");
        eq(gpn.getConsumers(1, 1).length, 1, "page");
        eq(gpn.getConsumers(2, 1).length, 0, "page past the end");
    }

    function test_128_expired_nonces_do_not_brick_the_window() public {
        formCommittee(3);
        IGpnSettlement.RequestData memory r = request(2);
        r.nonce = 200;
        refused(operator(0), entry(r, 0, 0x06), IGpnSettlement.NonceTooFar.selector);
        vm.prank(consumer);
        gpn.retireNonces(200);
        eq(gpn.consumer(consumer).pendingNonceBase, 200, "announced");
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        gpn.retireNonces(200);
        vm.warp(block.timestamp + defaults().maxLifetime + defaults().settleGrace + 1);
        vm.prank(consumer);
        gpn.retireNonces(200);
        r.deadline = uint64(block.timestamp + 1 hours);
        settleBy(operator(0), "a", one(entry(r, 0, 0x06)));
        eq(gpn.consumer(consumer).nonceBase, 201, "base");
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.NonceBaseNotAhead.selector);
        gpn.retireNonces(201);
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.NonceBaseNotAhead.selector);
        gpn.retireNonces(type(uint64).max);
    }

    /// A nonce that was used stays used, whatever part of the window is retired.
    function testFuzz_retiring_keeps_used_nonces_used(uint8 used, uint8 newBase) public {
        formCommittee(3);
        uint64 nonce = used % 128;
        uint64 base = uint64(newBase) + 1;
        IGpnSettlement.RequestData memory r = request(2);
        r.nonce = nonce;
        settleBy(operator(0), "a", one(entry(r, 0, 0x06)));
        if (base <= gpn.consumer(consumer).nonceBase) return;
        vm.prank(consumer);
        gpn.retireNonces(base);
        vm.warp(block.timestamp + defaults().maxLifetime + defaults().settleGrace + 1);
        vm.prank(consumer);
        gpn.retireNonces(base);
        r.deadline = uint64(block.timestamp + 1 hours);
        refused(operator(0), entry(r, 0, 0x06), IGpnSettlement.NonceUsed.selector);
    }

    // Operators -------------------------------------------------------------------------------------------

    function test_stake_has_a_minimum() public {
        vm.deal(operator(0), 1 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.StakeTooSmall.selector);
        gpn.registerProver{value: 0.5 ether - 1 gwei}(payoutOf(0));
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.ZeroAddress.selector);
        gpn.registerProver{value: 0.5 ether}(address(0));
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotWholeGwei.selector);
        gpn.registerProver{value: 0.5 ether + 1}(payoutOf(0));
        enlist(0, 0.5 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.AlreadyRegistered.selector);
        gpn.registerProver{value: 0.5 ether}(payoutOf(0));
        vm.prank(operator(0));
        gpn.addStake{value: 0.25 ether}();
        eq(gpn.prover(operator(0)).stake, 0.75 ether, "stake");
    }

    function test_only_the_payout_address_moves_the_payout() public {
        enlist(0, 1 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotPayout.selector);
        gpn.setPayout(operator(0), operator(0));
        vm.prank(payoutOf(0));
        vm.expectRevert(IGpnSettlement.ZeroAddress.selector);
        gpn.setPayout(operator(0), address(0));
        vm.prank(payoutOf(0));
        gpn.setPayout(operator(0), payoutOf(9));
        check(gpn.prover(operator(0)).payout == payoutOf(9), "moved");
        vm.expectRevert(IGpnSettlement.NotPayout.selector);
        gpn.setPayout(operator(5), payoutOf(9));
    }

    function leave(uint256 i) internal {
        vm.prank(operator(i));
        gpn.beginUnbond();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(operator(i));
        gpn.withdrawProver();
    }

    function test_stake_leaves_late_and_to_the_payout_address() public {
        formCommittee(3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.StillCommitted.selector);
        gpn.beginUnbond();
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotUnbonding.selector);
        gpn.withdrawProver();
        vm.prank(operator(0));
        gpn.uncommit(consumer);
        vm.prank(operator(0));
        gpn.beginUnbond();
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.Unbonding.selector);
        gpn.commit(consumer, DIGEST, 3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.Unbonding.selector);
        gpn.addStake();
        vm.warp(block.timestamp + defaults().unbond - 1);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        gpn.withdrawProver();
        vm.warp(block.timestamp + 1);
        vm.prank(operator(0));
        gpn.withdrawProver();
        eq(payoutOf(0).balance, 1 ether, "stake");
        eq(gpn.getProvers(0, 10).length, 2, "the list shrinks");
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotUnbonding.selector);
        gpn.withdrawProver();
    }

    function test_registering_again_keeps_id_and_payout() public {
        enlist(0, 1 ether);
        enlist(1, 1 ether);
        leave(0);
        vm.deal(operator(0), 1 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotPayout.selector);
        gpn.registerProver{value: 1 ether}(payoutOf(8));
        vm.prank(operator(0));
        gpn.registerProver{value: 1 ether}(payoutOf(0));
        eq(gpn.prover(operator(0)).memberId, 1, "the same id");
        IGpnSettlement.ProverView[] memory all = gpn.getProvers(0, 10);
        eq(all.length, 2, "no duplicates");
        check(all[0].prover == operator(1) && all[1].prover == operator(0), "order");
        check(gpn.memberOf(1) == operator(0) && gpn.memberOf(9) == address(0), "memberOf");
    }

    /// A newcomer who takes a seat is not paid for what its predecessor did.
    function test_seat_reused_by_a_newcomer() public {
        formCommittee(3);
        (bytes32 key, IGpnSettlement.Batch memory batch) =
            settleBy(operator(0), "a", one(entry(request(2), 0, 0x06)));
        vm.prank(operator(2));
        gpn.uncommit(consumer);
        enlist(3, 1 ether);
        join(3, BOTH);
        gpn.takeSnapshot(consumer);
        check(gpn.snapshot(consumer, 3).seats[2].prover == operator(3), "the newcomer sits there");
        vm.warp(batch.finalizeAt);
        finalizeOne(key, batch);
        check(gpn.rewards(3) != 0, "the one who voted is paid");
        eq(gpn.rewards(4), 0, "the newcomer is not");
    }

    // Committees ------------------------------------------------------------------------------------------

    function test_commitments_name_the_present_image() public {
        enlist(0, 1 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.DigestMismatch.selector);
        gpn.commit(consumer, "other", 3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.BadRoles.selector);
        gpn.commit(consumer, DIGEST, 0);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.BadRoles.selector);
        gpn.commit(consumer, DIGEST, 4);
        vm.prank(operator(1));
        vm.expectRevert(IGpnSettlement.NotRegistered.selector);
        gpn.commit(consumer, DIGEST, 3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotRegistered.selector);
        gpn.commit(address(1), DIGEST, 3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotCommitted.selector);
        gpn.uncommit(consumer);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotCommitted.selector);
        gpn.renew(consumer);
    }

    function test_committee_of_one_is_refused() public {
        enlist(0, 1 ether);
        join(0, BOTH);
        vm.expectRevert(IGpnSettlement.CommitteeTooSmall.selector);
        gpn.takeSnapshot(consumer);
    }

    function test_snapshot_shows_seats_and_weights() public {
        enlist(0, 0.5 ether);
        enlist(1, 1.9 ether);
        enlist(2, 100 ether);
        join(0, 1);
        join(1, 2);
        join(2, 3);
        eq(gpn.takeSnapshot(consumer), 1, "first id");
        IGpnSettlement.SnapshotView memory s = gpn.snapshot(consumer, 1);
        check(s.digest == DIGEST && s.endedAt == 0 && s.seats.length == 3, "snapshot");
        uint8[3] memory weights = [1, 3, 16];
        for (uint256 i; i < 3; ++i) {
            check(s.seats[i].prover == operator(i) && s.seats[i].memberId == i + 1, "seat");
            check(s.seats[i].roles == i + 1 && s.seats[i].weight == weights[i], "roles and weight");
        }
        eq(gpn.snapshot(consumer, 2).seats.length, 0, "no second one");
    }

    function test_snapshot_only_when_something_changed() public {
        formCommittee(3);
        vm.expectRevert(IGpnSettlement.SnapshotUnchanged.selector);
        gpn.takeSnapshot(consumer);
        join(0, 1); // another role
        gpn.takeSnapshot(consumer);
        check(gpn.snapshot(consumer, 1).endedAt != 0, "the first one ended");
        eq(gpn.snapshot(consumer, 1).seats[0].roles, 3, "and is as it was");
    }

    function test_absent_members_expire() public {
        formCommittee(3);
        vm.warp(block.timestamp + gpn.COMMITMENT_TTL() - 1);
        vm.prank(operator(0));
        gpn.renew(consumer);
        vm.prank(operator(1));
        gpn.renew(consumer);
        vm.warp(block.timestamp + 1);
        gpn.takeSnapshot(consumer);
        eq(gpn.snapshot(consumer, 2).seats.length, 2, "the third one is out");
        check(!gpn.committee(consumer)[2].eligible, "and shown so");
    }

    function test_leaving_a_committee_of_two_ends_its_snapshot() public {
        formCommittee(2);
        vm.prank(operator(1));
        gpn.uncommit(consumer);
        check(gpn.consumer(consumer).snapshotEndedAt != 0, "ended");
        eq(gpn.consumer(consumer).snapshotId, 1, "none after it");
    }

    function test_new_image_needs_new_commitments() public {
        formCommittee(3);
        vm.prank(consumer);
        gpn.setImage("example/image:2", "new");
        check(gpn.consumer(consumer).snapshotEndedAt != 0, "the old committee's snapshot ended");
        vm.expectRevert(IGpnSettlement.CommitteeTooSmall.selector);
        gpn.takeSnapshot(consumer);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.DigestMismatch.selector);
        gpn.renew(consumer);
        for (uint256 i; i < 2; ++i) {
            vm.prank(operator(i));
            gpn.commit(consumer, "new", 3);
        }
        gpn.takeSnapshot(consumer);
        eq(gpn.snapshot(consumer, 2).seats.length, 2, "those who committed anew");
    }

    function test_more_than_32_go_by_stake_then_seniority() public {
        for (uint256 i; i < 32; ++i) {
            enlist(i, i == 7 || i == 9 ? 0.5 ether : 1 ether);
            join(i, BOTH);
        }
        gpn.takeSnapshot(consumer);
        enlist(32, 0.5 ether);
        vm.prank(operator(32));
        vm.expectRevert(IGpnSettlement.CommitteeFull.selector);
        gpn.commit(consumer, DIGEST, 3);
        enlist(33, 2 ether);
        join(33, BOTH); // puts the younger of the two least stakes out, and takes a snapshot without it
        eq(gpn.prover(operator(9)).commitments, 0, "9 gave way");
        eq(gpn.prover(operator(7)).commitments, 1, "7 is senior");
        IGpnSettlement.SnapshotView memory s = gpn.snapshot(consumer, 2);
        eq(s.seats.length, 32, "seats");
        for (uint256 i; i < 32; ++i) check(s.seats[i].prover != operator(9), "9 has no seat");
        vm.prank(operator(9));
        gpn.beginUnbond();
    }

    function test_ineligible_candidates_give_way_first() public {
        for (uint256 i; i < 32; ++i) {
            enlist(i, 1 ether);
            join(i, BOTH);
        }
        vm.warp(block.timestamp + gpn.COMMITMENT_TTL());
        for (uint256 i; i < 32; ++i) if (i != 5) join(i, BOTH);
        enlist(32, 0.5 ether);
        join(32, BOTH);
        eq(gpn.prover(operator(5)).commitments, 0, "5 had expired");
        eq(gpn.committee(consumer).length, 32, "committee");
    }

    function test_exiting_consumers_take_no_commitments() public {
        formCommittee(3);
        vm.prank(consumer);
        gpn.beginExit();
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.Exiting.selector);
        gpn.beginExit();
        vm.expectRevert(IGpnSettlement.Exiting.selector);
        gpn.takeSnapshot(consumer);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.Exiting.selector);
        gpn.renew(consumer);
        vm.prank(operator(0));
        gpn.uncommit(consumer); // members can always leave
    }
}
