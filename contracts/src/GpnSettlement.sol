// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Committees} from "./Committees.sol";
import {GpnRegistry} from "./GpnRegistry.sol";
import {Payouts} from "./Payouts.sol";
import {Signatures} from "./Signatures.sol";
import {State} from "./State.sol";

/// @title Settlement of a generic proving network: votes on proofs in, rewards out.
/// @notice A settlement is kept as one hash for the window and pays when it is finalized. Its records travel in
/// the Settled event and come back as calldata; extensions and challengers are kept beside them, so whoever
/// extends never invalidates what somebody else has prepared.
/// Whatever has no function here, registration, committees, faults and views, is GpnRegistry's, at this address.
contract GpnSettlement is Payouts, Signatures {
    using Committees for Committees.Committee;

    /// @dev What a settling call carries from entry to entry.
    struct Work {
        bytes32 domain;
        bytes records;
        uint256 accepted;
        bytes4 firstReason;
        address accountOf;
        Account account;
        Committees.Committee committee;
    }

    /// @dev What is needed of an entry besides its signatures, read and checked for form once.
    struct Item {
        bytes32 requestId;
        bytes32 voteDigest;
        bytes32 proofHash;
        uint256 proverSeat;
        RequestData request;
    }

    /// @notice The code of everything that is not settling. It is called here, and runs upon this storage.
    address public immutable registry;
    bytes32 private immutable _separator;
    uint256 private immutable _chainId;

    constructor(Params memory p) State(p) {
        registry = address(new GpnRegistry(p));
        _chainId = block.chainid;
        _separator = super.DOMAIN_SEPARATOR();
    }

    /// @inheritdoc Signatures
    function DOMAIN_SEPARATOR() public view override returns (bytes32) {
        return block.chainid == _chainId ? _separator : super.DOMAIN_SEPARATOR();
    }

    /// @dev Money comes with a call that says whose it is.
    receive() external payable {
        revert PlainTransfer();
    }

    /// @dev What this contract has no function for is the registry's: one address, one storage, two codes,
    /// since one code of both would be larger than a chain takes.
    fallback() external payable {
        address code = registry;
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, 0, calldatasize())
            let done := delegatecall(gas(), code, m, calldatasize(), 0, 0)
            returndatacopy(m, 0, returndatasize())
            if iszero(done) { revert(m, returndatasize()) }
            return(m, returndatasize())
        }
    }

    // -------------------------------------------------------------------------------------------- settling

    /// @notice Settle verified requests, each with its own votes. Bad entries are skipped with an event.
    /// @param slot the caller's own name for the batch; keccak256(caller, slot) is its key
    /// @param old what the slot held, to be paid in the same call; empty for a fresh or finalized slot
    function settle(bytes32 slot, Batch calldata old, Entry[] calldata entries) external {
        Work memory w = _begin(entries.length);
        Item memory item;
        for (uint256 i; i < entries.length; ++i) {
            Entry calldata e = entries[i];
            bytes4 reason = _open(w, e, item);
            if (reason == 0) {
                (uint256 counted, bool good) =
                    _checkVotes(item.voteDigest, e.votes, w.committee.seats, w.committee.count);
                if (!good || counted & ~w.committee.verifiersWithout(item.proverSeat) != 0) reason = BadVotes.selector;
                else reason = _accept(w, item, counted);
            }
            if (reason != 0) _skip(w, i, reason);
        }
        _store(w, slot, old);
    }

    /// @notice Settle verified requests of one consumer and snapshot by one signature per verifier over all.
    /// @dev A skipped entry stays in the signed list. A prover's own signature counts for others' entries only.
    /// @param signatures packed like an entry's votes, each under BatchVote(vote digests of all entries, in order)
    function settleAttested(bytes32 slot, Batch calldata old, Entry[] calldata entries, bytes calldata signatures)
        external
    {
        Work memory w = _begin(entries.length);
        bytes4[] memory reasons = new bytes4[](entries.length);
        Item[] memory items = _itemSlots(entries.length);
        bytes32[] memory votes = new bytes32[](entries.length);
        for (uint256 i; i < entries.length; ++i) {
            Item memory item;
            (reasons[i], items[i]) = (_open(w, entries[i], item), item);
            votes[i] = item.voteDigest;
            RequestData memory first = items[0].request;
            if (item.request.consumer != first.consumer || item.request.snapshotId != first.snapshotId) {
                revert NotInBatch();
            }
        }
        (uint256 signers, bool good) = _checkVotes(
            _batchVoteDigest(w.domain, votes), signatures, w.committee.seats, w.committee.count
        );
        if (!good || signers & ~w.committee.verifiers != 0) revert BadVotes();
        for (uint256 i; i < items.length; ++i) {
            bytes4 reason = reasons[i];
            Item memory item = items[i];
            if (reason == 0) reason = _accept(w, item, signers & ~(uint256(1) << item.proverSeat));
            if (reason != 0) _skip(w, i, reason);
        }
        _store(w, slot, old);
    }

    /// @notice Add votes to records of a batch inside its window; votes that count already do no harm.
    function extend(bytes32 key, Batch calldata batch, uint256[] calldata indexes, bytes[] calldata votes)
        external
    {
        if (indexes.length != votes.length) revert LengthMismatch();
        bytes memory records = _openBatch(key, batch);
        for (uint256 j; j < indexes.length; ++j) {
            uint256 i = indexes[j];
            Record memory r = _record(records, i);
            uint256 counted = _votesFor(r, r.voteDigest, r.proverSeat, votes[j]);
            uint256 shift = (i & 7) << 5;
            uint256 extra = _extensions[key][i >> 3];
            uint256 have = r.counted | ((extra >> shift) & type(uint32).max);
            if (counted | have == have) continue;
            _extensions[key][i >> 3] = extra | ((counted & ~r.counted) << shift);
            _batches[key] |= EXTENDED;
            emit Extended(key, i, uint32(counted | have));
        }
    }

    /// @notice Put another prover's proof up beside a settled one: more votes win, a tie goes to the incumbent.
    /// A new challenger needs a quorum, more votes than an earlier challenger, and must come until window / 8
    /// before the end, so that nobody can snipe the reward with a copied proof in the last block. The same
    /// challenger again gets its votes added, until the end.
    function supersede(
        bytes32 key,
        Batch calldata batch,
        uint256 index,
        uint8 proverSeat,
        bytes32 proofHash,
        uint8 attempt,
        bytes calldata votes
    ) external {
        Record memory r = _record(_openBatch(key, batch), index);
        Committees.Committee memory k = _committee(r.consumer, r.snapshotId);
        if (proverSeat == r.proverSeat || !k.canProve(proverSeat)) revert BadProver();
        address challenger = k.member(proverSeat);
        bytes32 digest =
            _voteDigest(DOMAIN_SEPARATOR(), r.requestId, challenger, proofHash, attempt, true);
        uint256 counted = _votesFor(r, digest, proverSeat, votes);
        Challenger storage stored = _challengers[key][index];
        if (stored.voteDigest == digest) {
            counted |= stored.counted;
        } else {
            if (block.timestamp >= batch.finalizeAt - WINDOW / 8) revert WindowClosed();
            uint256 have = Committees.popcount(counted);
            if (have < r.quorum || have <= k.verifierCount(proverSeat) / 2) revert QuorumNotMet();
            if (have <= Committees.popcount(stored.counted)) revert WeakerChallenger();
        }
        _challengers[key][index] = Challenger(digest, uint32(counted), proverSeat);
        _batches[key] |= CHALLENGED;
        emit Challenged(key, challenger, index, proverSeat, proofHash, digest, uint32(counted));
    }

    /// @notice Pay batches whose window is over. Anyone may.
    function finalize(bytes32[] calldata keys, Batch[] calldata batches) external {
        if (keys.length != batches.length) revert LengthMismatch();
        Payout memory p;
        for (uint256 i; i < keys.length; ++i) {
            _pay(p, keys[i], batches[i]);
            _batches[keys[i]] = USED;
        }
        _flushPayout(p);
    }

    // ----------------------------------------------------------------------------------- settling, internal

    function _begin(uint256 entries) private view returns (Work memory w) {
        w.domain = DOMAIN_SEPARATOR();
        w.records = new bytes(entries * RECORD);
    }

    /// @dev An array for items to come; `new` would make empty ones first, at a cost for each.
    function _itemSlots(uint256 length) private pure returns (Item[] memory items) {
        uint256[] memory slots = new uint256[](length);
        assembly ("memory-safe") {
            items := slots
        }
    }

    function _skip(Work memory w, uint256 index, bytes4 reason) private {
        if (w.firstReason == 0) w.firstReason = reason;
        emit EntrySkipped(index, reason);
    }

    /// @dev Reads the entry into `item`; says why it is no good before anybody looks at votes (0: good so far).
    /// Leaves the request's committee in `w`.
    function _open(Work memory w, Entry calldata e, Item memory item) private view returns (bytes4 reason) {
        RequestData memory r = e.request;
        Committees.Committee memory k = w.committee;
        if (k.consumer != r.consumer || k.id != r.snapshotId) {
            k = w.committee = _committee(r.consumer, r.snapshotId);
        }
        uint256 seat = e.proverSeat;
        item.request = r;
        item.proverSeat = seat;
        item.proofHash = e.proofHash;
        item.requestId = _requestDigest(w.domain, r);
        if (!k.canProve(seat)) {
            item.voteDigest = 0;
            return k.count == 0 ? UnknownSnapshot.selector : BadProver.selector;
        }
        item.voteDigest = _voteDigest(w.domain, item.requestId, k.member(seat), item.proofHash, e.attempt, true);
        reason = _judge(k, r, seat);
        if (reason == 0 && _recover(item.requestId, e.consumerR, e.consumerVS) != r.consumer) {
            reason = BadConsumerSignature.selector;
        }
    }

    /// @dev Whether a request can be settled now, whoever voted; sums of 64-bit times do not overflow.
    function _judge(Committees.Committee memory k, RequestData memory r, uint256 proverSeat)
        private
        view
        returns (bytes4)
    {
        unchecked {
            uint256 deadline = r.deadline;
            // A request counts its deadline from a block in which its snapshot was in force.
            if (k.endedAt != 0 && deadline > k.endedAt + MAX_LIFETIME) return SnapshotNotInForce.selector;
            if (block.timestamp > deadline + SETTLE_GRACE) return RequestExpired.selector;
            if (deadline > block.timestamp + MAX_LIFETIME) return DeadlineTooFar.selector;
            if (r.rewardGwei < MIN_REWARD_GWEI) return RewardTooSmall.selector;
            uint256 verifiers = k.verifierCount(proverSeat);
            if (r.quorum <= verifiers / 2 || r.quorum > verifiers) return QuorumOutOfRange.selector;
            return 0;
        }
    }

    /// @dev Debits the consumer, uses the nonce up and writes the record; every check comes before any effect.
    function _accept(Work memory w, Item memory item, uint256 counted) private returns (bytes4) {
        RequestData memory r = item.request;
        if (Committees.popcount(counted) < r.quorum) return QuorumNotMet.selector;
        uint256 tippedSeatPlus1;
        if (msg.sender != w.committee.member(item.proverSeat)) {
            uint256 seat = w.committee.seatOf(msg.sender);
            if (seat == w.committee.count) return NotMember.selector;
            if (block.timestamp >= uint256(r.deadline) + SETTLE_DELAY) tippedSeatPlus1 = seat + 1;
        }
        if (w.accountOf != r.consumer) {
            _flushAccount(w);
            w.accountOf = r.consumer;
            w.account = _accounts[r.consumer];
        }
        bytes4 reason = _debit(w.account, r);
        if (reason != 0) return reason;
        uint256 low = (uint256(r.snapshotId) << 192) | (tippedSeatPlus1 << 16) | (uint256(r.quorum) << 8)
            | item.proverSeat;
        uint256 high = (uint256(uint160(r.consumer)) << 96) | (uint256(r.rewardGwei) << 32) | counted;
        bytes memory records = w.records;
        uint256 nth = w.accepted;
        assembly ("memory-safe") {
            let p := add(add(records, 32), shl(7, nth))
            mcopy(p, item, 64)
            mstore(add(p, 64), high)
            mstore(add(p, 96), low)
        }
        w.accepted = nth + 1;
        emit LatestProof(r.consumer, item.requestId, item.proofHash);
        return 0;
    }

    /// @dev Takes nonce and reward out of an account in memory, or says why not.
    function _debit(Account memory a, RequestData memory r) private pure returns (bytes4) {
        unchecked {
            if (r.nonce < a.nonceBase) return NonceUsed.selector;
            uint256 offset = r.nonce - a.nonceBase;
            if (offset > 127) return NonceTooFar.selector;
            uint256 window = a.nonceWindow;
            if ((window >> offset) & 1 != 0) return NonceUsed.selector;
            if (r.rewardGwei > a.balanceGwei) return InsufficientBalance.selector;
            a.nonceWindow = uint128(window | (1 << offset));
            a.balanceGwei -= r.rewardGwei;
            return 0;
        }
    }

    function _flushAccount(Work memory w) private {
        if (w.accountOf == address(0)) return;
        _advance(w.account);
        _accounts[w.accountOf] = w.account;
    }

    function _store(Work memory w, bytes32 slot, Batch calldata old) private {
        if (w.accepted == 0) revert NothingSettled(w.firstReason);
        _flushAccount(w);
        bytes memory records = w.records;
        uint256 size = w.accepted * RECORD;
        assembly ("memory-safe") {
            mstore(records, size)
        }
        bytes32 key = _keyOf(msg.sender, slot);
        if (_batches[key] & OPEN != 0) {
            if (old.records.length == 0) revert BatchOpen();
            Payout memory p;
            p.committee = w.committee; // most likely the same
            _pay(p, key, old);
            _flushPayout(p);
        }
        uint64 finalizeAt = uint64(block.timestamp) + WINDOW;
        _batches[key] = _hash(finalizeAt, records) | OPEN;
        emit Settled(key, msg.sender, finalizeAt, records);
    }

    // ------------------------------------------------------------------------------------- window, internal

    function _votesFor(Record memory r, bytes32 digest, uint256 proverSeat, bytes calldata votes)
        private
        view
        returns (uint256 counted)
    {
        Committees.Committee memory k = _committee(r.consumer, r.snapshotId);
        bool good;
        (counted, good) = _checkVotes(digest, votes, k.seats, k.count);
        if (!good || counted & ~k.verifiersWithout(proverSeat) != 0) revert BadVotes();
    }

    // ------------------------------------------------------------------------------------- paying, internal

    /// @dev Adds up what the batch pays; the caller writes the batch's slot and flushes the sums.
    function _pay(Payout memory p, bytes32 key, Batch calldata given) private {
        (uint256 state, bytes memory records) = _match(key, given);
        if (block.timestamp < given.finalizeAt) revert TooEarly();
        uint256 burnedBefore = p.burned;
        uint256 count = records.length / RECORD;
        uint256 extra;
        uint256 forfeits;
        Record memory r;
        for (uint256 i; i < count; ++i) {
            _read(r, records, i);
            if (state & EXTENDED != 0) {
                if (i & 7 == 0) extra = _taken(_extensions[key], i >> 3);
                r.counted |= (extra >> ((i & 7) << 5)) & type(uint32).max;
            }
            if (state & FORFEITED != 0) {
                if (i & 7 == 0) forfeits = _taken(_forfeits[key], i >> 3);
                r.forfeited = (forfeits >> ((i & 7) << 5)) & type(uint32).max;
            }
            if (state & CHALLENGED != 0) {
                Challenger memory c = _challengers[key][i];
                if (Committees.popcount(c.counted) > Committees.popcount(r.counted)) {
                    (r.counted, r.proverSeat) = (c.counted, c.seat);
                }
                if (c.voteDigest != 0) delete _challengers[key][i];
            }
            _payRecord(p, r);
        }
        emit Finalized(key, uint64(p.burned - burnedBefore));
    }

    /// @dev Eight bitmaps, which are needed no more.
    function _taken(mapping(uint256 => uint256) storage bitmaps, uint256 group) private returns (uint256 eight) {
        eight = bitmaps[group];
        if (eight != 0) delete bitmaps[group];
    }
}
