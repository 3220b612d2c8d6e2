// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Committees} from "./Committees.sol";
import {State} from "./State.sol";

/// @title Consumers: who pays for proofs, with which image, and how they leave.
/// @dev No owner and no pause. Whatever leaves the contract leaves at the end of a call, after every write.
abstract contract Consumers is State {
    uint256 internal constant MAX_IMAGE_BYTES = 256;

    /// @dev This code's own address. Only GpnSettlement, which runs it upon its own storage, holds money.
    address private immutable _code = address(this);

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

    // -------------------------------------------------------------------------------------------- internal

    function _registered(address consumer_) internal view returns (Consumer storage c) {
        c = _consumers[consumer_];
        if (c.digest == 0) revert NotRegistered();
    }

    function _writeImage(Consumer storage c, string calldata image, bytes32 digest) private {
        if (digest == 0 || bytes(image).length == 0 || bytes(image).length > MAX_IMAGE_BYTES) revert BadImage();
        c.image = image;
        c.digest = digest;
        ++c.imageVersion;
    }

    /// @dev The value that came with the call, in wei.
    function _wholeGwei() internal view returns (uint96) {
        if (address(this) == _code) revert NotHere();
        if (msg.value % GWEI != 0) revert NotWholeGwei();
        // Every gwei figure, and every sum of them, then fits into 63 bits, beside a lane's flag.
        if (address(this).balance / GWEI >= SLASHED) revert AmountTooLarge();
        return uint96(msg.value);
    }

    function _credit(address consumer_) private {
        uint64 amount = uint64(_wholeGwei() / GWEI);
        uint64 balance = _accounts[consumer_].balanceGwei += amount;
        emit Deposited(consumer_, msg.sender, amount, balance);
    }

    function _endSnapshot(address consumer_, uint64 id) internal {
        Committees.Snapshot storage last = _snapshots[consumer_][id];
        if (last.count == 0 || last.endedAt != 0) return;
        last.endedAt = uint40(block.timestamp);
        emit SnapshotEnded(consumer_, id);
    }

    function _unlist(address[] storage list, uint256 index) internal {
        list[index] = list[list.length - 1];
        list.pop();
    }

    function _pageSize(uint256 total, uint256 offset, uint256 limit) internal pure returns (uint256) {
        if (offset >= total) return 0;
        return limit < total - offset ? limit : total - offset;
    }
}
