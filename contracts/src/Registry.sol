// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Committees} from "./Committees.sol";
import {Terms} from "./Terms.sol";

/// @title Who takes part: consumers with their balances, operators with their stakes, and the committees.
/// @dev No owner and no pause. Whatever leaves the contract leaves at the end of a call, after every write.
abstract contract Registry is Terms {
    using Committees for Committees.Snapshot;
    using Committees for Committees.Committee;

    uint256 internal constant GWEI = 1e9;
    /// @notice How long a commitment holds unless renewed, so that absent members cannot block a quorum for ever.
    uint64 public constant COMMITMENT_TTL = 30 days;
    uint256 internal constant MAX_IMAGE_BYTES = 256;

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

    struct Commitment {
        uint40 expiresAt;
        uint32 imageVersion;
        uint8 roles;
        uint8 indexPlus1;
    }

    mapping(address consumer => Account) internal _accounts;
    mapping(address consumer => Consumer) private _consumers;
    mapping(address consumer => Retirement) private _retirements;
    mapping(address consumer => mapping(uint64 id => Committees.Snapshot)) internal _snapshots;
    mapping(address consumer => address[]) private _candidates;
    mapping(address consumer => mapping(address prover => Commitment)) private _commitments;
    mapping(address prover => Prover) private _provers;
    address[] private _consumerList;
    address[] private _proverList;
    /// @dev Index 0 is nobody: an id belongs to one address for ever, so a newcomer never inherits rewards.
    address[] internal _members;

    constructor(Params memory p) Terms(p) {
        _members.push();
    }

    // ------------------------------------------------------------------------------------------- consumers

    /// @notice Become a consumer whose requests the image (sha256 of its manifest) answers; value is its balance.
    function registerConsumer(string calldata image, bytes32 digest) external payable {
        Consumer storage c = _consumers[msg.sender];
        if (c.digest != 0) revert AlreadyRegistered();
        c.listIndex = uint32(_consumerList.length);
        _consumerList.push(msg.sender);
        _writeImage(c, image, digest);
        emit ConsumerRegistered(msg.sender, image, digest);
        _credit(msg.sender);
    }

    /// @notice Change the image. Members must commit anew; the snapshot in force ends.
    function setImage(string calldata image, bytes32 digest) external {
        Consumer storage c = _registered(msg.sender);
        _writeImage(c, image, digest);
        emit ImageChanged(msg.sender, image, digest);
        _endSnapshot(msg.sender, c.snapshotId);
    }

    /// @notice Add to a consumer's balance; whole gwei only.
    function depositEth(address consumer_) external payable {
        _registered(consumer_);
        _credit(consumer_);
    }

    /// @notice Begin to leave: the balance can be withdrawn once nothing can be owed any more.
    function beginExit() external {
        Consumer storage c = _registered(msg.sender);
        if (c.exitAt != 0) revert Exiting();
        c.exitAt = uint64(block.timestamp) + UNBOND;
        emit ExitBegun(msg.sender, c.exitAt);
        _endSnapshot(msg.sender, c.snapshotId);
    }

    /// @notice Take the balance and leave. Used nonces stay used.
    function withdrawConsumer() external {
        Consumer storage c = _registered(msg.sender);
        if (c.exitAt == 0) revert NotExiting();
        if (block.timestamp < c.exitAt) revert TooEarly();
        uint64 amount = _accounts[msg.sender].balanceGwei;
        _accounts[msg.sender].balanceGwei = 0;
        _unlist(_consumerList, c.listIndex);
        if (c.listIndex < _consumerList.length) _consumers[_consumerList[c.listIndex]].listIndex = c.listIndex;
        c.digest = 0;
        c.exitAt = 0;
        delete c.image;
        emit ConsumerWithdrawn(msg.sender, amount);
        _send(msg.sender, uint256(amount) * GWEI);
    }

    /// @notice Give up all nonces below `newBase`, so that expired or cancelled ones cannot block the window.
    /// The first call announces it, a second one with the same value, once no such request can be settled any
    /// more, makes it so.
    function retireNonces(uint64 newBase) external {
        _registered(msg.sender);
        Account memory a = _accounts[msg.sender];
        Retirement memory r = _retirements[msg.sender];
        if (newBase <= a.nonceBase || newBase > type(uint64).max - 256) revert NonceBaseNotAhead();
        if (r.newBase != newBase) {
            uint64 at = uint64(block.timestamp) + MAX_LIFETIME + SETTLE_GRACE;
            _retirements[msg.sender] = Retirement(newBase, at);
            emit NoncesRetiring(msg.sender, newBase, at);
            return;
        }
        // At effectiveAt itself a request of the last moment can still be settled.
        if (block.timestamp <= r.effectiveAt) revert TooEarly();
        uint256 shift = newBase - a.nonceBase;
        a.nonceBase = newBase;
        a.nonceWindow = shift < 128 ? a.nonceWindow >> shift : 0;
        _advance(a);
        delete _retirements[msg.sender];
        _accounts[msg.sender] = a;
        emit NoncesRetired(msg.sender, a.nonceBase);
    }

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
        uint96 amount = p.stake;
        p.stake = 0;
        p.unbondAt = 0;
        _unlist(_proverList, p.listIndex);
        if (p.listIndex < _proverList.length) _provers[_proverList[p.listIndex]].listIndex = p.listIndex;
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

    /// @notice One consumer; its digest is 0 when it is not registered.
    function consumer(address consumer_) public view returns (ConsumerView memory) {
        Consumer storage c = _consumers[consumer_];
        Account memory a = _accounts[consumer_];
        Retirement memory r = _retirements[consumer_];
        return ConsumerView({
            consumer: consumer_,
            image: c.image,
            digest: c.digest,
            balanceGwei: a.balanceGwei,
            nonceBase: a.nonceBase,
            nonceWindow: a.nonceWindow,
            pendingNonceBase: r.newBase,
            pendingNonceAt: r.effectiveAt,
            exitAt: c.exitAt,
            snapshotId: c.snapshotId,
            snapshotEndedAt: _snapshots[consumer_][c.snapshotId].endedAt
        });
    }

    /// @notice A page of the registered consumers; shorter than `limit` at the end.
    function getConsumers(uint256 offset, uint256 limit) external view returns (ConsumerView[] memory page) {
        page = new ConsumerView[](_pageSize(_consumerList.length, offset, limit));
        for (uint256 i; i < page.length; ++i) page[i] = consumer(_consumerList[offset + i]);
    }

    /// @notice One operator; its stake is 0 when it is not registered, its member id when it never was.
    function prover(address prover_) public view returns (ProverView memory) {
        Prover memory p = _provers[prover_];
        return ProverView(prover_, p.memberId, p.payout, p.stake, p.unbondAt, p.commitments);
    }

    /// @notice A page of the registered operators; shorter than `limit` at the end.
    function getProvers(uint256 offset, uint256 limit) external view returns (ProverView[] memory page) {
        page = new ProverView[](_pageSize(_proverList.length, offset, limit));
        for (uint256 i; i < page.length; ++i) page[i] = prover(_proverList[offset + i]);
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
            result[i] = CommitmentView(list[i], c.roles, c.expiresAt, _eligible(consumer_, c));
        }
    }

    // -------------------------------------------------------------------------------------------- internal

    function _registered(address consumer_) private view returns (Consumer storage c) {
        c = _consumers[consumer_];
        if (c.digest == 0) revert NotRegistered();
    }

    function _active(address prover_) private view returns (Prover storage p) {
        p = _provers[prover_];
        if (p.stake == 0) revert NotRegistered();
        if (p.unbondAt != 0) revert Unbonding();
    }

    function _payoutOf(uint256 memberId) internal view returns (address) {
        return _provers[_members[memberId]].payout;
    }

    function _writeImage(Consumer storage c, string calldata image, bytes32 digest) private {
        if (digest == 0 || bytes(image).length == 0 || bytes(image).length > MAX_IMAGE_BYTES) revert BadImage();
        c.image = image;
        c.digest = digest;
        ++c.imageVersion;
    }

    function _wholeGwei() private view returns (uint96) {
        if (msg.value % GWEI != 0) revert NotWholeGwei();
        // Every gwei figure, and every sum of them, then fits into 64 bits.
        if (address(this).balance / GWEI > type(uint64).max) revert AmountTooLarge();
        return uint96(msg.value);
    }

    function _credit(address consumer_) private {
        uint64 amount = uint64(_wholeGwei() / GWEI);
        uint64 balance = _accounts[consumer_].balanceGwei += amount;
        emit Deposited(consumer_, msg.sender, amount, balance);
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

    function _commit(address consumer_, uint8 roles) private {
        Consumer storage c = _consumers[consumer_];
        if (c.exitAt != 0) revert Exiting();
        Prover storage p = _active(msg.sender);
        if (p.stake < MIN_STAKE) revert StakeTooSmall();
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
            if (!_eligible(consumer_, _commitments[consumer_][candidate])) return candidate;
            Prover memory p = _provers[candidate];
            if (p.stake < stake || (p.stake == stake && weakest != address(0) && p.memberId > youngest)) {
                (weakest, stake, youngest) = (candidate, p.stake, p.memberId);
            }
        }
        if (weakest == address(0)) revert CommitteeFull();
    }

    /// @dev A committed operator is neither unbonding nor below the minimum stake: beginUnbond sees to that.
    function _eligible(address consumer_, Commitment memory c) private view returns (bool) {
        return c.expiresAt > block.timestamp && c.imageVersion == _consumers[consumer_].imageVersion;
    }

    function _drop(address consumer_, address prover_) private {
        address[] storage list = _candidates[consumer_];
        uint8 indexPlus1 = _commitments[consumer_][prover_].indexPlus1;
        _unlist(list, indexPlus1 - 1);
        if (indexPlus1 <= list.length) _commitments[consumer_][list[indexPlus1 - 1]].indexPlus1 = indexPlus1;
        delete _commitments[consumer_][prover_];
        --_provers[prover_].commitments;
        emit Uncommitted(consumer_, prover_);
    }

    /// @dev Nobody keeps a seat in force without a commitment, since its stake could be gone.
    function _reseat(address consumer_, address gone) private {
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
            if (!_eligible(consumer_, c)) continue;
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

    function _endSnapshot(address consumer_, uint64 id) private {
        Committees.Snapshot storage last = _snapshots[consumer_][id];
        if (last.count == 0 || last.endedAt != 0) return;
        last.endedAt = uint40(block.timestamp);
        emit SnapshotEnded(consumer_, id);
    }

    function _unlist(address[] storage list, uint256 index) private {
        list[index] = list[list.length - 1];
        list.pop();
    }

    function _pageSize(uint256 total, uint256 offset, uint256 limit) private pure returns (uint256) {
        if (offset >= total) return 0;
        return limit < total - offset ? limit : total - offset;
    }

    function _send(address to, uint256 amount) internal {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert PaymentFailed();
    }
}
