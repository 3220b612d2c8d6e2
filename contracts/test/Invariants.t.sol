// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGpnSettlement} from "../src/IGpnSettlement.sol";
import {Actor} from "./Actor.t.sol";
import {Base} from "./Base.t.sol";

/// The rest of what can be done: coming and going, money in and out, accusations of every kind.
contract Life is Actor {
    // Operators -------------------------------------------------------------------------------------------

    function comeOrGo(uint256 who, uint256 how) external {
        who %= OPERATORS;
        address o = operator(who);
        how %= 8;
        uint256 before = payoutOf(who).balance;
        uint256 stake = reg.prover(o).stake;
        vm.prank(o);
        if (how < 2) {
            try reg.uncommit(consumer) { ++done["uncommit"]; } catch {}
        }
        if (how == 1) {
            vm.prank(o);
            try reg.beginUnbond() {
                unbondAt[who] = block.timestamp + defaults().unbond;
                ++done["beginUnbond"];
            } catch {}
        } else if (how == 2 || how == 3) {
            try reg.withdrawProver() {
                blame(block.timestamp < unbondAt[who], "stake left too early");
                blame(slashed[who], "a slashed stake left");
                blame(payoutOf(who).balance - before != stake, "another stake left");
                ++done["withdrawProver"];
            } catch {}
        } else if (how == 4) {
            try reg.renew(consumer) { ++done["renew"]; } catch {}
        } else if (how > 4) {
            try reg.commit(consumer, DIGEST, uint8(2 + how % 2)) { ++done["commit"]; } catch {}
        }
        try reg.takeSnapshot(consumer) { ++done["takeSnapshot"]; } catch {}
    }

    function comeBack(uint256 who, uint256 how) external {
        who %= OPERATORS;
        vm.deal(operator(who), 2 ether);
        vm.prank(operator(who));
        if (how % 2 == 0) {
            try reg.addStake{value: 0.3 ether}() { ++done["addStake"]; } catch {}
        } else {
            try reg.registerProver{value: 1 ether}(payoutOf(who)) {
                blame(slashed[who], "a slashed member came back");
                ++done["registerProver"];
            } catch {}
        }
    }

    /// There and back again, so that the rest knows where money goes.
    function movePayout(uint256 who) external {
        who %= OPERATORS;
        try reg.setPayout(operator(who), address(this)) {
            fault = "a stranger moved a payout";
        } catch {}
        vm.prank(payoutOf(who));
        reg.setPayout(operator(who), address(0xFEED));
        vm.prank(address(0xFEED));
        reg.setPayout(operator(who), payoutOf(who));
        ++done["setPayout"];
    }

    // The consumer ----------------------------------------------------------------------------------------

    function deposit(uint256 amountGwei) external {
        amountGwei %= 1 << 32;
        vm.deal(address(this), amountGwei * 1 gwei);
        try reg.depositEth{value: amountGwei * 1 gwei}(consumer) { ++done["deposit"]; } catch {}
    }

    function consumerComesOrGoes(uint256 how) external {
        how %= 48;
        if (how == 0) {
            vm.prank(consumer);
            try reg.beginExit() { ++done["beginExit"]; } catch {}
        } else if (how < 8) {
            uint64 exitAt = reg.consumer(consumer).exitAt;
            vm.prank(consumer);
            try reg.withdrawConsumer() {
                blame(block.timestamp < exitAt, "a consumer left too early");
                ++done["withdrawConsumer"];
            } catch {}
        } else if (how < 16) {
            vm.deal(consumer, CONSUMER_MONEY);
            vm.prank(consumer);
            try reg.registerConsumer{value: CONSUMER_MONEY}("example/image:1", DIGEST) {
                ++done["registerConsumer"];
            } catch {}
        } else if (how == 16) {
            vm.prank(consumer);
            try reg.setImage("example/image:1", DIGEST) { ++done["setImage"]; } catch {}
        } else {
            retire(how);
        }
    }

    function retire(uint256 how) internal {
        IGpnSettlement.ConsumerView memory c = reg.consumer(consumer);
        uint64 base = c.pendingNonceBase > c.nonceBase ? c.pendingNonceBase : c.nonceBase + uint64(how % 5) + 1;
        vm.prank(consumer);
        try reg.retireNonces(base) { ++done["retireNonces"]; } catch {}
    }

    // Accusations -----------------------------------------------------------------------------------------

    /// Seldom true, or nobody would be left after a while; a made-up one has to fail.
    function accuse(uint256 who, uint256 seed) external {
        who %= OPERATORS;
        bytes32 id = bytes32(seed);
        bool lie = seed % 16 != 0;
        if (seed % 2 == 0) {
            IGpnSettlement.Opinion memory yes = opinion(who, id, 0, "p", 1, true);
            IGpnSettlement.Opinion memory no = opened(lie ? (who + 1) % OPERATORS : who, id, 0, "p", 2, false);
            vm.prank(REPORTER);
            try reg.slashEquivocation(operator(who), id, operator(0), "p", yes, no) { gone(who, lie); } catch {}
        } else {
            lie = seed % 15 != 0;
            IGpnSettlement.Announced memory a = announced(who, id, "p");
            IGpnSettlement.Announced memory b = announced(who, id, lie ? bytes32("p") : bytes32("q"));
            vm.prank(REPORTER);
            try reg.slashDoubleAnnouncement(operator(who), id, a, b) { gone(who, lie); } catch {}
        }
    }

    function gone(uint256 who, bool lie) internal {
        blame(lie, "slashed by a lie");
        blame(slashed[who], "slashed twice");
        blame(reg.prover(operator(who)).stake != 0, "some stake is left");
        slashed[who] = true;
        ++done["slash"];
    }

    function accuseConsumer(uint256 seed) external {
        IGpnSettlement.RequestData memory a = request(3);
        a.nonce = uint64(seed % 1000);
        a.rewardGwei = uint64(1000 + seed % 100_000_000);
        IGpnSettlement.RequestData memory b = abi.decode(abi.encode(a), (IGpnSettlement.RequestData));
        bool lie = seed % 7 == 0;
        if (!lie) b.payloadHash = bytes32(seed);
        uint64 before = reg.consumer(consumer).balanceGwei;
        IGpnSettlement.SignedRequest memory first = signedRequest(a);
        IGpnSettlement.SignedRequest memory second = signedRequest(b);
        vm.prank(REPORTER);
        try reg.slashDoubleRequest(first, second) {
            uint256 most = 4 * uint256(a.rewardGwei);
            blame(lie, "a penalty for one request");
            blame(
                before - reg.consumer(consumer).balanceGwei != (most < before ? most : before), "another penalty"
            );
            ++done["slashDoubleRequest"];
        } catch {}
    }

    function suspend(uint256 seed, uint256 how) external {
        bool signer = how % 2 == 0;
        uint64 id = reg.consumer(consumer).snapshotId;
        IGpnSettlement.Seat[] memory seats = seatsOf(id);
        if (seats.length == 0) return;
        IGpnSettlement.RequestData memory r = request(3);
        r.payloadHash = bytes32(seed);
        bytes32 requestId = reg.requestDigest(r);
        uint8 liar = uint8(seed % seats.length);
        uint8 seat = uint8((seed >> 8) % seats.length);
        // Mostly too few, or nobody would be left to settle.
        IGpnSettlement.Refuted memory f = against(requestId, seats, liar, seed % 4 == 0 ? seed : type(uint256).max);
        address target = seats[signer ? seat : liar].prover;
        uint256 stake = reg.prover(target).stake;
        if (signer) {
            IGpnSettlement.Opinion memory yes;
            yes.attempt = 1;
            bytes32 digest = reg.voteDigest(requestId, seats[liar].prover, "a lie", 1, true);
            (yes.r, yes.vs) = compact(OPERATOR_KEY + operatorOf[target], digest);
            try reg.suspendSigner(r, f, seat, yes) { suspended(target, "suspendSigner"); } catch {}
        } else {
            IGpnSettlement.Announced memory a = announced(operatorOf[target], requestId, "a lie");
            try reg.suspend(r, f, a) { suspended(target, "suspend"); } catch {}
        }
        blame(reg.prover(target).stake != stake, "a suspension took stake");
    }

    function suspended(address who, string memory what) internal {
        blame(reg.suspendedUntil(consumer, who) <= block.timestamp, "not suspended");
        IGpnSettlement.CommitmentView[] memory list = reg.committee(consumer);
        for (uint256 i; i < list.length; ++i) blame(list[i].prover == who, "still committed");
        ++done[what];
    }

    function pardonOrEvict(uint256 who, uint256 how) external {
        address o = operator(who % OPERATORS);
        if (how % 2 == 0) {
            vm.prank(consumer);
            try reg.pardon(o) { ++done["pardon"]; } catch {}
        } else {
            try reg.evict(consumer, o) {
                blame(!slashed[who % OPERATORS], "an honest member was evicted");
                ++done["evict"];
            } catch {}
        }
    }
}

