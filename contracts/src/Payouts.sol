// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Committees} from "./Committees.sol";
import {Registry} from "./Registry.sol";

/// @title How a settled record's reward is shared out, and how members get it.
abstract contract Payouts is Registry {
    using Committees for Committees.Snapshot;
    using Committees for Committees.Committee;

    uint256 internal constant RECORD = 128;

    /// @dev A stored record, unpacked.
    struct Record {
        bytes32 requestId;
        bytes32 voteDigest;
        address consumer;
        uint256 rewardGwei;
        uint256 counted;
        uint64 snapshotId;
        uint256 tippedSeatPlus1;
        uint256 quorum;
        uint256 proverSeat;
    }

    /// @dev Fees gathered by seat of one committee before they are written; `mask` are the seats of `perSeat`.
    struct Payout {
        Committees.Committee committee;
        uint256[32] seats;
        uint256 mask;
        uint256 perSeat;
        uint256 burned;
    }

    /// @dev Four gwei balances to a slot, by member id. Id 0 is nobody, and holds what was burned.
    mapping(uint256 lane => uint256) private _lanes;

    /// @notice Send members' rewards to their payout addresses. Anyone may.
    function withdrawRewards(uint32[] calldata memberIds) external {
        for (uint256 i; i < memberIds.length; ++i) {
            uint32 id = memberIds[i];
            uint256 amount = rewards(id);
            if (id == 0 || amount == 0) revert NothingToWithdraw();
            _lanes[id >> 2] -= amount << ((id & 3) << 6);
            address payout = _payoutOf(id);
            emit RewardsWithdrawn(id, payout, amount * GWEI);
            _send(payout, amount * GWEI);
        }
    }

    /// @notice What a member can withdraw, in gwei.
    function rewards(uint32 memberId) public view returns (uint64) {
        return uint64(_lanes[memberId >> 2] >> ((memberId & 3) << 6));
    }

    /// @notice What was burned so far, in gwei. It stays here and nobody can take it.
    function burned() external view returns (uint64) {
        return rewards(0);
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
        r.snapshotId = uint64(low >> 192);
        r.tippedSeatPlus1 = (low >> 16) & 0xff;
        r.quorum = (low >> 8) & 0xff;
        r.proverSeat = low & 0xff;
    }

    function _payRecord(Payout memory p, Record memory r) internal {
        if (p.committee.consumer != r.consumer || p.committee.id != r.snapshotId) {
            _flushSeats(p);
            p.committee = _snapshots[r.consumer][r.snapshotId].load(r.consumer, r.snapshotId);
        }
        if (r.counted != p.mask) {
            _spread(p);
            p.mask = r.counted;
        }
        // Nothing here leaves 256 bits: rewards have 64, shares add up to one, and 60 % covers the tip.
        unchecked {
            uint256 reward = r.rewardGwei;
            uint256 verifiers = p.committee.verifierCount(r.proverSeat);
            uint256 left = verifiers - Committees.popcount(r.counted);
            uint256 fee = reward * VERIFIER_BPS / 10_000 / verifiers;
            uint256 proverShare = reward - fee * verifiers;
            if (left != 0) {
                // Leaving verifiers out earns nobody anything: their fees and the bonus for them are burned.
                uint256 bonus = reward * INCLUSION_BPS * left / (10_000 * verifiers);
                p.burned += fee * left + bonus;
                proverShare -= bonus;
            }
            if (r.tippedSeatPlus1 != 0 && r.tippedSeatPlus1 - 1 != r.proverSeat) {
                p.seats[r.tippedSeatPlus1 - 1] += TIP_GWEI;
                proverShare -= TIP_GWEI;
            }
            p.perSeat += fee;
            p.seats[r.proverSeat] += proverShare;
        }
    }

    /// @dev Gives the gathered fee to each seat of the mask: records with equal votes cost one pass.
    function _spread(Payout memory p) private pure {
        uint256 mask = p.mask;
        uint256 fee = p.perSeat;
        uint256[32] memory seats = p.seats;
        assembly ("memory-safe") {
            for { let at := seats } mask { at := add(at, 32) } {
                if and(mask, 1) { mstore(at, add(mload(at), fee)) }
                mask := shr(1, mask)
            }
        }
        p.mask = 0;
        p.perSeat = 0;
    }

    /// @dev Writes the sums of one committee, lane by lane. No lane overflows: see Registry._wholeGwei.
    function _flushSeats(Payout memory p) private {
        Committees.Committee memory k = p.committee;
        uint256[32] memory seats = p.seats;
        uint256 mask = p.mask;
        uint256 fee = p.perSeat;
        uint256 count = k.count;
        uint256 packed = k.seats;
        uint256 lane;
        uint256 sum;
        unchecked {
            for (uint256 i; i < count; ++i) {
                uint256 amount;
                uint256 id;
                assembly ("memory-safe") {
                    let at := add(seats, shl(5, i))
                    amount := add(mload(at), mul(fee, and(shr(i, mask), 1)))
                    mstore(at, 0)
                    id := and(shr(64, mload(packed)), 0xffffffff)
                    packed := add(packed, 26)
                }
                if (amount == 0) continue;
                if (id >> 2 != lane) {
                    if (sum != 0) _lanes[lane] += sum;
                    lane = id >> 2;
                    sum = 0;
                }
                sum += amount << ((id & 3) << 6);
            }
            if (sum != 0) _lanes[lane] += sum;
        }
        (p.mask, p.perSeat) = (0, 0);
    }

    function _flushPayout(Payout memory p) internal {
        _flushSeats(p);
        if (p.burned != 0) _lanes[0] += p.burned;
    }
}
