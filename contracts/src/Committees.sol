// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "./IGpnSettlement.sol";

/// @title Committee snapshots kept as contract code, so that a settlement reads a whole committee at once.
/// @dev The code is 00 | image digest 32 | seats, 26 bytes each: address 20, member id 4, roles 1, weight 1.
/// The leading zero byte keeps anyone from calling it.
library Committees {
    uint256 internal constant SEAT = 26;
    uint256 internal constant MAX_SEATS = 32;
    uint8 internal constant PROVE = 1;
    uint8 internal constant VERIFY = 2;

    /// @dev One storage slot. `verifiers` is a bitmap of the seats with the VERIFY role.
    struct Snapshot {
        address code;
        uint32 verifiers;
        uint40 endedAt;
        uint8 count;
    }

    /// @dev A snapshot in memory; `seats` points at its packed seats.
    struct Committee {
        address consumer;
        uint64 id;
        uint256 seats;
        uint256 count;
        uint256 verifiers;
        uint256 endedAt;
    }

    /// @dev Writes digest and packed seats as code; ptr is 0 when that failed.
    function write(bytes32 digest, bytes memory seats) internal returns (address ptr) {
        // PUSH2 size, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: returns what follows it.
        bytes memory init = abi.encodePacked(
            hex"61", uint16(33 + seats.length), hex"80600a3d393df3", hex"00", digest, seats
        );
        assembly ("memory-safe") {
            ptr := create(0, add(init, 32), mload(init))
        }
    }

    /// @dev What the code's hash is when it holds this digest and these seats.
    function codeHash(bytes32 digest, bytes memory seats) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"00", digest, seats));
    }

    /// @dev Loads the seats; a committee of 0 seats when there is no such snapshot.
    function load(Snapshot storage stored, address consumer, uint64 id)
        internal
        view
        returns (Committee memory committee)
    {
        Snapshot memory s = stored;
        committee.consumer = consumer;
        committee.id = id;
        committee.count = s.count;
        committee.verifiers = s.verifiers;
        committee.endedAt = s.endedAt;
        address code = s.code;
        uint256 size = uint256(s.count) * SEAT;
        uint256 seats;
        assembly ("memory-safe") {
            seats := mload(0x40)
            // One word more than needed: reading the last seat as a word stays inside.
            mstore(0x40, and(add(add(seats, size), 95), not(31)))
            extcodecopy(code, seats, 33, size)
        }
        committee.seats = seats;
    }

    function imageDigest(Snapshot storage stored) internal view returns (bytes32 digest) {
        address code = stored.code;
        assembly ("memory-safe") {
            extcodecopy(code, 0, 1, 32)
            digest := mload(0)
        }
    }

    /// @dev A seat's packed word; the seat must exist.
    function seatWord(Committee memory committee, uint256 seat) internal pure returns (uint256 word) {
        unchecked {
            uint256 at = committee.seats + seat * SEAT;
            assembly ("memory-safe") {
                word := mload(at)
            }
        }
    }

    function member(Committee memory committee, uint256 seat) internal pure returns (address) {
        return address(uint160(seatWord(committee, seat) >> 96));
    }

    function memberId(Committee memory committee, uint256 seat) internal pure returns (uint256) {
        return (seatWord(committee, seat) >> 64) & type(uint32).max;
    }

    function roles(Committee memory committee, uint256 seat) internal pure returns (uint8) {
        return uint8(seatWord(committee, seat) >> 56);
    }

    function weight(Committee memory committee, uint256 seat) internal pure returns (uint8) {
        return uint8(seatWord(committee, seat) >> 48);
    }

    function canProve(Committee memory committee, uint256 seat) internal pure returns (bool) {
        return seat < committee.count && roles(committee, seat) & PROVE != 0;
    }

    /// @dev V as a bitmap of seats, when the one at `proverSeat` proves.
    function verifiersWithout(Committee memory committee, uint256 proverSeat) internal pure returns (uint256) {
        return committee.verifiers & ~(uint256(1) << proverSeat);
    }

    /// @dev The seat of an address, or the number of seats when it has none.
    function seatOf(Committee memory committee, address who) internal pure returns (uint256 seat) {
        unchecked {
            while (seat < committee.count && member(committee, seat) != who) ++seat;
        }
    }

    /// @dev |V|: how many seats may verify when the one at `proverSeat` proves.
    function verifierCount(Committee memory committee, uint256 proverSeat) internal pure returns (uint256) {
        return popcount(verifiersWithout(committee, proverSeat));
    }

    /// @dev The number of set bits among the lowest 32.
    function popcount(uint256 x) internal pure returns (uint256) {
        unchecked {
            x -= (x >> 1) & 0x55555555;
            x = (x & 0x33333333) + ((x >> 2) & 0x33333333);
            x = (x + (x >> 4)) & 0x0f0f0f0f;
            return ((x * 0x01010101) & 0xffffffff) >> 24;
        }
    }
}