contract InvariantsTest is Base {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Life internal life;

    function setUp() public override {
        life = new Life();
        life.setUp();
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(life);
    }

    function actions() internal pure returns (bytes4[20] memory) {
        return [
            Actor.settle.selector,
            Actor.settle.selector,
            Actor.settle.selector,
            Actor.extend.selector,
            Actor.supersede.selector,
            Actor.supersede.selector,
            Actor.forfeitFee.selector,
            Actor.finalize.selector,
            Actor.finalize.selector,
            Actor.withdraw.selector,
            Actor.wait.selector,
            Life.comeOrGo.selector,
            Life.comeBack.selector,
            Life.movePayout.selector,
            Life.deposit.selector,
            Life.consumerComesOrGoes.selector,
            Life.accuse.selector,
            Life.accuseConsumer.selector,
            Life.suspend.selector,
            Life.pardonOrEvict.selector
        ];
    }

    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        bytes4[20] memory wanted = actions();
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(life), new bytes4[](wanted.length));
        for (uint256 i; i < wanted.length; ++i) list[0].selectors[i] = wanted[i];
    }

    /// At any time: balance = deposits + stakes + open rewards + reward lanes + burned, and nothing of this ever
    /// happened: a nonce settled twice, somebody counted outside V, a window moved, good votes refused inside it,
    /// a record paid early, twice, or otherwise than the rules say, stake gone before its time, a slashed member
    /// that earned or came back, an accusation that held though it was made up.
    function invariant_every_wei_is_where_it_belongs() public view {
        check(bytes(life.fault()).length == 0, life.fault());
        eq(life.held(), life.owed(), "balance");
    }

    /// The actions do get somewhere: a plain walk reaches every one of them.
    function test_every_action_is_reached() public {
        uint256 seed = 7;
        string[26] memory all = [
            "settle", "settleAttested", "extend", "supersede", "forfeitFee", "finalize", "withdraw",
            "uncommit", "beginUnbond", "withdrawProver", "renew", "commit", "takeSnapshot", "addStake",
            "registerProver", "setPayout", "deposit", "beginExit", "withdrawConsumer", "registerConsumer",
            "slash", "slashDoubleRequest", "suspend", "suspendSigner", "retireNonces", "evict"
        ];
        uint256[26] memory often;
        for (uint256 walk; walk < 10; ++walk) {
            setUp();
            seed = stroll(seed);
            for (uint256 i; i < all.length; ++i) often[i] += life.done(all[i]);
        }
        for (uint256 i; i < all.length; ++i) {
            emit Reached(all[i], often[i]);
            check(often[i] != 0, string.concat("never: ", all[i]));
        }
    }

    event Reached(string action, uint256 times);

    function stroll(uint256 seed) internal returns (uint256) {
        for (uint256 i; i < 500; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            bytes4 action = actions()[seed % 20];
            (bool done,) = address(life).call(abi.encodePacked(action, seed >> 8, keccak256(abi.encode(seed, i))));
            check(done, "an action failed");
            check(bytes(life.fault()).length == 0, life.fault());
            if (i % 50 == 0) eq(life.held(), life.owed(), "balance");
        }
        return seed;
    }
}
