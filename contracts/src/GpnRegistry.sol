// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Faults} from "./Faults.sol";
import {State} from "./State.sol";

/// @title Everything of the settlement contract that is not settling: registration, committees, faults, views.
/// @notice Call it at GpnSettlement's address, which creates it and runs its code upon its own storage. At its
/// own address it is empty, holds nothing and takes no money.
contract GpnRegistry is Faults {
    constructor(Params memory p) State(p) {}

    /// @notice The deployment's parameters.
    function params() external view returns (Params memory) {
        return Params({
            window: WINDOW,
            settleGrace: SETTLE_GRACE,
            maxLifetime: MAX_LIFETIME,
            unbond: UNBOND,
            settleDelay: SETTLE_DELAY,
            minStake: MIN_STAKE,
            minRewardGwei: MIN_REWARD_GWEI,
            tipGwei: TIP_GWEI,
            proverBps: PROVER_BPS,
            inclusionBps: INCLUSION_BPS,
            verifierBps: VERIFIER_BPS
        });
    }

    /// @notice What a member can withdraw, in gwei.
    function rewards(uint32 memberId) external view returns (uint64) {
        return _rewardOf(memberId);
    }

    /// @notice What was burned so far, in gwei. It stays here and nobody can take it.
    function burned() external view returns (uint64) {
        return _rewardOf(0);
    }

    /// @notice The key of a caller's batch.
    function keyOf(address submitter, bytes32 slot) external pure returns (bytes32) {
        return _keyOf(submitter, slot);
    }

    /// @notice Whether a batch waits under the key, and whether votes or challengers were added to it.
    function batchState(bytes32 key) external view returns (bool isOpen, bool extended, bool challenged) {
        uint256 state = _batches[key];
        return (state & OPEN != 0, state & EXTENDED != 0, state & CHALLENGED != 0);
    }

    /// @notice The request id: the digest that the consumer signs.
    function requestDigest(RequestData calldata request) external view returns (bytes32) {
        return _requestDigest(DOMAIN_SEPARATOR(), request);
    }

    /// @notice The digest that a verifier signs.
    function voteDigest(bytes32 requestId, address prover_, bytes32 proofHash, uint8 attempt, bool valid)
        external
        view
        returns (bytes32)
    {
        return _voteDigest(DOMAIN_SEPARATOR(), requestId, prover_, proofHash, attempt, valid);
    }

    /// @notice The digest under one signature for an ordered list of votes.
    function batchVoteDigest(bytes32[] memory votes) external view returns (bytes32) {
        return _batchVoteDigest(DOMAIN_SEPARATOR(), votes);
    }
}
