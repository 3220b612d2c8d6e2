// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Committees} from "./Committees.sol";
import {Consumers} from "./Consumers.sol";

/// @title Operators with their stakes, and the committees that they form.
abstract contract Operators is Consumers {
    using Committees for Committees.Snapshot;
    using Committees for Committees.Committee;

    /// @notice How long a commitment holds unless renewed, so that absent members cannot block a quorum for ever.
    uint64 public constant COMMITMENT_TTL = 30 days;

    // --------------------------------------------------------------------------------------------- provers

    /// @notice Become an operator with the value as stake; stake and rewards leave only to `payout`.
    function registerProver(address payout) external payable {
        Prover storage p = _provers[msg.sender];
        if (payout == address(0)) revert ZeroAddress();
        if (p.stake != 0) revert AlreadyRegistered();
        if (msg.value < MIN_STAKE) revert StakeTooSmall();
        if (p.memberId == 0) {
            p.memberId = uint32(_members.length);
            _members.push(msg.sender);
            p.payout = payout;
        } else if (_isSlashed(p.memberId)) {
            revert MemberSlashed();
        } else if (p.payout != payout) {
            // Rewards of its earlier time may still be here: only the payout address decides where they go.
            revert NotPayout();
        }
        p.listIndex = uint32(_proverList.length);
        _proverList.push(msg.sender);
        p.stake = _wholeGwei();
        emit ProverRegistered(msg.sender, p.memberId, payout, p.stake);
    }

    /// @notice Add to the caller's stake.
    function addStake() external payable {
        Prover storage p = _active(msg.sender);
        p.stake += _wholeGwei();
        emit StakeAdded(msg.sender, p.stake);
    }

    /// @notice Change where an operator's stake and rewards go; only the present payout address can.
    function setPayout(address prover_, address payout) external {
        if (msg.sender != _provers[prover_].payout) revert NotPayout();
        if (payout == address(0)) revert ZeroAddress();
        _provers[prover_].payout = payout;
        emit PayoutChanged(prover_, payout);
    }

    /// @notice Begin to leave; every commitment must have been taken back.
    function beginUnbond() external {
        Prover storage p = _active(msg.sender);
        if (p.commitments != 0) revert StillCommitted();
        p.unbondAt = uint40(block.timestamp + UNBOND);
        emit UnbondBegun(msg.sender, p.unbondAt);
    }

    /// @notice Send the stake to the payout address, once nothing can be held against it any more.
    function withdrawProver() external {
        Prover storage p = _provers[msg.sender];
        if (p.unbondAt == 0) revert NotUnbonding();
        if (block.timestamp < p.unbondAt) revert TooEarly();
        uint96 amount = _takeStake(p);
        emit ProverWithdrawn(msg.sender, p.payout, amount);
        _send(p.payout, amount);
    }

    // ------------------------------------------------------------------------------------------ committees

    /// @notice Offer roles (1 prove, 2 verify) to a consumer for its present image, for COMMITMENT_TTL.
    /// @dev Of more than 32 candidates the seats go by stake, then seniority. Committing again renews.
    function commit(address consumer_, bytes32 digest, uint8 roles) external {
        if (_registered(consumer_).digest != digest) revert DigestMismatch();
        if (roles == 0 || roles > 3) revert BadRoles();
        _commit(consumer_, roles);
    }

    /// @notice Let the caller's commitment to a consumer's present image run for another COMMITMENT_TTL.
    function renew(address consumer_) external {
        Commitment memory c = _commitments[consumer_][msg.sender];
        if (c.indexPlus1 == 0) revert NotCommitted();
        if (c.imageVersion != _registered(consumer_).imageVersion) revert DigestMismatch();
        _commit(consumer_, c.roles);
    }

    /// @notice Take a commitment back. A snapshot with the caller's seat ends, and a new one is taken if it can.
    function uncommit(address consumer_) external {
        if (_commitments[consumer_][msg.sender].indexPlus1 == 0) revert NotCommitted();
        _drop(consumer_, msg.sender);
        _reseat(consumer_, msg.sender);
    }

    /// @notice Put the committee that stands now in force, as a new snapshot. Anyone may; nothing new reverts.
    function takeSnapshot(address consumer_) external returns (uint64 id) {
        Consumer storage c = _registered(consumer_);
        if (c.exitAt != 0) revert Exiting();
        (bytes memory seats, uint32 verifiers) = _eligibleSeats(consumer_);
        if (seats.length < 2 * Committees.SEAT) revert CommitteeTooSmall();
        Committees.Snapshot storage last = _snapshots[consumer_][c.snapshotId];
        if (last.endedAt == 0 && last.code.codehash == Committees.codeHash(c.digest, seats)) {
            revert SnapshotUnchanged();
        }
        return _takeSnapshot(consumer_, seats, verifiers);
    }

    // ----------------------------------------------------------------------------------------------- views

    /// @notice One operator; its stake is 0 when it is not registered, its member id when it never was.
    function prover(address prover_) public view returns (ProverView memory) {
        Prover memory p = _provers[prover_];
        return ProverView(
            prover_, p.memberId, p.payout, p.stake, p.unbondAt, p.commitments, _isSlashed(p.memberId)
        );
    }

    /// @notice A page of the registered operators; shorter than `limit` at the end.
    function getProvers(uint256 offset, uint256 limit) external view returns (ProverView[] memory page) {
        page = new ProverView[](_pageSize(_proverList.length, offset, limit));
        for (uint256 i; i < page.length; ++i) page[i] = prover(_proverList[offset + i]);
    }

    /// @notice Until when a member cannot commit to a consumer for its present image; 0 when it may.
    function suspendedUntil(address consumer_, address prover_) public view returns (uint64) {
        Suspension memory s = _suspensions[consumer_][prover_];
        return s.imageVersion == _consumers[consumer_].imageVersion ? s.until : 0;
    }

    /// @notice Who a member id belongs to, for ever; 0 when it was never given.
    function memberOf(uint32 memberId) external view returns (address) {
        return memberId < _members.length ? _members[memberId] : address(0);
    }

    /// @notice A snapshot of a consumer; without seats when there is no such one.
    function snapshot(address consumer_, uint64 id) external view returns (SnapshotView memory result) {
        Committees.Snapshot storage stored = _snapshots[consumer_][id];
        Committees.Committee memory k = stored.load(consumer_, id);
        result.endedAt = uint64(k.endedAt);
        result.seats = new Seat[](k.count);
        if (k.count != 0) result.digest = stored.imageDigest();
        for (uint256 i; i < k.count; ++i) {
            result.seats[i] = Seat(k.member(i), uint32(k.memberId(i)), k.roles(i), k.weight(i));
        }
    }

    /// @notice Everyone committed to a consumer, also those that the next snapshot leaves out (not eligible).
    function committee(address consumer_) external view returns (CommitmentView[] memory result) {
        address[] storage list = _candidates[consumer_];
        result = new CommitmentView[](list.length);
        for (uint256 i; i < list.length; ++i) {
            Commitment memory c = _commitments[consumer_][list[i]];
            result[i] = CommitmentView(list[i], c.roles, c.expiresAt, _eligible(consumer_, list[i], c));
        }
    }

    // -------------------------------------------------------------------------------------------- internal

    function _active(address prover_) private view returns (Prover storage p) {
        p = _provers[prover_];
        if (p.stake == 0) revert NotRegistered();
        if (p.unbondAt != 0) revert Unbonding();
    }

    /// @dev Takes an operator off the list; what it staked is the caller's to hand on.
    function _takeStake(Prover storage p) internal returns (uint96 amount) {
        amount = p.stake;
        p.stake = 0;
        p.unbondAt = 0;
        _unlist(_proverList, p.listIndex);
        if (p.listIndex < _proverList.length) _provers[_proverList[p.listIndex]].listIndex = p.listIndex;
    }

    function _commit(address consumer_, uint8 roles) private {
        Consumer storage c = _consumers[consumer_];
        if (c.exitAt != 0) revert Exiting();
        Prover storage p = _active(msg.sender);
        if (p.stake < MIN_STAKE) revert StakeTooSmall();
        if (suspendedUntil(consumer_, msg.sender) > block.timestamp) revert MemberSuspended();
        Commitment storage own = _commitments[consumer_][msg.sender];
        address displaced;
        if (own.indexPlus1 == 0) {
            address[] storage list = _candidates[consumer_];
            if (list.length == Committees.MAX_SEATS) {
                displaced = _weakest(consumer_, p.stake);
                _drop(consumer_, displaced);
            }
            list.push(msg.sender);
            own.indexPlus1 = uint8(list.length);
            ++p.commitments;
        }
        own.expiresAt = uint40(block.timestamp + COMMITMENT_TTL);
        own.imageVersion = c.imageVersion;
        own.roles = roles;
        emit Committed(consumer_, msg.sender, c.digest, roles, own.expiresAt);
        if (displaced != address(0)) _reseat(consumer_, displaced);
    }

    /// @dev The candidate who gives way to a newcomer with `stake`: an ineligible one, else the least stake.
    function _weakest(address consumer_, uint96 stake) private view returns (address weakest) {
        address[] storage list = _candidates[consumer_];
        uint32 youngest;
        for (uint256 i; i < list.length; ++i) {
            address candidate = list[i];
            if (!_eligible(consumer_, candidate, _commitments[consumer_][candidate])) return candidate;
            Prover memory p = _provers[candidate];
            if (p.stake < stake || (p.stake == stake && weakest != address(0) && p.memberId > youngest)) {
                (weakest, stake, youngest) = (candidate, p.stake, p.memberId);
            }
        }
        if (weakest == address(0)) revert CommitteeFull();
    }

    /// @dev A committed operator is not unbonding, beginUnbond sees to that; a slashed one has no stake.
    function _eligible(address consumer_, address prover_, Commitment memory c) private view returns (bool) {
        return c.expiresAt > block.timestamp && c.imageVersion == _consumers[consumer_].imageVersion
            && _provers[prover_].stake != 0;
    }

    function _drop(address consumer_, address prover_) internal {
        address[] storage list = _candidates[consumer_];
        uint8 indexPlus1 = _commitments[consumer_][prover_].indexPlus1;
        _unlist(list, indexPlus1 - 1);
        if (indexPlus1 <= list.length) _commitments[consumer_][list[indexPlus1 - 1]].indexPlus1 = indexPlus1;
        delete _commitments[consumer_][prover_];
        --_provers[prover_].commitments;
        emit Uncommitted(consumer_, prover_);
    }

    /// @dev Nobody keeps a seat in force without a commitment, since its stake could be gone.
    function _reseat(address consumer_, address gone) internal {
        Consumer storage c = _consumers[consumer_];
        Committees.Snapshot storage last = _snapshots[consumer_][c.snapshotId];
        if (last.count == 0 || last.endedAt != 0) return;
        Committees.Committee memory k = last.load(consumer_, c.snapshotId);
        if (k.seatOf(gone) == k.count) return;
        (bytes memory seats, uint32 verifiers) = _eligibleSeats(consumer_);
        if (seats.length < 2 * Committees.SEAT) _endSnapshot(consumer_, c.snapshotId);
        else _takeSnapshot(consumer_, seats, verifiers);
    }

    function _eligibleSeats(address consumer_) private view returns (bytes memory seats, uint32 verifiers) {
        address[] storage list = _candidates[consumer_];
        uint256 count;
        for (uint256 i; i < list.length; ++i) {
            Commitment memory c = _commitments[consumer_][list[i]];
            if (!_eligible(consumer_, list[i], c)) continue;
            Prover memory p = _provers[list[i]];
            uint256 weight = p.stake / MIN_STAKE;
            if (weight > 16) weight = 16;
            seats = abi.encodePacked(seats, list[i], p.memberId, c.roles, uint8(weight));
            if (c.roles & Committees.VERIFY != 0) verifiers |= uint32(1 << count);
            ++count;
        }
    }

    function _takeSnapshot(address consumer_, bytes memory seats, uint32 verifiers) private returns (uint64 id) {
        Consumer storage c = _consumers[consumer_];
        _endSnapshot(consumer_, c.snapshotId);
        address code = Committees.write(c.digest, seats);
        if (code == address(0)) revert SnapshotFailed();
        id = ++c.snapshotId;
        _snapshots[consumer_][id] =
            Committees.Snapshot(code, verifiers, 0, uint8(seats.length / Committees.SEAT));
        emit SnapshotTaken(consumer_, id, c.digest, seats);
    }
}
