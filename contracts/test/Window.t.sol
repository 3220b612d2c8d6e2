// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {Base} from "./Base.t.sol";

/// The window of a settlement: extending, challenging, finalizing. Committee of 5: V is 4.
contract WindowTest is Base {
    bytes32 internal key;
    IGpnSettlement.Batch internal batch;
    IGpnSettlement.Entry internal settled;

    function setUp() public override {
        super.setUp();
        formCommittee(5);
        IGpnSettlement.Entry memory e = entry(request(3), 0, 0x0e);
        (bytes32 k, IGpnSettlement.Batch memory b) = settleBy(operator(0), "a", one(e));
        (key, batch, settled) = (k, b, e);
    }

    function incumbentVotes(uint256 seats) internal view returns (bytes memory) {
        return packedVotes(seats, voteDigest(settled));
    }

    /// Seat 4's proof for the same request, with the votes of these seats.
    function challenge(bytes32 proofHash, uint256 seats) internal view returns (bytes memory) {
        bytes32 requestId = reg.requestDigest(settled.request);
        return packedVotes(seats, reg.voteDigest(requestId, operator(4), proofHash, 2, true));
    }

    function supersede(bytes32 proofHash, uint256 seats) internal {
        bytes memory votes = challenge(proofHash, seats);
        gpn.supersede(key, batch, 0, 4, proofHash, 2, votes);
    }

    function paid(uint256 seat) internal view returns (uint256) {
        return reg.rewards(uint32(seat + 1));
    }

    function end() internal {
        vm.warp(batch.finalizeAt);
        finalizeOne(key, batch);
    }

    function fee() internal pure returns (uint256) {
        return uint256(REWARD) * 2000 / 10_000 / 4;
    }

    // Extending -------------------------------------------------------------------------------------------

    function test_extend_counts_everybody() public {
        extendOne(key, batch, 0, incumbentVotes(0x10));
        end();
        eq(paid(4), fee(), "the late verifier's fee");
        eq(paid(0), REWARD - 4 * fee(), "the prover's full bonus");
        eq(reg.burned(), 0, "burned");
    }

    function test_extend_is_idempotent_and_a_union() public {
        extendOne(key, batch, 0, incumbentVotes(0x06));
        (,, bool challenged) = reg.batchState(key);
        (, bool extended,) = reg.batchState(key);
        check(!extended && !challenged, "nothing new");
        extendOne(key, batch, 0, incumbentVotes(0x1e));
        extendOne(key, batch, 0, incumbentVotes(0x10));
        end();
        eq(paid(4), fee(), "paid once");
    }

    /// One cheap extension does not spoil what others prepared against the batch as it was settled.
    function test_extend_does_not_invalidate_other_calls() public {
        bytes memory votes = challenge("other", 0x0e);
        extendOne(key, batch, 0, incumbentVotes(0x10));
        gpn.supersede(key, batch, 0, 4, "other", 2, votes);
        extendOne(key, batch, 0, incumbentVotes(0x1e));
        end();
        eq(paid(0), REWARD - 4 * fee(), "the incumbent has more votes");
    }

    function test_extend_takes_no_bad_votes() public {
        bytes[4] memory bad = [
            incumbentVotes(0x01), // the prover's own
            incumbentVotes(0x20), // of no seat
            challenge("other", 0x08), // for another proof
            bytes.concat(incumbentVotes(0x10), hex"00")
        ];
        for (uint256 i; i < bad.length; ++i) {
            (uint256[] memory indexes, bytes[] memory lists) = (new uint256[](1), new bytes[](1));
            lists[0] = bad[i];
            vm.expectRevert(IGpnSettlement.BadVotes.selector);
            gpn.extend(key, batch, indexes, lists);
        }
    }

    function test_extend_needs_the_batch_as_it_was_settled() public {
        (uint256[] memory indexes, bytes[] memory lists) = (new uint256[](1), new bytes[](1));
        lists[0] = incumbentVotes(0x10);
        IGpnSettlement.Batch memory forged = batch;
        forged.records[95] = 0x1e;
        vm.expectRevert(IGpnSettlement.BatchMismatch.selector);
        gpn.extend(key, forged, indexes, lists);
        forged = batch;
        forged.finalizeAt += 1;
        vm.expectRevert(IGpnSettlement.BatchMismatch.selector);
        gpn.extend(key, forged, indexes, lists);
        indexes[0] = 1;
        forged = batch;
        vm.expectRevert(IGpnSettlement.BadIndex.selector);
        gpn.extend(key, forged, indexes, lists);
        vm.expectRevert(IGpnSettlement.LengthMismatch.selector);
        gpn.extend(key, forged, new uint256[](0), lists);
    }

    function test_extend_until_the_end_only() public {
        bytes memory votes = incumbentVotes(0x10);
        vm.warp(batch.finalizeAt - 1);
        extendOne(key, batch, 0, votes);
        vm.warp(batch.finalizeAt);
        (uint256[] memory indexes, bytes[] memory lists) = (new uint256[](1), new bytes[](1));
        lists[0] = votes;
        IGpnSettlement.Batch memory same = batch;
        vm.expectRevert(IGpnSettlement.WindowClosed.selector);
        gpn.extend(key, same, indexes, lists);
    }

    function test_extend_many_records() public {
        IGpnSettlement.Entry[] memory entries = new IGpnSettlement.Entry[](10);
        uint256[] memory indexes = new uint256[](10);
        bytes[] memory lists = new bytes[](10);
        for (uint256 i; i < 10; ++i) {
            entries[i] = entry(request(3), 0, 0x0e);
            indexes[i] = i;
            lists[i] = packedVotes(0x10, voteDigest(entries[i]));
        }
        (bytes32 k, IGpnSettlement.Batch memory b) = settleBy(operator(0), "ten", entries);
        gpn.extend(k, b, indexes, lists);
        vm.warp(b.finalizeAt);
        finalizeOne(k, b);
        eq(paid(4), 10 * fee(), "ten fees");
        eq(paid(0), 10 * (REWARD - 4 * fee()), "ten full shares");
        // The slot's extensions are gone: the next batch under it starts from its own votes.
        entries[0] = entry(request(3), 0, 0x0e);
        (k, b) = settleBy(operator(0), "ten", one(entries[0]));
        vm.warp(b.finalizeAt);
        finalizeOne(k, b);
        eq(paid(4), 10 * fee(), "no leftovers");
    }

    // Challenging -----------------------------------------------------------------------------------------

    function test_challenger_with_more_votes_wins() public {
        supersede("other", 0x0f);
        end();
        eq(paid(4), REWARD - 4 * fee(), "the challenger's share");
        eq(paid(0), fee(), "the incumbent as a verifier");
    }

    function test_tie_goes_to_the_incumbent() public {
        supersede("other", 0x0e);
        end();
        eq(paid(4), 0, "the challenger");
        check(paid(0) > REWARD / 2, "the incumbent's share");
    }

    function test_both_may_be_extended_until_the_end() public {
        supersede("other", 0x0e);
        vm.warp(batch.finalizeAt - 2);
        supersede("other", 0x01); // the known challenger gets a fourth vote
        vm.warp(batch.finalizeAt - 1);
        extendOne(key, batch, 0, incumbentVotes(0x10)); // and so does the incumbent
        end();
        eq(paid(0), REWARD - 4 * fee(), "the incumbent keeps it");
    }

    function test_no_new_challenger_near_the_end() public {
        bytes memory votes = challenge("other", 0x0f);
        IGpnSettlement.Batch memory same = batch;
        vm.warp(batch.finalizeAt - defaults().window / 8);
        vm.expectRevert(IGpnSettlement.WindowClosed.selector);
        gpn.supersede(key, same, 0, 4, "other", 2, votes);
        vm.warp(block.timestamp - 1);
        gpn.supersede(key, same, 0, 4, "other", 2, votes);
    }

    function test_challenger_needs_a_quorum_and_the_role() public {
        IGpnSettlement.Batch memory same = batch;
        bytes memory votes = challenge("other", 0x06);
        vm.expectRevert(IGpnSettlement.QuorumNotMet.selector);
        gpn.supersede(key, same, 0, 4, "other", 2, votes);
        votes = challenge("other", 0x1e);
        vm.expectRevert(IGpnSettlement.BadVotes.selector);
        gpn.supersede(key, same, 0, 4, "other", 2, votes);
        vm.expectRevert(IGpnSettlement.BadProver.selector);
        gpn.supersede(key, same, 0, 0, "other", 2, votes);
        vm.expectRevert(IGpnSettlement.BadProver.selector);
        gpn.supersede(key, same, 0, 5, "other", 2, votes);
        vm.expectRevert(IGpnSettlement.BadIndex.selector);
        gpn.supersede(key, same, 1, 4, "other", 2, votes);
    }

    /// A weak challenger cannot keep the place from a stronger one, nor the other way round.
    function test_stronger_challenger_takes_the_place() public {
        supersede("weak", 0x0e);
        bytes memory equal = challenge("other", 0x0d);
        IGpnSettlement.Batch memory same = batch;
        vm.expectRevert(IGpnSettlement.WeakerChallenger.selector);
        gpn.supersede(key, same, 0, 4, "other", 2, equal);
        supersede("other", 0x0f);
        end();
        eq(paid(4), REWARD - 4 * fee(), "the stronger one is paid");
    }

    function test_challengers_leave_nothing_behind() public {
        supersede("other", 0x0f);
        end();
        uint256 before = paid(4);
        (bytes32 k, IGpnSettlement.Batch memory b) =
            settleBy(operator(0), "a", one(entry(request(3), 0, 0x0e)));
        vm.warp(b.finalizeAt);
        finalizeOne(k, b);
        eq(paid(4), before, "the next batch in the slot knows no challenger");
    }

    // Finalizing ------------------------------------------------------------------------------------------

    function test_early_finalize() public {
        (bytes32[] memory keys, IGpnSettlement.Batch[] memory batches) = asLists(key, batch);
        vm.warp(batch.finalizeAt - 1);
        vm.expectRevert(IGpnSettlement.TooEarly.selector);
        gpn.finalize(keys, batches);
    }

    function test_finalize_at_never_moves() public {
        extendOne(key, batch, 0, incumbentVotes(0x10));
        supersede("other", 0x0f);
        end();
        check(paid(4) != 0, "paid at the time that was set first");
    }

    function test_double_finalize() public {
        end();
        uint256 first = paid(0);
        (bytes32[] memory keys, IGpnSettlement.Batch[] memory batches) = asLists(key, batch);
        vm.expectRevert(IGpnSettlement.BatchMismatch.selector);
        gpn.finalize(keys, batches);
        eq(paid(0), first, "paid once");
    }

    function test_double_finalize_in_one_call() public {
        vm.warp(batch.finalizeAt);
        (bytes32[] memory keys, IGpnSettlement.Batch[] memory batches) =
            (new bytes32[](2), new IGpnSettlement.Batch[](2));
        (keys[0], keys[1], batches[0], batches[1]) = (key, key, batch, batch);
        vm.expectRevert(IGpnSettlement.BatchMismatch.selector);
        gpn.finalize(keys, batches);
        vm.expectRevert(IGpnSettlement.LengthMismatch.selector);
        gpn.finalize(new bytes32[](1), batches);
    }

    function test_finalize_of_an_unknown_batch() public {
        (bytes32[] memory keys, IGpnSettlement.Batch[] memory batches) = asLists("nothing", none());
        vm.expectRevert(IGpnSettlement.BatchMismatch.selector);
        gpn.finalize(keys, batches);
    }

    /// Whatever is added in whatever order, the sum of all shares is the reward, and votes never get fewer.
    function testFuzz_window(uint8[6] memory seats, uint256 challenges) public {
        uint256 have = 0x0e;
        for (uint256 i; i < seats.length; ++i) {
            if ((challenges >> i) & 1 != 0) {
                if (count(seats[i] & 0x0f) >= 3) {
                    try this.supersedeExternally(seats[i] & 0x0f) {} catch {}
                }
            } else {
                extendOne(key, batch, 0, incumbentVotes(seats[i] & 0x1e));
                have |= seats[i] & 0x1e;
            }
        }
        end();
        uint256 sum = reg.burned();
        for (uint256 i; i < 5; ++i) sum += paid(i);
        eq(sum, REWARD, "shares");
        if (count(have) == 4) eq(paid(0), REWARD - 4 * fee(), "nobody beats all votes");
    }

    function supersedeExternally(uint256 seats) external {
        supersede("other", seats);
    }
}
