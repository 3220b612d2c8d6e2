// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {Base} from "./Base.t.sol";

/// Gas of settlements in a steady state: slots used before, the old batch paid in the same call.
/// Every call is a transaction of its own here, so that storage is as cold as on a chain; what is measured
/// includes the transaction's own 21,000 and its call data.
/// forge-config: default.isolate = true
contract GasTest is Base {
    function steady(uint256 verifiers, uint256 size, bool attested) internal returns (uint256 gasPerProof) {
        // The figures to meet are those of a committee whose rewards fill whole slots (ids from 4 on).
        for (uint256 i = 100; i < 103; ++i) enlist(i, 1 ether);
        formCommittee(verifiers + 1);
        uint256 seats = (uint256(1) << (verifiers + 1)) - 2;
        uint8 quorum = uint8(verifiers / 2 + 1);
        IGpnSettlement.Batch memory old = none();
        for (uint256 round; round < 3; ++round) {
            IGpnSettlement.Entry[] memory entries = new IGpnSettlement.Entry[](size);
            for (uint256 i; i < size; ++i) {
                entries[i] = attested ? signed(request(quorum), 0) : entry(request(quorum), 0, seats);
            }
            bytes memory data = attested
                ? abi.encodeCall(
                    gpn.settleAttested, ("slot", old, entries, packedVotes(seats, batchVoteDigest(entries)))
                )
                : abi.encodeCall(gpn.settle, ("slot", old, entries));
            vm.recordLogs();
            vm.prank(operator(0));
            (bool done,) = address(gpn).call(data);
            check(done, "settled");
            gasPerProof = vm.lastCallGas().gasTotalUsed / size;
            old = settledBatch();
            eq(old.records.length, size * 128, "all of them");
            vm.warp(old.finalizeAt);
        }
    }

    function within(uint256 gasUsed, uint256 most, string memory what) internal {
        vm.snapshotValue("gasPerProof", what, gasUsed);
        check(gasUsed <= most, string.concat(what, " costs ", text(gasUsed)));
    }

    function test_single_3() public { within(steady(3, 1, false), 88_000, "single, 3 verifiers"); }
    function test_single_7() public { within(steady(7, 1, false), 112_000, "single, 7 verifiers"); }
    function test_single_15() public { within(steady(15, 1, false), 160_000, "single, 15 verifiers"); }
    function test_single_31() public { within(steady(31, 1, false), 255_000, "single, 31 verifiers"); }
    function test_ten_3() public { within(steady(3, 10, false), 38_000, "ten, 3 verifiers"); }
    function test_ten_7() public { within(steady(7, 10, false), 56_000, "ten, 7 verifiers"); }
    function test_ten_15() public { within(steady(15, 10, false), 93_000, "ten, 15 verifiers"); }
    function test_ten_31() public { within(steady(31, 10, false), 167_000, "ten, 31 verifiers"); }
    function test_attested_3() public { within(steady(3, 10, true), 27_000, "attested, 3 verifiers"); }
    function test_attested_7() public { within(steady(7, 10, true), 29_000, "attested, 7 verifiers"); }
    function test_attested_15() public { within(steady(15, 10, true), 34_000, "attested, 15 verifiers"); }
    function test_attested_31() public { within(steady(31, 10, true), 44_000, "attested, 31 verifiers"); }
}
