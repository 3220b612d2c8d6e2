// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {GpnSettlement} from "../src/GpnSettlement.sol";
import {Base} from "./Base.t.sol";

/// A payout address that tries to be paid again while it is being paid.
contract Greedy {
    GpnSettlement private immutable _gpn;
    uint32 private immutable _id;
    uint256 public tries;
    bool public gotMore;

    constructor(GpnSettlement gpn, uint32 id) {
        (_gpn, _id) = (gpn, id);
    }

    receive() external payable {
        ++tries;
        uint32[] memory list = new uint32[](1);
        list[0] = _id;
        try _gpn.withdrawRewards(list) {
            gotMore = true;
        } catch {}
    }
}

/// A payout address that takes nothing.
contract Refusing {}

/// Shares, withdrawals, tips.
contract PayoutTest is Base {
    function pay(uint64 reward, uint256 size, uint256 seats, uint8 quorum) internal {
        IGpnSettlement.RequestData memory r = request(quorum);
        r.rewardGwei = reward;
        (bytes32 key, IGpnSettlement.Batch memory batch) =
            settleBy(operator(0), bytes32(size), one(entry(r, 0, seats)));
        vm.warp(batch.finalizeAt);
        finalizeOne(key, batch);
    }

    function withdraw(uint32 id) internal {
        gpn.withdrawRewards(ids(id));
    }

    /// Shares are exact for any reward, committee and set of voters; nobody gains by leaving voters out.
    function testFuzz_split_is_exact(uint64 reward, uint8 size, uint32 seats) public {
        size = 2 + size % 31;
        reward = 1000 + reward % 1_000_000_000;
        uint256 verifiers = size - 1;
        uint256 set = seats & ((uint256(1) << size) - 2);
        vm.assume(count(set) > verifiers / 2);
        formCommittee(size);
        pay(reward, size, set, uint8(verifiers / 2 + 1));
        uint256 counted = count(set);
        uint256 fee = uint256(reward) * 2000 / 10_000 / verifiers;
        uint256 lost = fee * (verifiers - counted)
            + uint256(reward) * 2000 * (verifiers - counted) / (10_000 * verifiers);
        eq(reg.burned(), lost, "burned");
        uint256 sum = lost;
        for (uint32 i; i < size; ++i) {
            uint256 got = reg.rewards(i + 1);
            if (i == 0) eq(got, reward - lost - fee * counted, "prover");
            else eq(got, (set >> i) & 1 == 1 ? fee : 0, "verifier");
            sum += got;
        }
        eq(sum, reward, "sum");
        check(reg.rewards(1) >= uint256(reward) * 6 / 10, "60 % at least");
    }

    function test_dust_goes_to_the_prover() public {
        formCommittee(4);
        pay(1009, 4, 0x0e, 2);
        eq(reg.rewards(2), 67, "1009 / 5 / 3 = 67.27");
        eq(reg.rewards(1), 1009 - 3 * 67, "the prover");
        eq(reg.burned(), 0, "burned");
    }

    function test_withdrawal_goes_to_the_payout_address() public {
        formCommittee(3);
        pay(REWARD, 3, 0x06, 2);
        uint256 amount = uint256(reg.rewards(1)) * 1 gwei;
        vm.prank(payoutOf(0));
        reg.setPayout(operator(0), payoutOf(50));
        withdraw(1);
        eq(payoutOf(50).balance, amount, "paid to the wei");
        eq(reg.rewards(1), 0, "nothing left");
        vm.expectRevert(IGpnSettlement.NothingToWithdraw.selector);
        gpn.withdrawRewards(ids(1));
    }

    function test_nobody_withdraws_what_was_burned() public {
        formCommittee(4);
        pay(REWARD, 4, 0x06, 2);
        check(reg.burned() != 0, "something was burned");
        vm.expectRevert(IGpnSettlement.NothingToWithdraw.selector);
        gpn.withdrawRewards(ids(0));
        vm.expectRevert(IGpnSettlement.NothingToWithdraw.selector);
        gpn.withdrawRewards(ids(77));
    }

    function test_reentrant_payout_gets_nothing_more() public {
        formCommittee(3);
        Greedy greedy = new Greedy(gpn, 1);
        vm.prank(payoutOf(0));
        reg.setPayout(operator(0), address(greedy));
        pay(REWARD, 3, 0x06, 2);
        uint256 amount = uint256(reg.rewards(1)) * 1 gwei;
        withdraw(1);
        eq(greedy.tries(), 1, "it tried");
        check(!greedy.gotMore(), "in vain");
        eq(address(greedy).balance, amount, "paid once");
        check(reg.rewards(2) != 0, "the others' rewards are untouched");
    }

    function test_a_payout_that_refuses_harms_only_itself() public {
        formCommittee(3);
        address refusing = address(new Refusing());
        vm.prank(payoutOf(0));
        reg.setPayout(operator(0), refusing);
        pay(REWARD, 3, 0x06, 2);
        vm.expectRevert(IGpnSettlement.PaymentFailed.selector);
        gpn.withdrawRewards(ids(1));
        withdraw(2);
        vm.prank(refusing);
        reg.setPayout(operator(0), payoutOf(0));
        withdraw(1);
        check(payoutOf(0).balance != 0, "paid after all");
    }

    function test_tip_only_to_another_member_and_only_late() public {
        formCommittee(4);
        IGpnSettlement.Entry memory early = entry(request(2), 0, 0x0e);
        IGpnSettlement.Entry memory late = entry(request(2), 0, 0x0e);
        IGpnSettlement.Entry memory own = entry(request(2), 0, 0x0e);
        (, IGpnSettlement.Batch memory a) = settleBy(operator(3), "early", one(early));
        eq(uint8(a.records[125]), 0, "no tip before the delay");
        vm.warp(uint256(late.request.deadline) + defaults().settleDelay);
        (bytes32 key, IGpnSettlement.Batch memory b) = settleBy(operator(3), "late", one(late));
        eq(uint8(b.records[125]), 4, "seat 3 is tipped");
        (, IGpnSettlement.Batch memory c) = settleBy(operator(0), "own", one(own));
        eq(uint8(c.records[125]), 0, "nobody tips itself");
        vm.warp(b.finalizeAt);
        finalizeOne(key, b);
        uint256 fee = uint256(REWARD) * 2000 / 10_000 / 3;
        eq(reg.rewards(4), fee + 500, "fee and tip");
        eq(reg.rewards(1), REWARD - 3 * fee - 500, "the prover pays it");
    }

    /// Provers of several committees and consumers in one call are each paid from their own snapshot.
    function test_finalize_across_snapshots() public {
        formCommittee(4);
        IGpnSettlement.Entry memory a = entry(request(2), 0, 0x0e);
        vm.prank(operator(0));
        reg.uncommit(consumer); // seat 0 is now operator 3
        IGpnSettlement.Entry memory b = signed(request(2), 1);
        bytes32 digest = reg.voteDigest(reg.requestDigest(b.request), operator(1), b.proofHash, b.attempt, true);
        (bytes32 r0, bytes32 vs0) = compact(OPERATOR_KEY + 3, digest);
        (bytes32 r2, bytes32 vs2) = compact(OPERATOR_KEY + 2, digest);
        b.votes = abi.encodePacked(uint8(0), r0, vs0, uint8(2), r2, vs2);
        (bytes32 key, IGpnSettlement.Batch memory batch) = settleBy(operator(1), "a", two(a, b));
        eq(batch.records.length, 256, "both");
        vm.warp(batch.finalizeAt);
        finalizeOne(key, batch);
        uint256 third = uint256(REWARD) * 2000 / 10_000 / 3;
        uint256 half = uint256(REWARD) * 2000 / 10_000 / 2;
        eq(reg.rewards(1), REWARD - 3 * third, "prover of the first");
        eq(reg.rewards(2), third + REWARD - 2 * half, "prover of the second");
        eq(reg.rewards(3), third + half, "voted on both");
        eq(reg.rewards(4), third + half, "voted on both, from two seats");
    }
}
