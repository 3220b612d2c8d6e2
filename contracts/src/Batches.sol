// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {State} from "./State.sol";

/// @title Settled batches as they are kept: one hash and its flags, with the records coming back as calldata.
abstract contract Batches is State {
    // Lowest byte of a batch's slot; the rest is the preimage's hash.
    uint256 internal constant USED = 1;
    uint256 internal constant OPEN = 2;
    uint256 internal constant EXTENDED = 4;
    uint256 internal constant CHALLENGED = 8;
    uint256 internal constant FORFEITED = 16;

    uint256 internal constant RECORD = 128;

    /// @dev A stored record, unpacked.
    struct Record {
        bytes32 requestId;
        bytes32 voteDigest;
        address consumer;
        uint256 rewardGwei;
        uint256 counted;
        uint256 forfeited;
        uint64 snapshotId;
        uint256 tippedSeatPlus1;
        uint256 quorum;
        uint256 proverSeat;
    }

    /// @dev The preimage's hash with its lowest byte free for the state.
    function _hash(uint64 finalizeAt, bytes memory records) internal pure returns (uint256) {
        return uint256(keccak256(abi.encodePacked(finalizeAt, records))) & ~uint256(0xff);
    }

    function _match(bytes32 key, Batch calldata given) internal view returns (uint256 state, bytes memory records) {
        state = _batches[key];
        records = given.records;
        if (state & OPEN == 0 || state & ~uint256(0xff) != _hash(given.finalizeAt, records)) {
            revert BatchMismatch();
        }
    }

    function _openBatch(bytes32 key, Batch calldata given) internal view returns (bytes memory records) {
        (, records) = _match(key, given);
        if (block.timestamp >= given.finalizeAt) revert WindowClosed();
    }

    /// @dev The key of a caller's batch.
    function _keyOf(address submitter, bytes32 slot) internal pure returns (bytes32) {
        return keccak256(abi.encode(submitter, slot));
    }

    function _record(bytes memory records, uint256 index) internal pure returns (Record memory r) {
        if (index >= records.length / RECORD) revert BadIndex();
        _read(r, records, index);
    }

    /// @dev Unpacks a record that exists into `r`.
    function _read(Record memory r, bytes memory records, uint256 index) internal pure {
        uint256 high;
        uint256 low;
        assembly ("memory-safe") {
            let p := add(add(records, 32), shl(7, index))
            mcopy(r, p, 64)
            high := mload(add(p, 64))
            low := mload(add(p, 96))
        }
        r.consumer = address(uint160(high >> 96));
        r.rewardGwei = (high >> 32) & type(uint64).max;
        r.counted = high & type(uint32).max;
        r.forfeited = 0;
        r.snapshotId = uint64(low >> 192);
        r.tippedSeatPlus1 = (low >> 16) & 0xff;
        r.quorum = (low >> 8) & 0xff;
        r.proverSeat = low & 0xff;
    }
}
