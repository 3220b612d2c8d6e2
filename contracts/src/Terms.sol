// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "./IGpnSettlement.sol";

/// @title What a deployment fixes for ever: durations, minima and shares that fit together.
abstract contract Terms is IGpnSettlement {
    uint64 internal immutable WINDOW;
    uint64 internal immutable SETTLE_GRACE;
    uint64 internal immutable MAX_LIFETIME;
    uint64 internal immutable UNBOND;
    uint64 internal immutable SETTLE_DELAY;
    uint96 internal immutable MIN_STAKE;
    uint64 internal immutable MIN_REWARD_GWEI;
    uint64 internal immutable TIP_GWEI;
    uint16 internal immutable PROVER_BPS;
    uint16 internal immutable INCLUSION_BPS;
    uint16 internal immutable VERIFIER_BPS;

    constructor(Params memory p) {
        uint256 busy = uint256(p.maxLifetime) + p.settleGrace + p.window;
        uint256 proverShare = uint256(p.minRewardGwei) * p.proverBps / 10_000;
        // Stake outlives everything that its owner may still answer for; the tip fits into every prover's share.
        if (
            p.window == 0 || p.maxLifetime == 0 || p.unbond <= busy || p.unbond > 3650 days
                || p.settleDelay > p.settleGrace || p.minStake == 0 || p.minRewardGwei == 0
                || p.tipGwei > proverShare
                || uint256(p.proverBps) + p.inclusionBps + p.verifierBps != 10_000
        ) revert BadParams();
        WINDOW = p.window;
        SETTLE_GRACE = p.settleGrace;
        MAX_LIFETIME = p.maxLifetime;
        UNBOND = p.unbond;
        SETTLE_DELAY = p.settleDelay;
        MIN_STAKE = p.minStake;
        MIN_REWARD_GWEI = p.minRewardGwei;
        TIP_GWEI = p.tipGwei;
        PROVER_BPS = p.proverBps;
        INCLUSION_BPS = p.inclusionBps;
        VERIFIER_BPS = p.verifierBps;
    }
}
