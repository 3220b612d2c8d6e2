// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Batches} from "./Batches.sol";
import {Committees} from "./Committees.sol";

/// @title How a settled record's reward is shared out, and how members get it.
abstract contract Payouts is Batches {
    using Committees for Committees.Snapshot;
    using Committees for Committees.Committee;

    /// @dev The flags of all four members of a lane's slot.
    uint256 private constant ALL_SLASHED = SLASHED | (SLASHED << 64) | (SLASHED << 128) | (SLASHED << 192);

    /// @dev Fees gathered by seat of one committee before they are written; `mask` are the seats of `perSeat`.
    struct Payout {
        Committees.Committee committee;
        uint256[32] seats;
        uint256 mask;
        uint256 perSeat;
        uint256 burned;
    }

    /// @notice Send members' rewards to their payout addresses. Anyone may.
    function withdrawRewards(uint32[] calldata memberIds) external {
        for (uint256 i; i < memberIds.length; ++i) {
            uint32 id = memberIds[i];
            uint256 amount = _rewardOf(id);
            if (id == 0 || amount == 0) revert NothingToWithdraw();
            _lanes[id >> 2] -= amount << ((id & 3) << 6);
            address payout = _provers[_members[id]].payout;
            emit RewardsWithdrawn(id, payout, amount * GWEI);
            _send(payout, amount * GWEI);
        }
    }

    function _payRecord(Payout memory p, Record memory r) internal {
        if (p.committee.consumer != r.consumer || p.committee.id != r.snapshotId) {
            _flushSeats(p);
            p.committee = _committee(r.consumer, r.snapshotId);
        }
        uint256 paid = r.counted & ~r.forfeited;
        if (paid != p.mask) {
            _spread(p);
            p.mask = paid;
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
            if (paid != r.counted) p.burned += fee * Committees.popcount(r.counted & r.forfeited);
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

    /// @dev Writes the sums of one committee, lane by lane. No lane overflows: see Consumers._wholeGwei.
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
                    _credit(p, lane, sum);
                    lane = id >> 2;
                    sum = 0;
                }
                sum += amount << ((id & 3) << 6);
            }
            _credit(p, lane, sum);
        }
        (p.mask, p.perSeat) = (0, 0);
    }

    /// @dev Adds up to four members' sums to their lanes; what belongs to a slashed one is burned instead.
    function _credit(Payout memory p, uint256 lane, uint256 sum) private {
        if (sum == 0) return;
        uint256 word = _lanes[lane];
        uint256 flags = word & ALL_SLASHED;
        unchecked {
            if (flags != 0) {
                for (uint256 i; i < 4; ++i) {
                    if ((flags >> (i << 6)) & SLASHED == 0) continue;
                    uint256 lost = uint64(sum >> (i << 6));
                    if (lost == 0) continue;
                    sum -= lost << (i << 6);
                    p.burned += lost;
                    emit RewardForfeited(uint32((lane << 2) + i), uint64(lost));
                }
            }
            _lanes[lane] = word + sum;
        }
    }

    function _flushPayout(Payout memory p) internal {
        _flushSeats(p);
        if (p.burned != 0) _lanes[0] += p.burned;
    }
}
