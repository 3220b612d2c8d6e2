// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {Base} from "./Base.t.sol";

/// Random lives of a deployment: settlements, extensions, challenges, leaving, joining, paying, waiting.
contract Actor is Base {
    uint256 internal constant OPERATORS = 6;

    bytes32[] internal keys;
    mapping(bytes32 key => IGpnSettlement.Batch) internal open;
    mapping(bytes32 requestId => bool) internal settled;
    mapping(address who => uint256) internal operatorOf;
    uint256 public settlements;
    uint256 public finalized;
    uint256 public extensions;
    uint256 public challenges;
    bool public settledTwice;
    bool public unevenPayout;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < OPERATORS; ++i) {
            enlist(i, (1 + i) * 0.5 ether);
            join(i, i == 4 ? 2 : BOTH);
            operatorOf[operator(i)] = i;
        }
        reg.takeSnapshot(consumer);
    }

    // What should be in the contract ----------------------------------------------------------------------

    function owed() external view returns (uint256 total) {
        total = uint256(reg.consumer(consumer).balanceGwei) * 1 gwei + uint256(reg.burned()) * 1 gwei;
        for (uint256 i; i < OPERATORS; ++i) {
            total += reg.prover(operator(i)).stake + uint256(reg.rewards(uint32(i + 1))) * 1 gwei;
        }
        for (uint256 i; i < keys.length; ++i) total += pending(open[keys[i]].records) * 1 gwei;
    }

    function held() external view returns (uint256) {
        return address(gpn).balance;
    }

    function pending(bytes memory records) internal pure returns (uint256 sum) {
        for (uint256 at; at < records.length; at += 128) sum += uint64(uint256(word(records, at + 64)) >> 32);
    }

    function word(bytes memory data, uint256 at) internal pure returns (bytes32 w) {
        assembly {
            w := mload(add(add(data, 32), at))
        }
    }

    function credited() internal view returns (uint256 sum) {
        for (uint32 i; i <= OPERATORS; ++i) sum += reg.rewards(i);
    }

    // Actions ---------------------------------------------------------------------------------------------

    /// Votes by the operators who sit on these seats of a snapshot now, whoever they are.
    function votesOf(uint64 snapshotId, uint256 seats, bytes32 digest) internal view returns (bytes memory v) {
        IGpnSettlement.Seat[] memory all = reg.snapshot(consumer, snapshotId).seats;
        for (uint256 i; i < all.length; ++i) {
            if ((seats >> i) & 1 == 0) continue;
            (bytes32 r, bytes32 vs) = compact(OPERATOR_KEY + operatorOf[all[i].prover], digest);
            v = bytes.concat(v, abi.encodePacked(uint8(i), r, vs));
        }
    }

    function settle(uint256 seed) external {
        uint64 snapshotId = reg.consumer(consumer).snapshotId;
        IGpnSettlement.Seat[] memory seats = reg.snapshot(consumer, snapshotId).seats;
        IGpnSettlement.Entry[] memory entries = new IGpnSettlement.Entry[](1 + seed % 10);
        for (uint256 i; i < entries.length; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            IGpnSettlement.RequestData memory r = request(uint8(1 + seed % 6));
            if (seed % 11 == 0 && r.nonce > 0) r.nonce -= 1; // now and then one that was used
            r.rewardGwei = uint64(900 + (seed >> 8) % 1_000_000_000);
            entries[i] = signed(r, uint8((seed >> 40) % seats.length));
            address proving = seats[entries[i].proverSeat].prover;
            bytes32 digest =
                reg.voteDigest(reg.requestDigest(r), proving, entries[i].proofHash, entries[i].attempt, true);
            uint256 voters = 0x3f & ~(uint256(1) << entries[i].proverSeat) & ~((seed >> 60) & (seed >> 70));
            entries[i].votes = votesOf(snapshotId, voters, digest);
        }
        store(seats[seed % seats.length].prover, bytes32(settlements), entries);
    }

    function store(address sender, bytes32 slot, IGpnSettlement.Entry[] memory entries) internal {
        vm.recordLogs();
        IGpnSettlement.Batch memory empty = none();
        vm.prank(sender);
        try gpn.settle(slot, empty, entries) {
            ++settlements;
            bytes32 key = reg.keyOf(sender, slot);
            IGpnSettlement.Batch memory batch = settledBatch();
            keys.push(key);
            open[key] = batch;
            for (uint256 at; at < batch.records.length; at += 128) {
                bytes32 requestId = word(batch.records, at);
                if (settled[requestId]) settledTwice = true;
                settled[requestId] = true;
            }
        } catch {}
    }

    function extend(uint256 which, uint256 seed) external {
        if (keys.length == 0) return;
        bytes32 key = keys[which % keys.length];
        IGpnSettlement.Batch memory batch = open[key];
        uint256 index = seed % (batch.records.length / 128);
        uint64 snapshotId = uint64(uint256(word(batch.records, index * 128 + 96)) >> 192);
        bytes memory votes = votesOf(snapshotId, (seed >> 8) & 0x3f, word(batch.records, index * 128 + 32));
        (uint256[] memory indexes, bytes[] memory lists) = (new uint256[](1), new bytes[](1));
        (indexes[0], lists[0]) = (index, votes);
        try gpn.extend(key, batch, indexes, lists) {
            ++extensions;
        } catch {}
    }

    function challenge(uint256 which, uint256 seed) external {
        if (keys.length == 0) return;
        bytes32 key = keys[which % keys.length];
        IGpnSettlement.Batch memory batch = open[key];
        uint256 index = seed % (batch.records.length / 128);
        uint64 snapshotId = uint64(uint256(word(batch.records, index * 128 + 96)) >> 192);
        IGpnSettlement.Seat[] memory seats = reg.snapshot(consumer, snapshotId).seats;
        uint8 seat = uint8((seed >> 20) % seats.length);
        bytes32 proofHash = bytes32((seed >> 30) % 3);
        bytes32 digest = reg.voteDigest(word(batch.records, index * 128), seats[seat].prover, proofHash, 1, true);
        bytes memory votes = votesOf(snapshotId, 0x3f & ~(uint256(1) << seat) & ~((seed >> 40) & 0x08), digest);
        try gpn.supersede(key, batch, index, seat, proofHash, 1, votes) {
            ++challenges;
        } catch {}
    }

    function finalize(uint256 which) external {
        if (keys.length == 0) return;
        which %= keys.length;
        bytes32 key = keys[which];
        (bytes32[] memory list, IGpnSettlement.Batch[] memory batches) = asLists(key, open[key]);
        uint256 before = credited();
        try gpn.finalize(list, batches) {
            ++finalized;
            if (credited() - before != pending(batches[0].records)) unevenPayout = true;
            delete open[key];
            keys[which] = keys[keys.length - 1];
            keys.pop();
        } catch {}
    }

    function withdraw(uint8 member) external {
        try gpn.withdrawRewards(ids(uint32(member % 7))) {} catch {}
    }

    function wait(uint24 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 100_000);
    }

    function comeOrGo(uint8 who, uint8 how) external {
        address o = operator(who % OPERATORS);
        vm.prank(o);
        if (how % 4 == 0) try reg.uncommit(consumer) {} catch {}
        else if (how % 4 == 1) try reg.beginUnbond() {} catch {}
        else if (how % 4 == 2) try reg.withdrawProver() {} catch {}
        else try reg.commit(consumer, DIGEST, 1 + how % 3) {} catch {}
        try reg.takeSnapshot(consumer) {} catch {}
    }

    function comeBack(uint8 who) external {
        uint256 i = who % OPERATORS;
        vm.deal(operator(i), 1 ether);
        vm.prank(operator(i));
        try reg.registerProver{value: 1 ether}(payoutOf(i)) {} catch {}
    }

    function deposit(uint32 amountGwei) external {
        vm.deal(address(this), uint256(amountGwei) * 1 gwei);
        reg.depositEth{value: uint256(amountGwei) * 1 gwei}(consumer);
    }
}

