// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {GpnRegistry} from "../src/GpnRegistry.sol";
import {GpnSettlement} from "../src/GpnSettlement.sol";
import {IGpnSettlement} from "../src/IGpnSettlement.sol";

/// The part of forge's cheat codes that these tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 time) external;
    function chainId(uint256 id) external;
    function deal(address who, uint256 balance) external;
    function prank(address sender) external;
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function assume(bool condition) external pure;
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function lastCallGas() external view returns (Gas memory);
}

/// A deployment with a consumer and operators, and everything they sign. Operator i has seat i, member id i + 1.
abstract contract Base {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    uint256 internal constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 internal constant CONSUMER_KEY = 0xC0;
    uint256 internal constant OPERATOR_KEY = 0x1000;
    bytes32 internal constant DIGEST = keccak256("image");
    uint64 internal constant REWARD = 1_000_003;
    uint8 internal constant BOTH = 3;

    GpnSettlement internal gpn;
    /// The same contract, by the functions that it leaves to its registry.
    GpnRegistry internal reg;
    address internal consumer;
    uint64 internal nextNonce;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        deploy(defaults());
        consumer = vm.addr(CONSUMER_KEY);
        vm.deal(consumer, 100 ether);
        vm.prank(consumer);
        reg.registerConsumer{value: 10 ether}("example/image:1", DIGEST);
    }

    function deploy(IGpnSettlement.Params memory p) internal {
        gpn = new GpnSettlement(p);
        reg = GpnRegistry(address(gpn));
    }

    function defaults() internal pure returns (IGpnSettlement.Params memory) {
        return IGpnSettlement.Params({
            window: 24 hours,
            settleGrace: 2 days,
            maxLifetime: 1 days,
            unbond: 5 days,
            settleDelay: 10 minutes,
            minStake: 0.5 ether,
            minRewardGwei: 1000,
            tipGwei: 500,
            proverBps: 6000,
            inclusionBps: 2000,
            verifierBps: 2000
        });
    }

    // Actors ----------------------------------------------------------------------------------------------

    function operator(uint256 i) internal pure returns (address) {
        return vm.addr(OPERATOR_KEY + i);
    }

    function payoutOf(uint256 i) internal pure returns (address) {
        return address(uint160(0xFA00 + i));
    }

    function enlist(uint256 i, uint256 stake) internal {
        vm.deal(operator(i), operator(i).balance + stake);
        vm.prank(operator(i));
        reg.registerProver{value: stake}(payoutOf(i));
    }

    function join(uint256 i, uint8 roles) internal {
        vm.prank(operator(i));
        reg.commit(consumer, DIGEST, roles);
    }

    function formCommittee(uint256 size) internal returns (uint64) {
        for (uint256 i; i < size; ++i) {
            enlist(i, 1 ether);
            join(i, BOTH);
        }
        return reg.takeSnapshot(consumer);
    }

    // Requests and signatures -----------------------------------------------------------------------------

    function request(uint8 quorum) internal returns (IGpnSettlement.RequestData memory r) {
        r.consumer = consumer;
        r.nonce = nextNonce++;
        r.rewardGwei = REWARD;
        r.deadline = uint64(block.timestamp + 1 hours);
        r.quorum = quorum;
        r.snapshotId = reg.consumer(consumer).snapshotId;
        r.payloadHash = keccak256("payload");
        r.detailsHash = keccak256("details");
    }

    function compact(uint256 key, bytes32 digest) internal pure returns (bytes32 r, bytes32 vs) {
        (uint8 v, bytes32 r_, bytes32 s) = vm.sign(key, digest);
        return (r_, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function packedVote(uint256 seat, bytes32 digest) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 vs) = compact(OPERATOR_KEY + seat, digest);
        return abi.encodePacked(uint8(seat), r, vs);
    }

    function packedVotes(uint256 seats, bytes32 digest) internal pure returns (bytes memory packed) {
        for (uint256 i; seats >> i != 0; ++i) {
            if ((seats >> i) & 1 != 0) packed = bytes.concat(packed, packedVote(i, digest));
        }
    }

    function voteDigest(IGpnSettlement.Entry memory e) internal view returns (bytes32) {
        return reg.voteDigest(
            reg.requestDigest(e.request), operator(e.proverSeat), e.proofHash, e.attempt, true
        );
    }

    /// An entry without votes, signed by the consumer.
    function signed(IGpnSettlement.RequestData memory r, uint8 proverSeat)
        internal
        view
        returns (IGpnSettlement.Entry memory e)
    {
        e.request = r;
        (e.consumerR, e.consumerVS) = compact(CONSUMER_KEY, reg.requestDigest(r));
        e.proofHash = keccak256(abi.encode("proof", r.nonce));
        e.attempt = 1;
        e.proverSeat = proverSeat;
    }

    /// An entry with the votes of a bitmap of seats.
    function entry(IGpnSettlement.RequestData memory r, uint8 proverSeat, uint256 seats)
        internal
        view
        returns (IGpnSettlement.Entry memory e)
    {
        e = signed(r, proverSeat);
        e.votes = packedVotes(seats, voteDigest(e));
    }

    function batchVoteDigest(IGpnSettlement.Entry[] memory entries) internal view returns (bytes32) {
        bytes32[] memory digests = new bytes32[](entries.length);
        for (uint256 i; i < entries.length; ++i) digests[i] = voteDigest(entries[i]);
        return reg.batchVoteDigest(digests);
    }

    // Settling --------------------------------------------------------------------------------------------

    function none() internal pure returns (IGpnSettlement.Batch memory) {
        return IGpnSettlement.Batch(0, "");
    }

    function one(IGpnSettlement.Entry memory e) internal pure returns (IGpnSettlement.Entry[] memory list) {
        list = new IGpnSettlement.Entry[](1);
        list[0] = e;
    }

    function two(IGpnSettlement.Entry memory a, IGpnSettlement.Entry memory b)
        internal
        pure
        returns (IGpnSettlement.Entry[] memory list)
    {
        list = new IGpnSettlement.Entry[](2);
        (list[0], list[1]) = (a, b);
    }

    /// Settles by `submitter` under a slot and gives back the batch as its event carried it.
    function settleBy(address submitter, bytes32 slot, IGpnSettlement.Entry[] memory entries)
        internal
        returns (bytes32 key, IGpnSettlement.Batch memory batch)
    {
        vm.recordLogs();
        vm.prank(submitter);
        gpn.settle(slot, none(), entries);
        return (reg.keyOf(submitter, slot), settledBatch());
    }

    function settledBatch() internal returns (IGpnSettlement.Batch memory batch) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == IGpnSettlement.Settled.selector) {
                (batch.finalizeAt, batch.records) = abi.decode(logs[i].data, (uint64, bytes));
                return batch;
            }
        }
        revert("no Settled event");
    }

    function finalizeOne(bytes32 key, IGpnSettlement.Batch memory batch) internal {
        (bytes32[] memory keys, IGpnSettlement.Batch[] memory batches) = asLists(key, batch);
        gpn.finalize(keys, batches);
    }

    function asLists(bytes32 key, IGpnSettlement.Batch memory batch)
        internal
        pure
        returns (bytes32[] memory keys, IGpnSettlement.Batch[] memory batches)
    {
        keys = new bytes32[](1);
        batches = new IGpnSettlement.Batch[](1);
        (keys[0], batches[0]) = (key, batch);
    }

    function ids(uint32 a) internal pure returns (uint32[] memory list) {
        list = new uint32[](1);
        list[0] = a;
    }

    /// The call must settle nothing, for this reason.
    function expectNothing(bytes4 reason) internal {
        vm.expectRevert(abi.encodeWithSelector(IGpnSettlement.NothingSettled.selector, reason));
    }

    function refused(address submitter, IGpnSettlement.Entry memory e, bytes4 reason) internal {
        IGpnSettlement.Batch memory empty = none();
        IGpnSettlement.Entry[] memory list = one(e);
        expectNothing(reason);
        vm.prank(submitter);
        gpn.settle("refused", empty, list);
    }

    function extendOne(bytes32 key, IGpnSettlement.Batch memory batch, uint256 index, bytes memory votes) internal {
        uint256[] memory indexes = new uint256[](1);
        bytes[] memory lists = new bytes[](1);
        (indexes[0], lists[0]) = (index, votes);
        gpn.extend(key, batch, indexes, lists);
    }

    // Checks ----------------------------------------------------------------------------------------------

    function eq(uint256 got, uint256 want, string memory what) internal pure {
        if (got != want) revert(string.concat(what, ": ", text(got), " instead of ", text(want)));
    }

    function check(bool good, string memory what) internal pure {
        if (!good) revert(what);
    }

    function text(uint256 x) internal pure returns (string memory) {
        if (x == 0) return "0";
        bytes memory digits;
        for (; x != 0; x /= 10) digits = bytes.concat(bytes1(uint8(48 + x % 10)), digits);
        return string(digits);
    }

    function count(uint256 bitmap) internal pure returns (uint256 n) {
        for (; bitmap != 0; bitmap &= bitmap - 1) ++n;
    }
}
