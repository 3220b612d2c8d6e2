"""``gpn-desktop consumer``: money goes in once, comes out in time, and nothing is sent that cannot work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gpn_desktop.adapters.chain.evm import EvmChain
from gpn_desktop.adapters.sqlite import MemoryStore, SqliteNonceBook
from gpn_desktop.composition.parts import find_chain, find_contract
from gpn_desktop.config import load
from gpn_desktop.core.errors import DeploymentUnknown
from gpn_desktop.core.types import Gwei, Role, Wei, hex0x, parse_address, parse_hash
from gpn_desktop.ports.calls import Commit, RegisterProver
from gpn_desktop.services.consumer import ConsumerSide
from gpn_desktop.services.demo.stage import new_key
from tests.e2e.terminal import ETHER, Terminal, away, forget_settings, image, terminal

pytestmark = pytest.mark.timeout(120)

REGISTER = ("consumer", "register", "--image", image(), "--deposit", "1.5")


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Terminal]:
    forget_settings(monkeypatch)
    async with terminal(tmp_path) as made:
        await made.deployed()
        yield made


async def status(desk: Terminal) -> dict[str, object]:
    said = await desk.looks("consumer", "status", spends=True)
    assert said.code == 0, said
    return said.json


async def commit_operators(desk: Terminal, count: int) -> None:
    contract = parse_address(str((await desk.looks("contracts", "info")).json["contract"]))
    for _ in range(count):
        key = new_key()
        await desk.fund(key.address, 2 * ETHER)
        store = MemoryStore()
        await store.open()
        chain = EvmChain(desk.local.ws_url, contract, 31337, key, store)
        await chain.start(0)
        await chain.submit("stake", RegisterProver(key.address, Wei(ETHER)))
        digest = parse_hash(image().split(":")[1])
        await chain.submit("commit", Commit(desk.key.address, digest, Role.PROVE | Role.VERIFY))
        await chain.aclose()


async def test_a_consumer_comes_pays_and_goes(desk: Terminal) -> None:
    assert (await desk.does(*REGISTER)).code == 0
    said = await desk.does("consumer", "deposit", "--amount", "0.250000001")
    assert (said.code, said.json["sent"]) == (0, True), said
    told = await status(desk)
    assert (told["balanceGwei"], told["image"]) == (1_750_000_001, image())
    assert (told["noncesFree"], told["noncesUsed"], told["exitAt"]) == (128, 0, 0)

    said = await desk.does("consumer", "exit")
    assert said.json["command"] == "exit"
    leaves = (await status(desk))["exitAt"]
    waits = await desk.does("consumer", "exit")
    assert (waits.code, waits.json["sent"], waits.json["due"]) == (0, False, leaves), waits
    assert "in 5 days" in waits.err

    await desk.localnet.advance(5 * 86_400)
    before = await desk.rpc.balance(desk.key.address)
    said = await desk.does("consumer", "exit")
    assert said.json["command"] == "withdraw", said
    gained = await desk.rpc.balance(desk.key.address) - before
    assert gained == 1_750_000_001 * 10**9 - int(said.json["feeWei"])
    (await desk.does("consumer", "exit")).refused("GPN-1602")


async def test_a_committee_is_seated_from_the_command_line(desk: Terminal) -> None:
    await desk.does(*REGISTER)
    await commit_operators(desk, 2)
    assert (await desk.does("consumer", "snapshot")).code == 0
    told = await status(desk)
    assert (told["snapshot"], told["seats"], len(told["members"])) == (1, 2, 2)  # type: ignore[arg-type]
    assert (await desk.does("consumer", "set-image", "--image", image("22"))).code == 0
    told = await status(desk)
    assert (told["image"], told["snapshot"]) == (image("22"), 0)
    said = await desk.run(*desk.line("consumer", "status"))
    assert "0 eligible of" in said.out
    assert "none in force" in said.out


async def test_nonces_are_given_up_in_two_steps(desk: Terminal) -> None:
    await desk.does(*REGISTER)
    assert (await desk.does("consumer", "retire-nonces", "--below", "40")).code == 0
    told = await status(desk)
    assert (told["pendingNonceBase"], told["nonceBase"]) == (40, 0)
    waits = await desk.does("consumer", "retire-nonces")
    assert (waits.json["sent"], waits.json["due"]) == (False, told["pendingNonceAt"])
    await desk.localnet.advance(3 * 86_400 + 1)
    assert (await desk.does("consumer", "retire-nonces")).code == 0
    told = await status(desk)
    assert (told["pendingNonceBase"], told["nonceBase"]) == (0, 40)
    (await desk.does("consumer", "retire-nonces", "--below", "40")).refused("GPN-1107")


async def test_what_was_signed_here_shows_until_it_cannot_be_settled(desk: Terminal) -> None:
    await desk.does(*REGISTER)
    await commit_operators(desk, 3)
    await desk.does("consumer", "snapshot")
    store = MemoryStore()
    await store.open()
    contract = parse_address(str((await desk.looks("contracts", "info")).json["contract"]))
    chain = EvmChain(desk.local.ws_url, contract, 31337, None, store)
    await chain.start(0)
    side = ConsumerSide(chain, desk.key, 0, SqliteNonceBook(desk.data / "consumers" / "nonces.db"))
    for name in ("one", "two"):
        await side.order_once(name, b"payload", Gwei(5000), 60)
    await chain.aclose()
    told = await status(desk)
    assert (told["exposureGwei"], told["openRequests"]) == (10_000, 2)
    assert (told["noncesSigned"], told["noncesFree"]) == (2, 126)
    await desk.localnet.advance(1801 + 2 * 86_400)
    told = await status(desk)
    assert (told["exposureGwei"], told["noncesFree"]) == (0, 126), "the nonces stay taken"


async def cut_off(desk: Terminal, *words: str) -> None:
    """A command whose process dies after it sent its transaction, before there is a receipt."""
    await desk.ask("evm_setAutomine", False)
    before = await desk.nonce()
    process = await desk.start(*words)
    await desk.sends(process, before)
    process.kill()
    await process.wait()
    assert await desk.waiting() == before + 1


async def mining(desk: Terminal, *words: str) -> dict[str, object]:
    """Do it while blocks come."""
    task = asyncio.create_task(desk.does(*words))
    while not task.done():
        await desk.ask("evm_mine")
        await asyncio.sleep(0.1)
    said = await task
    assert said.code == 0, said
    await desk.ask("evm_setAutomine", True)
    return said.json


async def test_a_deposit_cut_off_is_not_made_twice(desk: Terminal) -> None:
    await desk.does(*REGISTER)
    deposit = ("consumer", "deposit", "--amount", "2")
    await cut_off(desk, *deposit)
    said = await desk.looks("consumer", "status", spends=True)
    assert "was cut off: deposit" in said.err
    assert said.json["balanceGwei"] == 1_500_000_000, "it does not wait for the transaction"
    again = await mining(desk, *deposit)
    assert (again["resumed"], again["sent"]) == (True, False)
    assert (await status(desk))["balanceGwei"] == 3_500_000_000
    more = await desk.does(*deposit)
    assert (more.json["resumed"], (await status(desk))["balanceGwei"]) == (False, 5_500_000_000)


async def test_a_deposit_cut_off_and_mined_is_not_made_twice(desk: Terminal) -> None:
    await desk.does(*REGISTER)
    deposit = ("consumer", "deposit", "--amount", "2")
    await cut_off(desk, *deposit)
    await desk.ask("evm_mine")
    await desk.ask("evm_setAutomine", True)
    again = await desk.does(*deposit)
    assert again.json["resumed"] is True
    assert (await status(desk))["balanceGwei"] == 3_500_000_000


async def test_another_command_first_ends_what_was_cut_off(desk: Terminal) -> None:
    await desk.does(*REGISTER)
    await cut_off(desk, "consumer", "deposit", "--amount", "2")
    other = await mining(desk, "consumer", "deposit", "--amount", "3")
    assert (other["resumed"], other["sent"]) == (False, True)
    assert (await status(desk))["balanceGwei"] == 6_500_000_000


async def test_two_commands_at_once_by_one_key(desk: Terminal) -> None:
    await desk.does(*REGISTER)
    await desk.ask("evm_setAutomine", False)
    process = await desk.start("consumer", "deposit", "--amount", "2")
    await desk.sends(process, 2)
    (await desk.does("consumer", "deposit", "--amount", "2")).refused("GPN-1203")
    said = await desk.looks("consumer", "status", spends=True)
    assert (said.code, "is under way" in said.err) == (0, True), said
    await desk.ask("evm_mine")
    await desk.ask("evm_setAutomine", True)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["sent"] is True
    assert (await status(desk))["balanceGwei"] == 3_500_000_000


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("deposit", "--amount", "0.0000000000000000001"), "--amount: an amount of ETH"),
        (("deposit", "--amount", "0.0000000001"), "--amount: the contract counts in whole gwei"),
        (("deposit", "--amount=-1"), "--amount"),
        (("deposit", "--amount", "0"), "--amount"),
        (("deposit", "--amount", "1,5"), "--amount"),
        (("deposit", "--amount", "NaN"), "--amount"),
        (("deposit", "--amount", "1e400"), "--amount"),
        (("deposit", "--amount", "1", "--consumer", "0x12"), "--consumer"),
        (("register", "--deposit", "0.1234567891", "--image", image()), "--deposit"),
        (("register", "--deposit", "1", "--image", "example/prover"), "--image"),
        (("register", "--deposit", "1", "--image", "example/prover:latest"), "--image"),
        (("register", "--deposit", "1", "--image", "example/prover@sha256:12"), "--image"),
        (("register", "--deposit", "1", "--image", "0x" + "11" * 20), "--image"),
        (("register", "--deposit", "1", "--image", image("1G")), "--image"),
        (("retire-nonces", "--below", "many"), "--below"),
        (("retire-nonces", "--below", str(2**64)), "--below"),
        (("pardon", "--member", "somebody"), "--member"),
    ],
)
async def test_options_that_cannot_be_used(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    """Found before anything else: no chain, no key is needed to say so."""
    desk = Terminal(None, None, tmp_path, new_key(), None)  # type: ignore[arg-type]  # neither is asked
    line = ("consumer", *words, "--ethereum-api", away(), "--key-file", str(tmp_path / "none"), "--yes")
    assert says in (await desk.run(*line)).refused("GPN-1107")


async def test_money_that_is_not_there(desk: Terminal) -> None:
    await desk.does(*REGISTER)
    line = (await desk.does("consumer", "deposit", "--amount", "1000")).refused("GPN-1305")
    assert "this takes 1000 ETH and gas" in line
    assert "has 98.4" in line
    # Enough for the deposit, and not for its gas.
    balance = await desk.rpc.balance(desk.key.address)
    rest = f"0.{(balance - 98 * ETHER) // 10**9:09}"
    line = (await desk.does("consumer", "deposit", "--amount", "98" + rest[1:])).refused("GPN-1305")
    assert "ETH for gas" in line
    assert await desk.nonce() == 2, "neither was sent"


async def test_nothing_is_sent_unasked(desk: Terminal) -> None:
    (await desk.run(*desk.line(*REGISTER))).refused("GPN-1108")
    assert await desk.waiting() == 1, "the deployment alone"


async def test_what_the_contract_refuses_is_not_sent(desk: Terminal) -> None:
    (await desk.does("consumer", "exit")).refused("GPN-1602")
    (await desk.looks("consumer", "status", spends=True)).refused("GPN-1602")
    assert "NotRegistered" in (await desk.does("consumer", "deposit", "--amount", "1")).refused("GPN-1304")
    await desk.does(*REGISTER)
    assert "AlreadyRegistered" in (await desk.does(*REGISTER)).refused("GPN-1304")
    assert await desk.nonce() == 2, "what was refused cost no gas"


async def test_where_there_is_no_such_contract_or_chain(desk: Terminal) -> None:
    deposit = ("consumer", "deposit", "--amount", "1")
    nowhere = hex0x(new_key().address)
    (await desk.does(*deposit, "--contract-address", nowhere)).refused("GPN-1303")
    (await desk.does(*deposit, "--chain-id", "1")).refused("GPN-1302")
    line = ("--ethereum-api", away(), "--data-dir", str(desk.data), "--key-file", str(desk.key_file()))
    (await desk.run(*deposit, *line, "--yes")).refused("GPN-1301")
    (desk.data / "deployments" / "31337.json").unlink()
    (await desk.does(*deposit)).refused("GPN-1109")


async def test_a_node_takes_the_newest_contract_of_its_chain(desk: Terminal) -> None:
    second = await desk.deployed()
    deployment = (await desk.looks("contracts", "info")).json["deployment"]
    env = {"ETHEREUM_API": desk.local.ws_url, "GPN_DATA_DIR": str(desk.data)}
    found = find_contract(await find_chain(load(env=env)))
    assert found.contract is not None
    assert hex0x(found.contract) == second
    assert found.contract_block == deployment["block"]
    named = find_contract(await find_chain(load(env={**env, "CONTRACT_ADDRESS": "0x" + "11" * 20})))
    assert named.contract == parse_address("11" * 20)
    with pytest.raises(DeploymentUnknown):
        find_contract(await find_chain(load(env={**env, "GPN_CHAIN_ID": "5"})))