contract InvariantsTest is Base {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Actor internal actor;

    function setUp() public override {
        actor = new Actor();
        actor.setUp();
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(actor);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        bytes4[10] memory actions = [
            Actor.settle.selector,
            Actor.settle.selector,
            Actor.extend.selector,
            Actor.challenge.selector,
            Actor.finalize.selector,
            Actor.withdraw.selector,
            Actor.wait.selector,
            Actor.comeOrGo.selector,
            Actor.comeBack.selector,
            Actor.deposit.selector
        ];
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(actor), new bytes4[](actions.length));
        for (uint256 i; i < actions.length; ++i) list[0].selectors[i] = actions[i];
    }

    /// Balance = deposits + stakes + open batches + rewards + burned, at any time.
    function invariant_every_wei_is_accounted_for() public view {
        eq(actor.held(), actor.owed(), "balance");
    }

    function invariant_each_request_settles_once_and_pays_its_reward_exactly() public view {
        check(!actor.settledTwice(), "a request was settled twice");
        check(!actor.unevenPayout(), "shares do not add up to the rewards");
    }

    /// The actor does get somewhere: a plain walk through its actions reaches every one of them.
    function test_actor_reaches_its_actions() public {
        for (uint256 i; i < 12; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            actor.settle(seed);
            actor.extend(i, seed);
            actor.challenge(i, seed);
        }
        actor.wait(99_999);
        for (uint256 i; i < 6; ++i) actor.finalize(i);
        check(actor.settlements() > 0 && actor.extensions() > 0, "settled and extended");
        check(actor.challenges() > 0 && actor.finalized() > 0, "challenged and finalized");
        eq(actor.held(), actor.owed(), "balance");
        check(!actor.unevenPayout() && !actor.settledTwice(), "even");
    }
}
