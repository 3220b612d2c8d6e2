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
        check(keccak256(abi.encode(reg.params())) == keccak256(abi.encode(defaults())), "params are shown");
    }

    // Consumers -------------------------------------------------------------------------------------------

    function test_consumer_registers_once() public {
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.AlreadyRegistered.selector);
        reg.registerConsumer("again", DIGEST);
        eq(reg.getConsumers(0, 10).length, 1, "one in the list");
        vm.expectRevert(IGpnSettlement.BadImage.selector);
        reg.registerConsumer("image", 0);
        vm.expectRevert(IGpnSettlement.BadImage.selector);
        reg.registerConsumer("", DIGEST);
        vm.expectRevert(IGpnSettlement.BadImage.selector);
        reg.registerConsumer(string(new bytes(257)), DIGEST);
    }

    function test_deposits_are_whole_gwei_for_someone_registered() public {
        vm.deal(address(this), 1 ether);
        reg.depositEth{value: 3 gwei}(consumer);
        eq(reg.consumer(consumer).balanceGwei, 10 ether / 1 gwei + 3, "balance");
        vm.expectRevert(IGpnSettlement.NotWholeGwei.selector);
        reg.depositEth{value: 1 gwei + 1}(consumer);
        vm.expectRevert(IGpnSettlement.NotRegistered.selector);
        reg.depositEth{value: 1 gwei}(address(this));
        (bool sent,) = address(gpn).call{value: 1 gwei}("");
        check(!sent, "ether without a purpose stays outside");
    }

    function test_deposit_beyond_64_bits_of_gwei() public {
        vm.deal(address(this), type(uint128).max);
        vm.expectRevert(IGpnSettlement.AmountTooLarge.selector);
        reg.depositEth{value: (uint256(type(uint64).max) + 1) * 1 gwei}(consumer);
    }

    function test_consumer_leaves_after_everything_is_over() public {
        formCommittee(3);
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.NotExiting.selector);
        reg.withdrawConsumer();
        IGpnSettlement.Entry memory e = entry(request(2), 0, 0x06);
        vm.prank(consumer);
        reg.beginExit();
        check(reg.consumer(consumer).snapshotEndedAt != 0, "no new requests");
        settleBy(operator(0), "a", one(e)); // the old ones are still owed
        vm.warp(block.timestamp + defaults().unbond - 1);
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        reg.withdrawConsumer();
        vm.warp(block.timestamp + 1);
        uint256 before = consumer.balance;
        vm.prank(consumer);
        reg.withdrawConsumer();
        eq(consumer.balance - before, 10 ether - uint256(REWARD) * 1 gwei, "what is left");
        eq(reg.getConsumers(0, 10).length, 0, "the list shrinks");
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.NotRegistered.selector);
        reg.withdrawConsumer();
    }

    function test_used_nonces_outlive_a_registration() public {
        formCommittee(3);
        settleBy(operator(0), "a", one(entry(request(2), 0, 0x06)));
        vm.prank(consumer);
        reg.beginExit();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(consumer);
        reg.withdrawConsumer();
        vm.prank(consumer);
        reg.registerConsumer{value: 1 ether}("image", DIGEST);
        eq(reg.consumer(consumer).nonceBase, 1, "nonce base");
    }

    function test_leaving_keeps_the_lists_right() public {
        for (uint160 i = 1; i <= 3; ++i) {
            vm.prank(address(i));
            reg.registerConsumer("image", DIGEST);
        }
        vm.prank(address(1));
        reg.beginExit();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(address(1));
        reg.withdrawConsumer();
        vm.prank(address(3));
        reg.beginExit();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(address(3));
        reg.withdrawConsumer();
        IGpnSettlement.ConsumerView[] memory all = reg.getConsumers(0, 10);
        eq(all.length, 2, "two left");
        check(all[0].consumer == consumer && all[1].consumer == address(2), "the right ones");
        eq(reg.getConsumers(1, 1).length, 1, "page");
        eq(reg.getConsumers(2, 1).length, 0, "page past the end");
    }

    function test_128_expired_nonces_do_not_brick_the_window() public {
        formCommittee(3);
        IGpnSettlement.RequestData memory r = request(2);
        r.nonce = 200;
        refused(operator(0), entry(r, 0, 0x06), IGpnSettlement.NonceTooFar.selector);
        vm.prank(consumer);
        reg.retireNonces(200);
        eq(reg.consumer(consumer).pendingNonceBase, 200, "announced");
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        reg.retireNonces(200);
        vm.warp(block.timestamp + defaults().maxLifetime + defaults().settleGrace + 1);
        vm.prank(consumer);
        reg.retireNonces(200);
        r.deadline = uint64(block.timestamp + 1 hours);
        settleBy(operator(0), "a", one(entry(r, 0, 0x06)));
        eq(reg.consumer(consumer).nonceBase, 201, "base");
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.NonceBaseNotAhead.selector);
        reg.retireNonces(201);
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.NonceBaseNotAhead.selector);
        reg.retireNonces(type(uint64).max);
    }

    /// A nonce that was used stays used, whatever part of the window is retired.
    function testFuzz_retiring_keeps_used_nonces_used(uint8 used, uint8 newBase) public {
        formCommittee(3);
        uint64 nonce = used % 128;
        uint64 base = uint64(newBase) + 1;
        IGpnSettlement.RequestData memory r = request(2);
        r.nonce = nonce;
        settleBy(operator(0), "a", one(entry(r, 0, 0x06)));
        if (base <= reg.consumer(consumer).nonceBase) return;
        vm.prank(consumer);
        reg.retireNonces(base);
        vm.warp(block.timestamp + defaults().maxLifetime + defaults().settleGrace + 1);
        vm.prank(consumer);
        reg.retireNonces(base);
        r.deadline = uint64(block.timestamp + 1 hours);
        refused(operator(0), entry(r, 0, 0x06), IGpnSettlement.NonceUsed.selector);
    }

    // Operators -------------------------------------------------------------------------------------------

    function test_stake_has_a_minimum() public {
        vm.deal(operator(0), 1 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.StakeTooSmall.selector);
        reg.registerProver{value: 0.5 ether - 1 gwei}(payoutOf(0));
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.ZeroAddress.selector);
        reg.registerProver{value: 0.5 ether}(address(0));
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotWholeGwei.selector);
        reg.registerProver{value: 0.5 ether + 1}(payoutOf(0));
        enlist(0, 0.5 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.AlreadyRegistered.selector);
        reg.registerProver{value: 0.5 ether}(payoutOf(0));
        vm.prank(operator(0));
        reg.addStake{value: 0.25 ether}();
        eq(reg.prover(operator(0)).stake, 0.75 ether, "stake");
    }

    function test_only_the_payout_address_moves_the_payout() public {
        enlist(0, 1 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotPayout.selector);
        reg.setPayout(operator(0), operator(0));
        vm.prank(payoutOf(0));
        vm.expectRevert(IGpnSettlement.ZeroAddress.selector);
        reg.setPayout(operator(0), address(0));
        vm.prank(payoutOf(0));
        reg.setPayout(operator(0), payoutOf(9));
        check(reg.prover(operator(0)).payout == payoutOf(9), "moved");
        vm.expectRevert(IGpnSettlement.NotPayout.selector);
        reg.setPayout(operator(5), payoutOf(9));
    }

    function leave(uint256 i) internal {
        vm.prank(operator(i));
        reg.beginUnbond();
        vm.warp(block.timestamp + defaults().unbond);
        vm.prank(operator(i));
        reg.withdrawProver();
    }

    function test_stake_leaves_late_and_to_the_payout_address() public {
        formCommittee(3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.StillCommitted.selector);
        reg.beginUnbond();
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotUnbonding.selector);
        reg.withdrawProver();
        vm.prank(operator(0));
        reg.uncommit(consumer);
        vm.prank(operator(0));
        reg.beginUnbond();
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.Unbonding.selector);
        reg.commit(consumer, DIGEST, 3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.Unbonding.selector);
        reg.addStake();
        vm.warp(block.timestamp + defaults().unbond - 1);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        reg.withdrawProver();
        vm.warp(block.timestamp + 1);
        vm.prank(operator(0));
        reg.withdrawProver();
        eq(payoutOf(0).balance, 1 ether, "stake");
        eq(reg.getProvers(0, 10).length, 2, "the list shrinks");
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotUnbonding.selector);
        reg.withdrawProver();
    }

    function test_registering_again_keeps_id_and_payout() public {
        enlist(0, 1 ether);
        enlist(1, 1 ether);
        leave(0);
        vm.deal(operator(0), 1 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotPayout.selector);
        reg.registerProver{value: 1 ether}(payoutOf(8));
        vm.prank(operator(0));
        reg.registerProver{value: 1 ether}(payoutOf(0));
        eq(reg.prover(operator(0)).memberId, 1, "the same id");
        IGpnSettlement.ProverView[] memory all = reg.getProvers(0, 10);
        eq(all.length, 2, "no duplicates");
        check(all[0].prover == operator(1) && all[1].prover == operator(0), "order");
        check(reg.memberOf(1) == operator(0) && reg.memberOf(9) == address(0), "memberOf");
    }

    /// A newcomer who takes a seat is not paid for what its predecessor did.
    function test_seat_reused_by_a_newcomer() public {
        formCommittee(3);
        (bytes32 key, IGpnSettlement.Batch memory batch) =
            settleBy(operator(0), "a", one(entry(request(2), 0, 0x06)));
        vm.prank(operator(2));
        reg.uncommit(consumer);
        enlist(3, 1 ether);
        join(3, BOTH);
        reg.takeSnapshot(consumer);
        check(reg.snapshot(consumer, 3).seats[2].prover == operator(3), "the newcomer sits there");
        vm.warp(batch.finalizeAt);
        finalizeOne(key, batch);
        check(reg.rewards(3) != 0, "the one who voted is paid");
        eq(reg.rewards(4), 0, "the newcomer is not");
    }

    // Committees ------------------------------------------------------------------------------------------

    function test_commitments_name_the_present_image() public {
        enlist(0, 1 ether);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.DigestMismatch.selector);
        reg.commit(consumer, "other", 3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.BadRoles.selector);
        reg.commit(consumer, DIGEST, 0);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.BadRoles.selector);
        reg.commit(consumer, DIGEST, 4);
        vm.prank(operator(1));
        vm.expectRevert(IGpnSettlement.NotRegistered.selector);
        reg.commit(consumer, DIGEST, 3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotRegistered.selector);
        reg.commit(address(1), DIGEST, 3);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotCommitted.selector);
        reg.uncommit(consumer);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.NotCommitted.selector);
        reg.renew(consumer);
    }

    function test_committee_of_one_is_refused() public {
        enlist(0, 1 ether);
        join(0, BOTH);
        vm.expectRevert(IGpnSettlement.CommitteeTooSmall.selector);
        reg.takeSnapshot(consumer);
    }

    function test_snapshot_shows_seats_and_weights() public {
        enlist(0, 0.5 ether);
        enlist(1, 1.9 ether);
        enlist(2, 100 ether);
        join(0, 1);
        join(1, 2);
        join(2, 3);
        eq(reg.takeSnapshot(consumer), 1, "first id");
        IGpnSettlement.SnapshotView memory s = reg.snapshot(consumer, 1);
        check(s.digest == DIGEST && s.endedAt == 0 && s.seats.length == 3, "snapshot");
        uint8[3] memory weights = [1, 3, 16];
        for (uint256 i; i < 3; ++i) {
            check(s.seats[i].prover == operator(i) && s.seats[i].memberId == i + 1, "seat");
            check(s.seats[i].roles == i + 1 && s.seats[i].weight == weights[i], "roles and weight");
        }
        eq(reg.snapshot(consumer, 2).seats.length, 0, "no second one");
    }

    function test_snapshot_only_when_something_changed() public {
        formCommittee(3);
        vm.expectRevert(IGpnSettlement.SnapshotUnchanged.selector);
        reg.takeSnapshot(consumer);
        join(0, 1); // another role
        reg.takeSnapshot(consumer);
        check(reg.snapshot(consumer, 1).endedAt != 0, "the first one ended");
        eq(reg.snapshot(consumer, 1).seats[0].roles, 3, "and is as it was");
    }

    function test_absent_members_expire() public {
        formCommittee(3);
        vm.warp(block.timestamp + reg.COMMITMENT_TTL() - 1);
        vm.prank(operator(0));
        reg.renew(consumer);
        vm.prank(operator(1));
        reg.renew(consumer);
        vm.warp(block.timestamp + 1);
        reg.takeSnapshot(consumer);
        eq(reg.snapshot(consumer, 2).seats.length, 2, "the third one is out");
        check(!reg.committee(consumer)[2].eligible, "and shown so");
    }

    function test_leaving_a_committee_of_two_ends_its_snapshot() public {
        formCommittee(2);
        vm.prank(operator(1));
        reg.uncommit(consumer);
        check(reg.consumer(consumer).snapshotEndedAt != 0, "ended");
        eq(reg.consumer(consumer).snapshotId, 1, "none after it");
    }

    function test_new_image_needs_new_commitments() public {
        formCommittee(3);
        vm.prank(consumer);
        reg.setImage("example/image:2", "new");
        check(reg.consumer(consumer).snapshotEndedAt != 0, "the old committee's snapshot ended");
        vm.expectRevert(IGpnSettlement.CommitteeTooSmall.selector);
        reg.takeSnapshot(consumer);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.DigestMismatch.selector);
        reg.renew(consumer);
        for (uint256 i; i < 2; ++i) {
            vm.prank(operator(i));
            reg.commit(consumer, "new", 3);
        }
        reg.takeSnapshot(consumer);
        eq(reg.snapshot(consumer, 2).seats.length, 2, "those who committed anew");
    }

    function test_more_than_32_go_by_stake_then_seniority() public {
        for (uint256 i; i < 32; ++i) {
            enlist(i, i == 7 || i == 9 ? 0.5 ether : 1 ether);
            join(i, BOTH);
        }
        reg.takeSnapshot(consumer);
        enlist(32, 0.5 ether);
        vm.prank(operator(32));
        vm.expectRevert(IGpnSettlement.CommitteeFull.selector);
        reg.commit(consumer, DIGEST, 3);
        enlist(33, 2 ether);
        join(33, BOTH); // puts the younger of the two least stakes out, and takes a snapshot without it
        eq(reg.prover(operator(9)).commitments, 0, "9 gave way");
        eq(reg.prover(operator(7)).commitments, 1, "7 is senior");
        IGpnSettlement.SnapshotView memory s = reg.snapshot(consumer, 2);
        eq(s.seats.length, 32, "seats");
        for (uint256 i; i < 32; ++i) check(s.seats[i].prover != operator(9), "9 has no seat");
        vm.prank(operator(9));
        reg.beginUnbond();
    }

    function test_ineligible_candidates_give_way_first() public {
        for (uint256 i; i < 32; ++i) {
            enlist(i, 1 ether);
            join(i, BOTH);
        }
        vm.warp(block.timestamp + reg.COMMITMENT_TTL());
        for (uint256 i; i < 32; ++i) if (i != 5) join(i, BOTH);
        enlist(32, 0.5 ether);
        join(32, BOTH);
        eq(reg.prover(operator(5)).commitments, 0, "5 had expired");
        eq(reg.committee(consumer).length, 32, "committee");
    }

    function test_exiting_consumers_take_no_commitments() public {
        formCommittee(3);
        vm.prank(consumer);
        reg.beginExit();
        vm.prank(consumer);
        vm.expectRevert(IGpnSettlement.Exiting.selector);
        reg.beginExit();
        vm.expectRevert(IGpnSettlement.Exiting.selector);
        reg.takeSnapshot(consumer);
        vm.prank(operator(0));
        vm.expectRevert(IGpnSettlement.Exiting.selector);
        reg.renew(consumer);
        vm.prank(operator(0));
        reg.uncommit(consumer); // members can always leave
    }
}
