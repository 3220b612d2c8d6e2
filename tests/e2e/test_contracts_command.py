"""``gpn-desktop contracts``: a contract is deployed once, found again, and told from every other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gpn_desktop.adapters.chain.artifact import REGISTRY, SETTLEMENT, load_artifact
from gpn_desktop.adapters.keyring import KeystoreSecrets
from gpn_desktop.composition.demo import ARTIFACT
from gpn_desktop.core.types import Address, hex0x, parse_address
from gpn_desktop.services.demo.stage import new_key
from tests.e2e.terminal import ETHER, Terminal, away, forget_settings, terminal
from tests.e2e.world import eventually

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Terminal]:
    forget_settings(monkeypatch)
    async with terminal(tmp_path) as made:
        yield made


async def test_a_contract_from_its_deployment_to_its_totals(desk: Terminal) -> None:
    said = await desk.does(
        "contracts", "deploy", "--window", "2h", "--unbond", "4d", "--min-stake-eth", "0.75"
    )
    assert said.code == 0, said
    first = said.json
    assert first["verified"] is True
    assert (first["chainId"], first["resumed"]) == (31337, False)
    assert (first["params"]["window"], first["params"]["min_stake"]) == ("7200", str(75 * 10**16))
    assert "It costs about 0." in said.err, "what it costs is said before it is spent"

    verified = await desk.looks("contracts", "verify")
    assert (verified.code, verified.json["matches"]) == (0, True), verified
    assert [c["settings_follow"] for c in verified.json["codes"]] == [True, True]

    told = (await desk.looks("contracts", "info")).json
    assert (told["contract"], told["params"]) == (first["contract"], first["params"])
    assert (told["consumers"], told["provers"], told["burnedGwei"], told["balanceWei"]) == (0, 0, 0, "0")
    assert told["deployment"]["tx"] == first["tx"]


async def test_a_second_deployment_is_the_default_and_the_first_is_kept(desk: Terminal) -> None:
    first, second = await desk.deployed(), await desk.deployed()
    assert first != second
    listed = json.loads((desk.data / "deployments" / "31337.json").read_text())["deployments"]
    assert [entry["contract"] for entry in listed] == [first, second]
    assert (await desk.looks("contracts", "info")).json["contract"] == second
    named = await desk.looks("contracts", "info", "--contract-address", first)
    assert named.json["contract"] == first


async def test_people_get_people_s_units(desk: Terminal) -> None:
    await desk.deployed()
    said = await desk.run(*desk.line("contracts", "info", spends=False))
    for part in ("1 day", "2 days", "10 min", "0.5 ETH", "1000 gwei", "prover 60 %"):
        assert part in said.out
    said = await desk.run(*desk.line("contracts", "verify", spends=False))
    assert "this is the contract that this program knows" in said.out


async def test_nothing_is_sent_unasked(desk: Terminal) -> None:
    said = await desk.run(*desk.line("contracts", "deploy"))
    said.refused("GPN-1108")
    assert await desk.waiting() == 0
    (await desk.looks("contracts", "info")).refused("GPN-1109")


async def test_a_code_that_differs_in_one_byte(desk: Terminal) -> None:
    contract = parse_address(await desk.deployed())
    code = bytearray(await desk.rpc.code(contract))
    runtime = load_artifact(ARTIFACT).runtime[SETTLEMENT]
    masked = {at for start, length in runtime.immutables for at in range(start, start + length)}
    place = next(at for at in range(5000, len(code)) if at not in masked)
    code[place] ^= 1
    await desk.ask("anvil_setCode", hex0x(contract), hex0x(bytes(code)))
    said = await desk.looks("contracts", "verify")
    assert said.code == 1
    assert [c["differs_at"] for c in said.json["codes"]] == [place, None]
    said = await desk.run(*desk.line("contracts", "verify", spends=False))
    assert (said.code, f"DIFFERS at byte {place}" in said.out, "ANOTHER CONTRACT" in said.out) == (
        1,
        True,
        True,
    )


@pytest.mark.parametrize("which", [SETTLEMENT, REGISTRY])
async def test_a_setting_that_the_terms_do_not_tell(desk: Terminal, which: str) -> None:
    """The code is the right one, but for one of the places where a deployment's own values stand."""
    contract = parse_address(await desk.deployed())
    registry = parse_address(str((await desk.looks("contracts", "info")).json["registry"]))
    address: Address = contract if which == SETTLEMENT else registry
    code = bytearray(await desk.rpc.code(address))
    runtime = load_artifact(ARTIFACT).runtime[which]
    words = runtime.words(bytes(code))
    at = next(i for i, word in enumerate(words) if int.from_bytes(word, "big") == 86_400)
    start, length = runtime.immutables[at]
    code[start : start + length] = (1).to_bytes(length, "big")
    await desk.ask("anvil_setCode", hex0x(address), hex0x(bytes(code)))
    said = await desk.looks("contracts", "verify")
    assert said.code == 1
    assert [c["differs_at"] for c in said.json["codes"]] == [None, None]
    assert False in [c["settings_follow"] for c in said.json["codes"]]


