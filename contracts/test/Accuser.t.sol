// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {Base} from "./Base.t.sol";

/// What is needed to accuse somebody: signed opinions, announcements, and votes against a proof.
abstract contract Accuser is Base {
    address internal constant REPORTER = address(0x4E904E);
    bytes32 internal constant ANNOUNCEMENT = keccak256(
        "Announcement(bytes32 requestId,address prover,uint8 attempt,bytes32 proofHash,uint64 size,bytes32 seed)"
    );

    function vote(bytes32 requestId, uint256 prover, bytes32 proofHash, uint8 attempt, bool valid)
        internal
        view
        returns (bytes32)
    {
        return reg.voteDigest(requestId, operator(prover), proofHash, attempt, valid);
    }

    /// The opinion of an operator as a vote by itself.
    function opinion(uint256 who, bytes32 requestId, uint256 prover, bytes32 proofHash, uint8 attempt, bool valid)
        internal
        view
        returns (IGpnSettlement.Opinion memory o)
    {
        o.attempt = attempt;
        (o.r, o.vs) = compact(OPERATOR_KEY + who, vote(requestId, prover, proofHash, attempt, valid));
    }

    /// The same as the second entry of a batch of three.
    function opened(uint256 who, bytes32 requestId, uint256 prover, bytes32 proofHash, uint8 attempt, bool valid)
        internal
        view
        returns (IGpnSettlement.Opinion memory o)
    {
        o.attempt = attempt;
        o.batch = new bytes32[](3);
        o.batch[0] = keccak256("another vote");
        o.batch[1] = vote(requestId, prover, proofHash, attempt, valid);
        o.batch[2] = keccak256("a third one");
        o.index = 1;
        (o.r, o.vs) = compact(OPERATOR_KEY + who, reg.batchVoteDigest(o.batch));
    }

    function announced(uint256 who, bytes32 requestId, bytes32 proofHash)
        internal
        view
        returns (IGpnSettlement.Announced memory a)
    {
        (a.attempt, a.proofHash, a.size, a.seed) = (1, proofHash, 192, "seed");
        bytes32 structHash = keccak256(
            abi.encode(ANNOUNCEMENT, requestId, operator(who), a.attempt, proofHash, a.size, a.seed)
        );
        (a.r, a.vs) = compact(
            OPERATOR_KEY + who, keccak256(abi.encodePacked(hex"1901", gpn.DOMAIN_SEPARATOR(), structHash))
        );
    }

    /// The votes of a bitmap of seats against the proof of a seat.
    function refuted(bytes32 requestId, uint8 prover, bytes32 proofHash, uint256 seats)
        internal
        view
        returns (IGpnSettlement.Refuted memory f)
    {
        (f.proverSeat, f.attempt, f.proofHash) = (prover, 1, proofHash);
        f.votes = packedVotes(seats, vote(requestId, prover, proofHash, 1, false));
    }

    function signedRequest(IGpnSettlement.RequestData memory r)
        internal
        view
        returns (IGpnSettlement.SignedRequest memory s)
    {
        s.request = r;
        (s.r, s.vs) = compact(CONSUMER_KEY, reg.requestDigest(r));
    }

    /// Takes the stake of an operator by two opinions of its own on a proof that nobody else saw.
    function slash(uint256 who) internal {
        bytes32 id = keccak256("a request");
        IGpnSettlement.Opinion memory yes = opinion(who, id, 99, "p", 1, true);
        IGpnSettlement.Opinion memory no = opinion(who, id, 99, "p", 2, false);
        vm.prank(REPORTER);
        reg.slashEquivocation(operator(who), id, operator(99), "p", yes, no);
    }
}
