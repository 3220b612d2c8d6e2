// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Committees} from "./Committees.sol";
import {Terms} from "./Terms.sol";

/// @title The storage that GpnSettlement and GpnRegistry share, and what both do with it.
/// @dev The registry's code runs upon the settlement's storage (see GpnSettlement.fallback), so every variable
/// of either stands here and nowhere else.
abstract contract State is Terms {
    using Committees for Committees.Snapshot;

    uint256 internal constant GWEI = 1e9;
    /// @dev Set in the lane of a slashed member: whatever a payout would add to it is burned. Balances have the
    /// other 63 bits, so a payout, which reads the lane anyway, learns of it for nothing.
    uint256 internal constant SLASHED = 1 << 63;

    /// @dev Balance and used nonces in one slot: a settlement's debit and its replay guard are one write.
    struct Account {
        uint64 balanceGwei;
        uint64 nonceBase;
        uint128 nonceWindow;
    }

    /// @dev `imageVersion` outdates the commitments to an older image without touching them.
    struct Consumer {
        uint64 exitAt;
        uint64 snapshotId;
        uint32 imageVersion;
        uint32 listIndex;
        bytes32 digest;
        string image;
    }

    struct Retirement {
        uint64 newBase;
        uint64 effectiveAt;
    }

    struct Prover {
        uint96 stake;
        uint40 unbondAt;
        uint32 memberId;
        uint32 listIndex;
        uint16 commitments;
        address payout;
    }

    /// @dev Why a member cannot commit to a consumer; void once the consumer has another image.
    struct Suspension {
        uint40 until;
        uint32 imageVersion;
    }

    struct Commitment {
        uint40 expiresAt;
        uint32 imageVersion;
        uint8 roles;
        uint8 indexPlus1;
    }

    /// @dev Another prover's proof beside a settled record.
    struct Challenger {
        bytes32 voteDigest;
        uint32 counted;
        uint8 seat;
    }

    mapping(address consumer => Account) internal _accounts;
    mapping(address consumer => Consumer) internal _consumers;
    mapping(address consumer => Retirement) internal _retirements;
    mapping(address consumer => mapping(uint64 id => Committees.Snapshot)) internal _snapshots;
    mapping(address consumer => address[]) internal _candidates;
    mapping(address consumer => mapping(address prover => Commitment)) internal _commitments;
    mapping(address consumer => mapping(address prover => Suspension)) internal _suspensions;
    mapping(address consumer => mapping(uint64 nonce => bool)) internal _punished;
    mapping(address prover => Prover) internal _provers;
    address[] internal _consumerList;
    address[] internal _proverList;
    /// @dev Index 0 is nobody: an id belongs to one address for ever, so a newcomer never inherits rewards.
    address[] internal _members;
    /// @dev Four gwei balances to a slot, by member id. Id 0 is nobody, and holds what was burned.
    mapping(uint256 lane => uint256) internal _lanes;
    /// @dev The preimage's hash; its lowest byte holds the flags of Batches.
    mapping(bytes32 key => uint256) internal _batches;
    mapping(bytes32 key => mapping(uint256 group => uint256)) internal _extensions; // 8 seat bitmaps to a slot
    mapping(bytes32 key => mapping(uint256 group => uint256)) internal _forfeits; // likewise
    mapping(bytes32 key => mapping(uint256 index => Challenger)) internal _challengers;

    constructor(Params memory p) Terms(p) {
        _members.push();
    }

    /// @dev The lane of a member without its flag, in gwei.
    function _rewardOf(uint32 memberId) internal view returns (uint64) {
        return uint64(_lane(memberId) & (SLASHED - 1));
    }

    function _isSlashed(uint32 memberId) internal view returns (bool) {
        return _lane(memberId) & SLASHED != 0;
    }

    function _lane(uint32 memberId) private view returns (uint256) {
        return uint64(_lanes[memberId >> 2] >> ((memberId & 3) << 6));
    }

    /// @dev Moves the window past the nonces used without a gap.
    function _advance(Account memory a) internal pure {
        unchecked {
            while (a.nonceWindow & 1 != 0) {
                a.nonceWindow >>= 1;
                ++a.nonceBase;
            }
        }
    }

    function _committee(address consumer_, uint64 id) internal view returns (Committees.Committee memory) {
        return _snapshots[consumer_][id].load(consumer_, id);
    }

    function _send(address to, uint256 amount) internal {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert PaymentFailed();
    }
}