async def test_what_is_no_such_contract(desk: Terminal) -> None:
    nothing = ("--contract-address", hex0x(new_key().address))
    for action in ("verify", "info"):
        (await desk.looks("contracts", action, *nothing)).refused("GPN-1303")
    other = new_key().address
    await desk.ask("anvil_setCode", hex0x(other), "0x60006000fd")  # reverts, whatever it is asked
    (await desk.looks("contracts", "info", "--contract-address", hex0x(other))).refused("GPN-1303")
    said = await desk.looks("contracts", "verify", "--contract-address", hex0x(other))
    assert (said.code, said.json["matches"]) == (1, False)


async def cut_off(desk: Terminal) -> None:
    """A deployment whose process dies after it sent the transaction, before there is a receipt."""
    await desk.ask("evm_setAutomine", False)
    process = await desk.start("contracts", "deploy", "--window", "3h")
    await desk.sends(process, 0)
    process.kill()
    await process.wait()


async def test_a_deployment_cut_off_is_ended_by_the_next_one(desk: Terminal) -> None:
    await cut_off(desk)
    (await desk.looks("contracts", "info")).refused("GPN-1109")
    again = asyncio.create_task(desk.does("contracts", "deploy", "--window", "5h"))
    while not again.done():
        await desk.ask("evm_mine")
        await asyncio.sleep(0.2)
    said = await again
    assert (said.code, said.json["resumed"], said.json["params"]["window"]) == (0, True, "10800"), said
    assert await desk.nonce() == 1, "there is one contract"
    await desk.ask("evm_setAutomine", True)
    assert (await desk.looks("contracts", "info")).json["contract"] == said.json["contract"]
    assert await desk.deployed("--window", "5h") != said.json["contract"], "and the next one is new"


async def test_a_deployment_cut_off_is_found_by_info(desk: Terminal) -> None:
    await cut_off(desk)
    said = await desk.looks("contracts", "info")
    assert "is not mined" in said.err
    await desk.ask("evm_mine")
    said = await desk.looks("contracts", "info")
    assert said.code == 0, said
    assert said.json["params"]["window"] == "10800"
    assert said.json["deployment"]["block"] > 0
    await desk.ask("evm_setAutomine", True)
    fresh = await desk.does("contracts", "deploy")
    assert (fresh.json["resumed"], await desk.nonce()) == (False, 2)


