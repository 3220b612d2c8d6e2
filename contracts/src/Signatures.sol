// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "./IGpnSettlement.sol";

/// @title EIP-712 digests of the protocol and recovery of their signers.
/// @dev The type strings are those of gpn_desktop/core/eip712.py; proto/vectors/eip712.json pins both.
abstract contract Signatures {
    bytes32 internal constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant REQUEST_TYPE = keccak256(
        "Request(address consumer,uint64 nonce,uint64 rewardGwei,uint64 deadline,uint8 quorum,"
        "uint64 snapshotId,bytes32 payloadHash,bytes32 detailsHash)"
    );
    bytes32 internal constant VOTE_TYPE =
        keccak256("Vote(bytes32 requestId,address prover,bytes32 proofHash,uint8 attempt,bool valid)");
    bytes32 internal constant BATCH_VOTE_TYPE = keccak256("BatchVote(bytes32[] votes)");
    bytes32 internal constant ANNOUNCEMENT_TYPE = keccak256(
        "Announcement(bytes32 requestId,address prover,uint8 attempt,bytes32 proofHash,uint64 size,bytes32 seed)"
    );
    uint256 internal constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice The domain of every signature; follows the chain id if the chain splits.
    function DOMAIN_SEPARATOR() public view virtual returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, keccak256("GPN"), keccak256("1"), block.chainid, address(this)));
    }

    function _requestDigest(bytes32 domain, IGpnSettlement.RequestData memory request)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = REQUEST_TYPE;
        bytes32 structHash;
        assembly ("memory-safe") {
            // A structure of value types lies in memory as abi.encode would write it.
            let free := mload(0x40)
            mstore(free, kind)
            mcopy(add(free, 32), request, 256)
            structHash := keccak256(free, 288)
        }
        return _typed(domain, structHash);
    }

    function _voteDigest(
        bytes32 domain,
        bytes32 requestId,
        address prover,
        bytes32 proofHash,
        uint8 attempt,
        bool valid
    ) internal pure returns (bytes32) {
        bytes32 kind = VOTE_TYPE;
        bytes32 structHash;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, kind)
            mstore(add(free, 32), requestId)
            mstore(add(free, 64), prover)
            mstore(add(free, 96), proofHash)
            mstore(add(free, 128), attempt)
            mstore(add(free, 160), valid)
            structHash := keccak256(free, 192)
        }
        return _typed(domain, structHash);
    }

    function _batchVoteDigest(bytes32 domain, bytes32[] memory votes) internal pure returns (bytes32) {
        return _typed(domain, keccak256(abi.encode(BATCH_VOTE_TYPE, keccak256(abi.encodePacked(votes)))));
    }

    function _typed(bytes32 domain, bytes32 structHash) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, hex"1901")
            mstore(add(free, 2), domain)
            mstore(add(free, 34), structHash)
            digest := keccak256(free, 66)
        }
    }

    /// @dev The signer of an EIP-2098 signature; 0 when it is none, or its s is high.
    function _recover(bytes32 digest, bytes32 r, bytes32 vs) internal pure returns (address signer) {
        uint256 s = uint256(vs) & (type(uint256).max >> 1);
        if (s > HALF_ORDER) return address(0);
        return ecrecover(digest, uint8(27 + (uint256(vs) >> 255)), r, bytes32(s));
    }

    /// @dev Checks packed votes against the seats at `seats` (see Committees).
    /// @return counted bitmap of the seats that signed
    /// @return good false on a wrong length, order, seat or signature; counted means nothing then
    function _checkVotes(bytes32 digest, bytes calldata votes, uint256 seats, uint256 count)
        internal
        view
        returns (uint256 counted, bool good)
    {
        uint256 half = HALF_ORDER;
        assembly ("memory-safe") {
            let bad := mod(votes.length, 65)
            let m := mload(0x40)
            let p := votes.offset
            let end := add(p, votes.length)
            mstore(m, digest)
            // `lowest` is the smallest seat that may come next: a member counts once.
            let lowest := 0
            for {} and(iszero(bad), lt(p, end)) { p := add(p, 65) } {
                let seat := byte(0, calldataload(p))
                let vs := calldataload(add(p, 33))
                let s := shr(1, shl(1, vs))
                mstore(add(m, 32), add(27, shr(255, vs)))
                calldatacopy(add(m, 64), add(p, 1), 32)
                mstore(add(m, 96), s)
                // Without a signer nothing is returned, and what was there must not pass for one; 0 is no member.
                mstore(0, 0)
                pop(staticcall(gas(), 1, m, 128, 0, 32))
                let signer := mload(0)
                // In order, low s, and that seat's signature.
                bad := or(
                    lt(seat, lowest),
                    or(gt(s, half), xor(signer, shr(96, mload(add(seats, mul(seat, 26))))))
                )
                lowest := add(seat, 1)
                counted := or(counted, shl(seat, 1))
            }
            // Seats increase: when the last one exists, all do.
            good := iszero(or(bad, gt(lowest, count)))
        }
    }
}
