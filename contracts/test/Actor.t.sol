// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {Accuser} from "./Accuser.t.sol";

/// Random lives of a deployment, and beside them what should have become of every gwei. Each action is one that
/// somebody could take; what the contract refuses is no fault, what it does otherwise than told is.
contract Actor is Accuser {
    uint256 internal constant OPERATORS = 8;
    uint256 internal constant CONSUMER_MONEY = 3 ether;

    /// What is known of a record beside its batch.
    struct Extra {
        uint256 counted;
        uint256 forfeited;
        bytes32 challenger;
        uint256 challengerVotes;
        uint8 challengerSeat;
    }

    bytes32[] internal keys;
    mapping(bytes32 key => IGpnSettlement.Batch) internal open;
    mapping(bytes32 key => mapping(uint256 index => Extra)) internal extras;
    mapping(bytes32 key => IGpnSettlement.RequestData[]) internal requests;
    mapping(uint64 nonce => bool) internal settledNonce;
    mapping(address who => uint256) internal operatorOf;
    mapping(uint256 who => uint256) internal unbondAt;
    mapping(uint256 who => bool) public slashed;
    uint256[9] internal expected;
    uint256 internal slots;

    mapping(string what => uint256) public done;
    string public fault;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < OPERATORS; ++i) {
            operatorOf[operator(i)] = i;
            enlist(i, (1 + i) * 0.5 ether);
            join(i, i == 4 ? 2 : BOTH);
        }
        reg.takeSnapshot(consumer);
    }

    function blame(bool bad, string memory what) internal {
        if (bad) fault = what;
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

    function seatsOf(uint64 id) internal view returns (IGpnSettlement.Seat[] memory) {
        return reg.snapshot(consumer, id).seats;
    }

    /// V as a bitmap.
    function verifiers(IGpnSettlement.Seat[] memory seats, uint256 prover) internal pure returns (uint256 v) {
        for (uint256 i; i < seats.length; ++i) if (i != prover && seats[i].roles & 2 != 0) v |= 1 << i;
    }

    // Settling --------------------------------------------------------------------------------------------

    /// Votes by the operators who sit on these seats, whoever they are.
    function votesOf(IGpnSettlement.Seat[] memory all, uint256 seats, bytes32 digest)
        internal
        view
        returns (bytes memory v)
    {
        for (uint256 i; i < all.length; ++i) {
            if ((seats >> i) & 1 == 0) continue;
            (bytes32 r, bytes32 vs) = compact(OPERATOR_KEY + operatorOf[all[i].prover], digest);
            v = bytes.concat(v, abi.encodePacked(uint8(i), r, vs));
        }
    }

    function settle(uint256 seed, uint256 how) external {
        bool attested = how % 2 == 0;
        uint64 id = reg.consumer(consumer).snapshotId;
        IGpnSettlement.Seat[] memory seats = seatsOf(id);
        if (seats.length == 0) return;
        IGpnSettlement.Entry[] memory entries = new IGpnSettlement.Entry[](1 + seed % 4);
        bytes32[] memory digests = new bytes32[](entries.length);
        for (uint256 i; i < entries.length; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            entries[i] = someEntry(seed, seats);
            digests[i] = reg.voteDigest(
                reg.requestDigest(entries[i].request),
                seats[entries[i].proverSeat].prover,
                entries[i].proofHash,
                entries[i].attempt,
                true
            );
            uint256 voters = verifiers(seats, entries[i].proverSeat) & ~((seed >> 60) & (seed >> 70));
            if (!attested) entries[i].votes = votesOf(seats, voters, digests[i]);
        }
        bytes memory signatures;
        if (attested) signatures = votesOf(seats, verifiers(seats, 99), reg.batchVoteDigest(digests));
        send(seats[seed % seats.length].prover, entries, signatures);
    }

    function someEntry(uint256 seed, IGpnSettlement.Seat[] memory seats)
        internal
        returns (IGpnSettlement.Entry memory)
    {
        uint8 prover = uint8((seed >> 40) % seats.length);
        uint256 v = count(verifiers(seats, prover));
        IGpnSettlement.RequestData memory r = request(uint8(v / 2 + 1 + seed % 2));
        r.nonce = reg.consumer(consumer).nonceBase + uint64((seed >> 90) % 9);
        r.payloadHash = bytes32(seed);
        r.rewardGwei = uint64(1000 + (seed >> 8) % 100_000_000);
        if (seed % 31 == 0) r.rewardGwei = uint64(seed % 1000);
        return signed(r, prover);
    }

    function send(address sender, IGpnSettlement.Entry[] memory entries, bytes memory signatures) internal {
        IGpnSettlement.Batch memory empty = none();
        bytes32 slot = bytes32(slots++);
        vm.recordLogs();
        vm.prank(sender);
        if (signatures.length == 0) {
            try gpn.settle(slot, empty, entries) {
                remember(reg.keyOf(sender, slot), settledBatch(), entries);
                ++done["settle"];
            } catch {}
        } else {
            try gpn.settleAttested(slot, empty, entries, signatures) {
                remember(reg.keyOf(sender, slot), settledBatch(), entries);
                ++done["settleAttested"];
            } catch {}
        }
    }

    function remember(bytes32 key, IGpnSettlement.Batch memory batch, IGpnSettlement.Entry[] memory entries)
        internal
    {
        keys.push(key);
        open[key] = batch;
        blame(batch.finalizeAt != block.timestamp + defaults().window, "the window is another one");
        for (uint256 i; i < batch.records.length / 128; ++i) {
            bytes32 requestId = word(batch.records, i * 128);
            uint256 counted = uint32(uint256(word(batch.records, i * 128 + 64)));
            extras[key][i].counted = counted;
            for (uint256 j; j < entries.length; ++j) {
                if (reg.requestDigest(entries[j].request) != requestId) continue;
                IGpnSettlement.RequestData memory r = entries[j].request;
                requests[key].push(r);
                blame(settledNonce[r.nonce], "a nonce settled twice");
                settledNonce[r.nonce] = true;
                uint256 v = verifiers(seatsOf(r.snapshotId), entries[j].proverSeat);
                blame(counted & ~v != 0, "somebody counted who is not in V");
                blame(count(counted) < r.quorum || 2 * count(counted) <= count(v), "no quorum");
                break;
            }
        }
    }

    // In the window ---------------------------------------------------------------------------------------

    struct Pick {
        bytes32 key;
        uint256 index;
        uint64 id;
        uint8 prover;
        bytes32 requestId;
    }

    function pick(uint256 which, uint256 seed) internal view returns (Pick memory p) {
        p.key = keys[which % keys.length];
        p.index = seed % (open[p.key].records.length / 128);
        bytes32 low = word(open[p.key].records, p.index * 128 + 96);
        (p.id, p.prover) = (uint64(uint256(low) >> 192), uint8(uint256(low)));
        p.requestId = word(open[p.key].records, p.index * 128);
    }

    function extend(uint256 which, uint256 seed) external {
        if (keys.length == 0) return;
        Pick memory p = pick(which, seed);
        IGpnSettlement.Batch memory batch = open[p.key];
        IGpnSettlement.Seat[] memory seats = seatsOf(p.id);
        uint256 voters = verifiers(seats, p.prover) & (seed >> 8);
        bytes memory votes = votesOf(seats, voters, word(batch.records, p.index * 128 + 32));
        uint256[] memory indexes = new uint256[](1);
        bytes[] memory lists = new bytes[](1);
        (indexes[0], lists[0]) = (p.index, votes);
        try gpn.extend(p.key, batch, indexes, lists) {
            blame(block.timestamp >= batch.finalizeAt, "extended after the window");
            extras[p.key][p.index].counted |= voters;
            ++done["extend"];
        } catch {
            blame(block.timestamp < batch.finalizeAt, "good votes were refused");
        }
    }

    function supersede(uint256 which, uint256 seed) external {
        if (keys.length == 0) return;
        Pick memory p = pick(which, seed);
        IGpnSettlement.Batch memory batch = open[p.key];
        IGpnSettlement.Seat[] memory seats = seatsOf(p.id);
        uint8 seat = uint8((seed >> 20) % seats.length);
        bytes32 proofHash = bytes32((seed >> 30) % 3);
        bytes32 digest = reg.voteDigest(p.requestId, seats[seat].prover, proofHash, 1, true);
        uint256 voters = verifiers(seats, seat) & ~(seed >> 40 & seed >> 50);
        bytes memory votes = votesOf(seats, voters, digest);
        Extra storage x = extras[p.key][p.index];
        try gpn.supersede(p.key, batch, p.index, seat, proofHash, 1, votes) {
            bool known = x.challenger == digest;
            blame(!known && block.timestamp >= batch.finalizeAt - defaults().window / 8, "a late challenger");
            blame(!known && count(voters) <= count(x.challengerVotes), "a weaker challenger");
            x.challengerVotes = known ? x.challengerVotes | voters : voters;
            (x.challenger, x.challengerSeat) = (digest, seat);
            ++done["supersede"];
        } catch {}
    }

    function forfeitFee(uint256 which, uint256 seed) external {
        if (keys.length == 0) return;
        Pick memory p = pick(which, seed);
        IGpnSettlement.Batch memory batch = open[p.key];
        IGpnSettlement.Seat[] memory seats = seatsOf(p.id);
        uint8 seat = uint8((seed >> 20) % seats.length);
        uint8 liar = uint8((seed >> 30) % seats.length);
        IGpnSettlement.Refuted memory f = against(p.requestId, seats, liar, seed);
        bytes32 digest = reg.voteDigest(p.requestId, seats[liar].prover, f.proofHash, 1, true);
        IGpnSettlement.Opinion memory yes;
        yes.attempt = 1;
        (yes.r, yes.vs) = compact(OPERATOR_KEY + operatorOf[seats[seat].prover], digest);
        try reg.forfeitFee(p.key, batch, p.index, f, seat, yes) {
            extras[p.key][p.index].forfeited |= 1 << seat;
            ++done["forfeitFee"];
        } catch {}
    }

    /// Votes against a proof of a seat: of all of V, or of some of it.
    function against(bytes32 requestId, IGpnSettlement.Seat[] memory seats, uint8 liar, uint256 seed)
        internal
        view
        returns (IGpnSettlement.Refuted memory f)
    {
        (f.proverSeat, f.attempt, f.proofHash) = (liar, 1, "a lie");
        uint256 voters = verifiers(seats, liar) & ~(seed >> 60 & seed >> 70 & seed >> 80);
        f.votes = votesOf(seats, voters, reg.voteDigest(requestId, seats[liar].prover, "a lie", 1, false));
    }

    // Paying ----------------------------------------------------------------------------------------------

    function finalize(uint256 which) external {
        if (keys.length == 0) return;
        which %= keys.length;
        bytes32 key = keys[which];
        (bytes32[] memory list, IGpnSettlement.Batch[] memory batches) = asLists(key, open[key]);
        for (uint32 id; id <= OPERATORS; ++id) expected[id] = reg.rewards(id);
        for (uint256 i; i < batches[0].records.length / 128; ++i) expect(key, batches[0].records, i);
        try gpn.finalize(list, batches) {
            blame(block.timestamp < batches[0].finalizeAt, "paid too early");
            for (uint32 id; id <= OPERATORS; ++id) blame(reg.rewards(id) != expected[id], "paid otherwise");
            ++done["finalize"];
            delete open[key];
            keys[which] = keys[keys.length - 1];
            keys.pop();
            try gpn.finalize(list, batches) {
                fault = "paid twice";
            } catch {}
        } catch {
            blame(block.timestamp >= batches[0].finalizeAt, "a batch cannot be paid");
        }
    }

    /// What a record gives to whom, by the rules as contract.md has them.
    function expect(bytes32 key, bytes memory records, uint256 i) internal {
        uint256 low = uint256(word(records, i * 128 + 96));
        uint256 reward = uint64(uint256(word(records, i * 128 + 64)) >> 32);
        IGpnSettlement.Seat[] memory seats = seatsOf(uint64(low >> 192));
        Extra storage x = extras[key][i];
        (uint256 counted, uint256 prover) = (x.counted, low & 0xff);
        if (count(x.challengerVotes) > count(counted)) {
            (counted, prover) = (x.challengerVotes, x.challengerSeat);
        }
        uint256 v = count(verifiers(seats, prover));
        uint256 left = v - count(counted);
        uint256 fee = reward * 2000 / 10_000 / v;
        uint256 rest = reward;
        for (uint256 s; s < seats.length; ++s) {
            if ((counted >> s) & 1 == 0) continue;
            give((x.forfeited >> s) & 1 != 0 ? 0 : seats[s].memberId, fee);
            rest -= fee;
        }
        uint256 burned = fee * left + (left == 0 ? 0 : reward * 2000 * left / (10_000 * v));
        give(0, burned);
        rest -= burned;
        uint256 tipped = (low >> 16) & 0xff;
        if (tipped != 0 && tipped - 1 != prover) {
            give(seats[tipped - 1].memberId, 500);
            rest -= 500;
        }
        give(seats[prover].memberId, rest);
    }

    function give(uint32 id, uint256 amount) internal {
        expected[id != 0 && slashed[id - 1] ? 0 : id] += amount;
    }

    function withdraw(uint256 member) external {
        uint32 id = uint32(member % (OPERATORS + 1));
        uint256 amount = reg.rewards(id);
        address to = id == 0 ? address(0) : reg.prover(operator(id - 1)).payout;
        uint256 before = to.balance;
        try gpn.withdrawRewards(ids(id)) {
            blame(id == 0 || to.balance - before != amount * 1 gwei, "withdrawn otherwise");
            blame(reg.rewards(id) != 0, "left in the lane");
            ++done["withdraw"];
        } catch {
            blame(id != 0 && amount != 0, "rewards cannot be withdrawn");
        }
    }

    function wait(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 100_000);
    }
}