async def test_two_deployments_at_once_by_one_key(desk: Terminal) -> None:
    await desk.ask("evm_setAutomine", False)
    process = await desk.start("contracts", "deploy")
    lock = desk.data / "deployments" / f"31337-{desk.key.address.hex()}" / "journal.lock"
    await eventually(lock.exists, within=60)
    (await desk.does("contracts", "deploy")).refused("GPN-1203")
    await desk.ask("evm_setAutomine", True)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert (process.returncode, await desk.nonce()) == (0, 1), err
    assert json.loads(out)["verified"] is True


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (("--unbond", "4d"), "--unbond"),
        (("--unbond", "4000d"), "--unbond"),
        (("--window", "0"), "--window"),
        (("--window", "-1"), "--window"),
        (("--window", "soon"), "--window"),
        (("--settle-delay", "3d"), "--settle-delay"),
        (("--min-stake-eth", "0"), "--min-stake-eth"),
        (("--min-stake-eth", "0.1234567890123456789"), "--min-stake-eth"),
        (("--min-reward-gwei", "0"), "--min-reward-gwei"),
        (("--tip-gwei", "601"), "--tip-gwei"),
        (("--prover-percent", "61"), "100 %"),
        (("--prover-percent", "60.001"), "--prover-percent"),
    ],
)
async def test_terms_that_no_contract_takes(tmp_path: Path, terms: tuple[str, str], says: str) -> None:
    """Found before anything else: no chain, no key is needed to say so."""
    desk = Terminal(None, None, tmp_path, new_key(), None)  # type: ignore[arg-type]  # neither is asked
    line = ("contracts", "deploy", "--ethereum-api", away(), "--key-file", str(tmp_path / "none"))
    assert says in (await desk.run(*line, f"{terms[0]}={terms[1]}")).refused("GPN-1107")


async def test_the_wrong_chain_or_none(desk: Terminal) -> None:
    said = await desk.does("contracts", "deploy", "--chain-id", "1")
    assert "31337" in said.refused("GPN-1302")
    for action in ("verify", "info"):
        line = ("contracts", action, "--data-dir", str(desk.data), "--ethereum-api", away())
        (await desk.run(*line)).refused("GPN-1301")
        (await desk.run("contracts", action, "--data-dir", str(desk.data))).refused("GPN-1101")
        (await desk.looks("contracts", action)).refused("GPN-1109")
        (await desk.looks("contracts", action, "--contract-address", "0x12")).refused("GPN-1107")


async def test_keys_that_do_not_do(desk: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    (await desk.does("contracts", "deploy", key=desk.folder / "nothing")).refused("GPN-1102")
    broken = desk.folder / "broken"
    broken.write_text("no key")
    broken.chmod(0o600)
    (await desk.does("contracts", "deploy", key=broken)).refused("GPN-1103")
    stored, words = desk.folder / "keystore", desk.folder / "words"

    async def right() -> str:
        return "right"

    await KeystoreSecrets(stored, right, n=2**10).save(desk.key)
    (await desk.does("contracts", "deploy", key=stored)).refused("GPN-1103")  # nobody to ask
    monkeypatch.setenv("GPN_KEY_PASSPHRASE_FILE", str(words))
    words.write_text("wrong\n")
    assert "passphrase" in (await desk.does("contracts", "deploy", key=stored)).refused("GPN-1121")
    assert await desk.waiting() == 0
    words.write_text("right\n")
    said = await desk.does("contracts", "deploy", key=stored)
    assert (said.code, await desk.nonce()) == (0, 1), said


async def test_an_account_without_money(desk: Terminal) -> None:
    poor = new_key()
    line = (await desk.does("contracts", "deploy", key=desk.key_file(poor, "poor"))).refused("GPN-1305")
    assert "has 0 ETH" in line
    await desk.fund(poor.address, ETHER // 10_000)
    line = (await desk.does("contracts", "deploy", key=desk.key_file(poor, "poor"))).refused("GPN-1305")
    assert "has 0.0001 ETH" in line
    assert "ETH for gas" in line


async def test_gas_over_the_ceiling(desk: Terminal) -> None:
    (await desk.does("contracts", "deploy", "--max-fee-gwei", "0.000001")).refused("GPN-1306")
    assert await desk.waiting() == 0


@pytest.mark.parametrize("text", ["not JSON", "{}", '{"deployments": [{}]}', "[" * 100_000])
async def test_a_damaged_list_of_deployments(desk: Terminal, text: str) -> None:
    path = desk.data / "deployments" / "31337.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    (await desk.looks("contracts", "info")).refused("GPN-1201")
    assert path.read_text() == text


async def test_a_chain_s_deployments_are_not_another_s(desk: Terminal) -> None:
    await desk.deployed()
    folder = desk.data / "deployments"
    (folder / "31337.json").rename(folder / "1.json")
    (await desk.looks("contracts", "info")).refused("GPN-1109")
