// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The vocabulary of the settlement contract: structures, events and errors.
/// @notice Amounts named gwei are whole gwei, all others wei; times are Unix seconds, shares basis points.
interface IGpnSettlement {
    /// @notice What a deployment fixes for ever.
    /// @param window how long a settlement can be extended or challenged before it pays
    /// @param settleGrace how long after a request's deadline it can still be settled
    /// @param maxLifetime how far ahead a request's deadline may lie
    /// @param unbond how long stake and a leaving consumer's balance stay; > maxLifetime + settleGrace + window
    /// @param settleDelay how long after the deadline another member's settlement starts to earn the tip
    struct Params {
        uint64 window;
        uint64 settleGrace;
        uint64 maxLifetime;
        uint64 unbond;
        uint64 settleDelay;
        uint96 minStake;
        uint64 minRewardGwei;
        uint64 tipGwei;
        uint16 proverBps;
        uint16 inclusionBps;
        uint16 verifierBps;
    }

    /// @notice The signed part of a request that the contract sees; its EIP-712 digest is the request id.
    struct RequestData {
        address consumer;
        uint64 nonce;
        uint64 rewardGwei;
        uint64 deadline;
        uint8 quorum;
        uint64 snapshotId;
        bytes32 payloadHash;
        bytes32 detailsHash;
    }

    /// @notice One verified request. The consumer's signature is in EIP-2098 form; votes are packed
    /// (seat uint8 | r 32 | vs 32), seats strictly increasing.
    struct Entry {
        RequestData request;
        bytes32 consumerR;
        bytes32 consumerVS;
        bytes32 proofHash;
        uint8 attempt;
        uint8 proverSeat;
        bytes votes;
    }

    /// @notice The preimage of a stored batch, exactly as its Settled event carried it, whatever was extended
    /// or challenged since. Each record has 128 bytes: request id | vote digest |
    /// consumer 20, rewardGwei 8, counted seats 4 | snapshot id 8, zeros 21, tipped seat + 1 (0 none) 1,
    /// quorum 1, prover's seat 1.
    struct Batch {
        uint64 finalizeAt;
        bytes records;
    }

    /// @notice A consumer; exitAt is 0 unless it is leaving, snapshotId the newest (0: none yet),
    /// snapshotEndedAt 0 while that is in force. Bit i of nonceWindow: nonceBase + i is used.
    struct ConsumerView {
        address consumer;
        string image;
        bytes32 digest;
        uint64 balanceGwei;
        uint64 nonceBase;
        uint128 nonceWindow;
        uint64 pendingNonceBase;
        uint64 pendingNonceAt;
        uint64 exitAt;
        uint64 snapshotId;
        uint64 snapshotEndedAt;
    }

    /// @notice An operator; unbondAt is 0 unless it is leaving, commitments how many consumers it is bound to.
    struct ProverView {
        address prover;
        uint32 memberId;
        address payout;
        uint96 stake;
        uint64 unbondAt;
        uint16 commitments;
        bool slashed;
    }

    /// @notice A member of a snapshot. Roles: 1 prove, 2 verify. Weight: clamp(stake / minStake, 1, 16).
    struct Seat {
        address prover;
        uint32 memberId;
        uint8 roles;
        uint8 weight;
    }

    /// @notice A numbered, immutable committee; endedAt is 0 while it is in force.
    struct SnapshotView {
        bytes32 digest;
        uint64 endedAt;
        Seat[] seats;
    }

    /// @notice A member's commitment to a consumer's current image.
    struct CommitmentView {
        address prover;
        uint8 roles;
        uint64 expiresAt;
        bool eligible;
    }

    /// @notice A verifier's signed opinion on a proof: the vote by itself (batch is empty), or entry `index` of
    /// the vote digests under one BatchVote signature. The signature is in EIP-2098 form.
    struct Opinion {
        uint8 attempt;
        bytes32 r;
        bytes32 vs;
        bytes32[] batch;
        uint256 index;
    }

    /// @notice What a prover signed when it announced a proof; size in bytes, the signature in EIP-2098 form.
    struct Announced {
        uint8 attempt;
        bytes32 proofHash;
        uint64 size;
        bytes32 seed;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A proof and the votes against it, packed like an entry's; more than two thirds of V are needed.
    struct Refuted {
        uint8 proverSeat;
        uint8 attempt;
        bytes32 proofHash;
        bytes votes;
    }

    /// @notice A request with its consumer's signature in EIP-2098 form.
    struct SignedRequest {
        RequestData request;
        bytes32 r;
        bytes32 vs;
    }

