// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Batches} from "./Batches.sol";
import {Committees} from "./Committees.sol";
import {Operators} from "./Operators.sol";
import {Signatures} from "./Signatures.sol";

/// @title What it costs to say two things, or something that the others refute.
/// @notice Only a contradiction that somebody signed costs stake. A proof that more than two thirds of the
/// verifiers voted down costs the seat of its prover, and of whoever signed that it was valid, but no stake:
/// the image is the consumer's code, and could have been made to lie. Anybody may bring the evidence.
abstract contract Faults is Operators, Batches, Signatures {
    using Committees for Committees.Committee;

    /// @notice The reporter's part of what is taken. Small, so that reporting oneself saves nothing worth having.
    uint256 public constant REPORTER_BPS = 500;
    /// @notice What two requests on one nonce cost the consumer, in multiples of both rewards together: whoever
    /// had two proofs made for the price of one pays for four.
    uint256 public constant DOUBLE_REQUEST_FACTOR = 2;
    /// @notice How long a suspended member cannot commit again for the same image.
    uint64 public constant SUSPENSION = 30 days;

    /// @notice Take the stake of a member that signed opposite opinions on one proof, alone or in a batch.
    /// @param yes its opinion that the proof is valid
    /// @param no its opinion that it is not; both may have been given in different attempts
    function slashEquivocation(
        address member,
        bytes32 requestId,
        address prover_,
        bytes32 proofHash,
        Opinion calldata yes,
        Opinion calldata no
    ) external {
        bytes32 domain = DOMAIN_SEPARATOR();
        _checkOpinion(domain, member, _voteDigest(domain, requestId, prover_, proofHash, yes.attempt, true), yes);
        _checkOpinion(domain, member, _voteDigest(domain, requestId, prover_, proofHash, no.attempt, false), no);
        _slash(member);
    }

    /// @notice Take the stake of a prover that announced two proofs of one request.
    function slashDoubleAnnouncement(
        address prover_,
        bytes32 requestId,
        Announced calldata first,
        Announced calldata second
    ) external {
        if (first.proofHash == second.proofHash) revert BadEvidence();
        _checkAnnouncement(prover_, requestId, first);
        _checkAnnouncement(prover_, requestId, second);
        _slash(prover_);
    }

    /// @notice Take a penalty from a consumer that signed two requests on one nonce; once for each nonce.
    /// @dev Not the whole deposit: that would hit those whose proofs are not settled yet.
    function slashDoubleRequest(SignedRequest calldata first, SignedRequest calldata second) external {
        RequestData calldata a = first.request;
        RequestData calldata b = second.request;
        bytes32 domain = DOMAIN_SEPARATOR();
        (bytes32 idA, bytes32 idB) = (_requestDigest(domain, a), _requestDigest(domain, b));
        if (
            a.consumer != b.consumer || a.nonce != b.nonce || idA == idB
                || _recover(idA, first.r, first.vs) != a.consumer
                || _recover(idB, second.r, second.vs) != a.consumer
        ) revert BadEvidence();
        if (_punished[a.consumer][a.nonce]) revert AlreadyPunished();
        uint256 penalty = DOUBLE_REQUEST_FACTOR * (uint256(a.rewardGwei) + b.rewardGwei);
        uint64 balance = _accounts[a.consumer].balanceGwei;
        if (penalty > balance) penalty = balance;
        if (penalty == 0) revert InsufficientBalance();
        _punished[a.consumer][a.nonce] = true;
        _accounts[a.consumer].balanceGwei = balance - uint64(penalty);
        uint256 share = penalty * REPORTER_BPS / 10_000;
        _lanes[0] += penalty - share;
        emit ConsumerSlashed(a.consumer, msg.sender, a.nonce, uint64(penalty - share), uint64(share));
        _send(msg.sender, share * GWEI);
    }

    /// @notice Take the seat of a prover whose announced proof more than two thirds of V voted down.
    function suspend(RequestData calldata request, Refuted calldata refuted, Announced calldata announced)
        external
    {
        (bytes32 requestId, Committees.Committee memory k) = _evidenceFor(request);
        _checkRefuted(requestId, k, refuted);
        if (announced.proofHash != refuted.proofHash) revert BadEvidence();
        address prover_ = k.member(refuted.proverSeat);
        _checkAnnouncement(prover_, requestId, announced);
        _suspend(request.consumer, prover_, requestId);
    }

    /// @notice Take the seat of a verifier that signed `valid` for a proof that more than two thirds of V voted
    /// down: it did not run the check, or its machine cannot.
    function suspendSigner(
        RequestData calldata request,
        Refuted calldata refuted,
        uint8 seat,
        Opinion calldata yes
    ) external {
        (bytes32 requestId, Committees.Committee memory k) = _evidenceFor(request);
        _checkRefuted(requestId, k, refuted);
        address member = _checkSigner(requestId, k, refuted, seat, yes);
        _suspend(request.consumer, member, requestId);
    }

    /// @notice Lift a suspension from the caller's own committee: the seat was lost over a false proof that the
    /// consumer had asked for, to see who checks (a canary). The member commits again to sit again.
    function pardon(address member) external {
        if (suspendedUntil(msg.sender, member) <= block.timestamp) revert NotSuspended();
        delete _suspensions[msg.sender][member];
        emit Pardoned(msg.sender, member);
    }

    /// @notice Burn the fee of a verifier in a record of a batch that is not paid yet, since it also signed
    /// `valid` for a proof of the same request that more than two thirds of V voted down.
    /// @dev Its vote keeps counting for the record: nothing that others rely on moves inside the window.
    function forfeitFee(
        bytes32 key,
        Batch calldata batch,
        uint256 index,
        Refuted calldata refuted,
        uint8 seat,
        Opinion calldata yes
    ) external {
        (, bytes memory records) = _match(key, batch);
        Record memory r = _record(records, index);
        Committees.Committee memory k = _committee(r.consumer, r.snapshotId);
        _checkRefuted(r.requestId, k, refuted);
        _checkSigner(r.requestId, k, refuted, seat, yes);
        uint256 bit = uint256(1) << (((index & 7) << 5) + seat);
        uint256 eight = _forfeits[key][index >> 3];
        if (eight & bit != 0) revert AlreadyPunished();
        _forfeits[key][index >> 3] = eight | bit;
        _batches[key] |= FORFEITED;
        emit FeeForfeited(key, index, seat);
    }

    /// @notice Take the commitment of a slashed member, and with it a seat that is in force.
    function evict(address consumer_, address member) external {
        if (_commitments[consumer_][member].indexPlus1 == 0) revert NotCommitted();
        if (_provers[member].stake != 0) revert NotSlashed();
        _drop(consumer_, member);
        _reseat(consumer_, member);
    }

    // -------------------------------------------------------------------------------------------- internal

    function _checkOpinion(bytes32 domain, address member, bytes32 digest, Opinion calldata o) private pure {
        if (o.batch.length != 0) {
            if (o.index >= o.batch.length || o.batch[o.index] != digest) revert BadEvidence();
            digest = _batchVoteDigest(domain, o.batch);
        }
        if (member == address(0) || _recover(digest, o.r, o.vs) != member) revert BadEvidence();
    }

    function _checkAnnouncement(address prover_, bytes32 requestId, Announced calldata a) private view {
        bytes32 digest = _typed(
            DOMAIN_SEPARATOR(),
            keccak256(abi.encode(ANNOUNCEMENT_TYPE, requestId, prover_, a.attempt, a.proofHash, a.size, a.seed))
        );
        if (prover_ == address(0) || _recover(digest, a.r, a.vs) != prover_) revert BadEvidence();
    }

    /// @dev The request's id and committee. Old evidence, and evidence about another image, takes no seat: each
    /// request counts for a time that its suspension outlasts, so none can be used twice.
    function _evidenceFor(RequestData calldata r)
        private
        view
        returns (bytes32 requestId, Committees.Committee memory k)
    {
        if (block.timestamp > uint256(r.deadline) + SETTLE_GRACE) revert RequestExpired();
        if (r.deadline > block.timestamp + MAX_LIFETIME) revert DeadlineTooFar();
        k = _committee(r.consumer, r.snapshotId);
        if (k.count == 0) revert UnknownSnapshot();
        if (Committees.imageDigest(_snapshots[r.consumer][r.snapshotId]) != _consumers[r.consumer].digest) {
            revert DigestMismatch();
        }
        requestId = _requestDigest(DOMAIN_SEPARATOR(), r);
    }

    function _checkRefuted(bytes32 requestId, Committees.Committee memory k, Refuted calldata f) private view {
        if (!k.canProve(f.proverSeat)) revert BadProver();
        bytes32 digest = _voteDigest(
            DOMAIN_SEPARATOR(), requestId, k.member(f.proverSeat), f.proofHash, f.attempt, false
        );
        (uint256 against, bool good) = _checkVotes(digest, f.votes, k.seats, k.count);
        uint256 verifiers = k.verifiersWithout(f.proverSeat);
        if (!good || against & ~verifiers != 0) revert BadVotes();
        if (Committees.popcount(against) * 3 <= Committees.popcount(verifiers) * 2) revert NotRefuted();
    }

    /// @dev The verifier on a seat who signed `valid` for a refuted proof.
    function _checkSigner(
        bytes32 requestId,
        Committees.Committee memory k,
        Refuted calldata f,
        uint8 seat,
        Opinion calldata yes
    ) private view returns (address member) {
        if (seat >= k.count) revert BadEvidence();
        member = k.member(seat);
        bytes32 domain = DOMAIN_SEPARATOR();
        bytes32 digest =
            _voteDigest(domain, requestId, k.member(f.proverSeat), f.proofHash, yes.attempt, true);
        _checkOpinion(domain, member, digest, yes);
    }

    function _slash(address member) private {
        Prover storage p = _provers[member];
        if (p.stake == 0) revert NotRegistered();
        uint32 id = p.memberId;
        uint96 amount = _takeStake(p);
        uint96 share = uint96(amount * REPORTER_BPS / 10_000 / GWEI * GWEI);
        _lanes[id >> 2] |= SLASHED << ((id & 3) << 6);
        _lanes[0] += (amount - share) / GWEI;
        emit ProverSlashed(member, id, msg.sender, amount - share, share);
        _send(msg.sender, share);
    }

    function _suspend(address consumer_, address member, bytes32 requestId) private {
        if (suspendedUntil(consumer_, member) > block.timestamp) revert MemberSuspended();
        uint40 until = uint40(block.timestamp + SUSPENSION);
        _suspensions[consumer_][member] = Suspension(until, _consumers[consumer_].imageVersion);
        emit SuspensionBegun(consumer_, member, until, requestId);
        if (_commitments[consumer_][member].indexPlus1 == 0) return;
        _drop(consumer_, member);
        _reseat(consumer_, member);
    }
}