    event ConsumerRegistered(address indexed consumer, string image, bytes32 digest);
    event ImageChanged(address indexed consumer, string image, bytes32 digest);
    event Deposited(address indexed consumer, address indexed payer, uint64 amountGwei, uint64 balanceGwei);
    event ExitBegun(address indexed consumer, uint64 exitAt);
    event ConsumerWithdrawn(address indexed consumer, uint64 amountGwei);
    event NoncesRetiring(address indexed consumer, uint64 newBase, uint64 effectiveAt);
    event NoncesRetired(address indexed consumer, uint64 newBase);
    event ProverRegistered(
        address indexed prover, uint32 indexed memberId, address indexed payout, uint96 stake
    );
    event StakeAdded(address indexed prover, uint96 stake);
    event PayoutChanged(address indexed prover, address indexed payout);
    event UnbondBegun(address indexed prover, uint64 unbondAt);
    event ProverWithdrawn(address indexed prover, address indexed payout, uint96 amount);
    event Committed(
        address indexed consumer, address indexed prover, bytes32 digest, uint8 roles, uint64 expiresAt
    );
    event Uncommitted(address indexed consumer, address indexed prover);
    /// @notice seats: 26 bytes each, address 20 | member id 4 | roles 1 | weight 1.
    event SnapshotTaken(address indexed consumer, uint64 indexed snapshotId, bytes32 digest, bytes seats);
    event SnapshotEnded(address indexed consumer, uint64 indexed snapshotId);

    event Settled(bytes32 indexed key, address indexed submitter, uint64 finalizeAt, bytes records);
    /// @notice An entry that was left out of its batch; reason is the selector of one of the errors below.
    event EntrySkipped(uint256 index, bytes4 reason);
    event LatestProof(address indexed consumer, bytes32 requestId, bytes32 proofHash);
    /// @notice counted: all seats that count now for record `index`.
    event Extended(bytes32 indexed key, uint256 index, uint32 counted);
    /// @notice A challenger stands, or was extended, beside the incumbent of record `index`.
    event Challenged(
        bytes32 indexed key,
        address indexed prover,
        uint256 index,
        uint8 proverSeat,
        bytes32 proofHash,
        bytes32 voteDigest,
        uint32 counted
    );
    event Finalized(bytes32 indexed key, uint64 burnedGwei);
    /// @notice What a payout would have given to a slashed member, burned instead.
    event RewardForfeited(uint32 indexed memberId, uint64 amountGwei);
    event RewardsWithdrawn(uint32 indexed memberId, address indexed payout, uint256 amount);

    /// @notice An operator lost its stake: `burned` of it is gone, `share` went to the reporter; both in wei.
    event ProverSlashed(
        address indexed prover, uint32 indexed memberId, address indexed reporter, uint96 burned, uint96 share
    );
    event ConsumerSlashed(
        address indexed consumer, address indexed reporter, uint64 nonce, uint64 burnedGwei, uint64 shareGwei
    );
    /// @notice A member lost its seat with a consumer, and cannot commit to the same image before `until`.
    event SuspensionBegun(
        address indexed consumer, address indexed member, uint64 until, bytes32 requestId
    );
    event Pardoned(address indexed consumer, address indexed member);
    /// @notice The verifier on `seat` gets no fee for record `index`.
    event FeeForfeited(bytes32 indexed key, uint256 index, uint8 seat);

    error BadParams();
    /// @notice Money was sent to the registry's own address instead of the settlement's.
    error NotHere();
    error PlainTransfer();
    error NotWholeGwei();
    error AmountTooLarge();
    error AlreadyRegistered();
    error NotRegistered();
    error BadImage();
    error Exiting();
    error NotExiting();
    error TooEarly();
    error NonceBaseNotAhead();
    error StakeTooSmall();
    error ZeroAddress();
    error NotPayout();
    error Unbonding();
    error NotUnbonding();
    error StillCommitted();
    error NotCommitted();
    error BadRoles();
    error DigestMismatch();
    error CommitteeFull();
    error CommitteeTooSmall();
    error SnapshotUnchanged();
    error SnapshotFailed();
    error PaymentFailed();

    error LengthMismatch();
    error BatchOpen();
    error BatchMismatch();
    error WindowClosed();
    error BadIndex();
    /// @notice No entry was good; reason is the first one's.
    error NothingSettled(bytes4 reason);
    error WeakerChallenger();
    error NothingToWithdraw();

    error BadEvidence();
    error NotRefuted();
    error AlreadyPunished();
    error MemberSlashed();
    error NotSlashed();
    error MemberSuspended();
    error NotSuspended();

    error UnknownSnapshot();
    error SnapshotNotInForce();
    error NotInBatch();
    error RequestExpired();
    error DeadlineTooFar();
    error RewardTooSmall();
    error BadProver();
    error QuorumOutOfRange();
    error BadConsumerSignature();
    error NotMember();
    error BadVotes();
    error QuorumNotMet();
    error NonceUsed();
    error NonceTooFar();
    error InsufficientBalance();
}
