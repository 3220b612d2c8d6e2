"""Where a setting comes from, which source wins, and how each says what is wrong with a value."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from gpn_desktop.config import (
    SETTINGS,
    ImageChoice,
    LogLevel,
    Mode,
    NodeConfig,
    RuntimeKind,
    add_arguments,
    arguments,
    load,
)
from gpn_desktop.core.errors import ConfigError
from gpn_desktop.core.types import Gwei, Role, Wei, parse_address
from gpn_desktop.ports.runtime import ImageRef

A, B, C = ("0x" + digit * 40 for digit in "abc")
DIGEST = "12" * 32
SECRET_URL = "wss://sepolia.example/ws/v3/my-access-key"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def from_env(**env: str) -> NodeConfig:
    return load(env={"GPN_CONFIG": "", **env}, file=None)


@pytest.fixture(autouse=True)
def no_file_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gpn_desktop.config.user_config_path", lambda app: tmp_path / "nowhere")


def test_without_any_setting() -> None:
    config = load(env={})
    assert config == NodeConfig()
    assert (config.mode, config.grpc_host, config.runtime) == (
        Mode.PRODUCTION,
        "127.0.0.1",
        RuntimeKind.DOCKER,
    )


def test_the_prototypes_variables(tmp_path: Path) -> None:
    config = from_env(
        ETHEREUM_API=SECRET_URL,
        CONTRACT_ADDRESS="0x5510E82f2A7f0B1397Ef60FE1751DCB722C66ED9",
        CONSUMERS="dimazhornyk/gpn-test",
        MODE="testing",
        PORT="10001",
        PRIVATE_KEY_PATH=str(tmp_path / "key"),
        NAMESPACE="/my",
        PROTOCOL_ID="/my/fetch/2",
        SYNC_PROTOCOL_ID="/my/sync/2",
    )
    assert config.ethereum_api == (SECRET_URL,)
    assert config.contract == parse_address("5510e82f2a7f0b1397ef60fe1751dcb722c66ed9")
    assert config.images == (ImageChoice("dimazhornyk/gpn-test", None),)
    assert (config.mode, config.p2p_port, config.key_path) == (Mode.TESTING, 10_001, tmp_path / "key")
    assert (config.namespace, config.protocol_id, config.sync_protocol_id) == (
        "/my",
        "/my/fetch/2",
        "/my/sync/2",
    )


def test_each_source_overrides_the_one_before(file: Path) -> None:
    file.write_text("[grpc]\nport = 1\n[p2p]\nport = 1\n[limits]\ncapacity = 1\nmin_reward = 5\n")
    config = load({"limits.capacity": "3"}, {"PORT": "2", "GPN_CAPACITY": "2"}, file)
    assert (config.grpc_port, config.p2p_port, config.capacity, config.min_reward) == (1, 2, 3, Gwei(5))


def test_everything_in_a_file(file: Path) -> None:
    file.write_text(
        f"""
        [node]
        mode = "testing"
        data_dir = "/data"
        payout = "{A}"
        consumers = ["org/image:latest@sha256:{DIGEST}", "{B}", "registry.example:5000/a/b"]
        roles = ["verify"]
        runtime = "builtin"
        auto_claim = true
        [chain]
        api = ["http://a.example", "ws://b.example"]
        id = 11155111
        stake = "0.5"
        [p2p]
        bootstrap = ["/ip4/10.0.0.1/tcp/4410/p2p/16Uiu2HAm"]
        announce = "/dns4/node.example/tcp/4410"
        [grpc]
        host = "::"
        behind_proxy = true
        [testing]
        members = ["{A}", "{B}", "{C}"]
        quorum = 2
        [log]
        level = "debug"
        """
    )
    config = load(env={}, file=file)
    assert config.payout == parse_address(A)
    assert config.consumer_addresses == (parse_address(B),)
    assert [image.name for image in config.images] == ["org/image", "registry.example:5000/a/b"]
    assert [image.pinned() for image in config.images] == [
        ImageRef("org/image", bytes.fromhex(DIGEST)),  # type: ignore[arg-type]
        None,
    ]
    assert (config.roles, config.runtime, config.auto_claim) == (Role.VERIFY, RuntimeKind.BUILTIN, True)
    assert (config.ethereum_api, config.chain_id) == (("http://a.example", "ws://b.example"), 11_155_111)
    assert config.stake == Wei(5 * 10**17)
    assert config.announce == ("/dns4/node.example/tcp/4410",)
    assert (config.grpc_host, len(config.members), config.quorum) == ("::", 3, 2)
    assert config.log_level is LogLevel.DEBUG
    config.check_ready()


@pytest.mark.parametrize(
    ("written", "wei"),
    [
        ("30", 30 * 10**9),
        ("0.1", 10**8),
        ("12.345678901", 12_345_678_901),
        ('"0.000000001"', 1),
        ("0.29", 290_000_000),  # as a float it is a little less
        ("0", 0),
    ],
)
def test_fees_are_read_to_the_wei(file: Path, written: str, wei: int) -> None:
    file.write_text(f"[chain]\nmax_fee_gwei = {written}\n")
    assert load(env={}, file=file).max_fee == wei
    assert from_env(GPN_MAX_PRIORITY_GWEI=written.strip('"')).max_priority == wei


def test_without_a_ceiling_any_price_is_paid() -> None:
    assert (NodeConfig().max_fee, NodeConfig().max_priority) == (None, 5 * 10**9)


@pytest.mark.parametrize(
    "amount", ["-1", "0.0000000001", "nan", "inf", "1e999999", "1e-999999", "dear", "9" * 40]
)
def test_a_fee_that_is_none_is_refused(amount: str) -> None:
    with pytest.raises(ConfigError, match=r"chain\.max_fee_gwei .*an amount of gwei is expected"):
        from_env(GPN_MAX_FEE_GWEI=amount)


BAD: list[tuple[str, str, str]] = [
    ("MODE", "debug", "production, testing"),
    ("PORT", "65536", "between 0 and 65535"),
    ("PORT", "-1", "between"),
    ("PORT", "1e3", "whole number"),
    ("CONTRACT_ADDRESS", "0x1234", "20 bytes"),
    ("CONTRACT_ADDRESS", "vitalik.eth", "20 bytes"),
    ("CONSUMERS", "UPPER/case", "image"),
    ("CONSUMERS", "org/image, bad image", "image"),
    ("CONSUMERS", "0x12", "20 bytes"),
    ("CONSUMERS", "org/image@sha256:12", "image"),
    ("GPN_BOOTSTRAP", "10.0.0.1:4410", "multiaddress"),
    ("GPN_BOOTSTRAP", "/ip4/10.0.0.1/tcp/4410", "peer id"),
    ("GPN_GRPC_HOST", "example.com", "IP address"),
    ("NAMESPACE", "gpn", "begin with /"),
    ("NAMESPACE", "/g pn", "printable"),
    ("NAMESPACE", "/" + "x" * 64, "64"),
    ("GPN_STAKE", "-1", "negative"),
    ("GPN_STAKE", "0.0000000000000000001", "18 decimals"),
    ("GPN_STAKE", "NaN", "ETH"),
    ("GPN_STAKE", "1e400", "ETH"),
    ("GPN_ROLES", "prove,cheat", "prove and verify"),
    ("GPN_ANNOUNCE", "node.example:4410", "multiaddress"),
    ("GPN_AUTO_CLAIM", "maybe", "true or false"),
    ("GPN_CAPACITY", "0", "between 1"),
    ("GPN_CHAIN_ID", "0", "between 1"),
    ("GPN_GRPC_HOST", "0.0.0.0", "public"),
    ("GPN_GRPC_CERTIFICATE", "node.crt", "go together"),
    ("GPN_MEMBERS", f"{A},{A}", "twice"),
    ("GPN_MEMBERS", ",".join(f"0x{n:040x}" for n in range(33)), "more than 32"),
]


@pytest.mark.parametrize(("name", "value", "why"), BAD)
def test_a_value_that_cannot_be_used_names_setting_source_and_reason(name: str, value: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        from_env(**{name: value})
    (key,) = [key for key, setting in SETTINGS.items() if setting.env == name]
    assert key.split(".")[0] in str(caught.value)
    assert "GPN-1101" in str(caught.value)


def test_the_source_is_named(file: Path) -> None:
    file.write_text("[grpc]\nport = true\n")
    with pytest.raises(ConfigError, match=r"grpc\.port \(.*config\.toml\): a whole number"):
        load(env={}, file=file)
    with pytest.raises(ConfigError, match="environment variable PORT"):
        load(env={"PORT": "x"})
    with pytest.raises(ConfigError, match="option --grpc-port"):
        load({"grpc.port": "x"}, {})


@pytest.mark.parametrize(
    "url", ["file:///etc/my-access-key", "wss://:my-access-key@/", "my-access-key", "http://[my-access-key"]
)
def test_an_endpoints_access_key_is_never_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_env(ETHEREUM_API=url)
    assert "my-access-key" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert "my-access-key" not in repr(from_env(ETHEREUM_API=SECRET_URL))


FILES = [
    ("[grpc\n", "cannot be read"),
    ("port = 1\n", "like \\[grpc\\]"),
    ("[grpc]\nprot = 1\n", "Did you mean grpc.port"),
    ("[unheard]\nof = 1\n", "no such setting"),
    ("[p2p]\nbootstrap = 5\n", "a list"),
    ("[node]\nmode = 5\n", "a text"),
    ("[chain]\nstake = true\n", "ETH"),
    ("[limits]\ncapacity = 1.5\n", "whole number"),
]


@pytest.mark.parametrize(("text", "why"), FILES)
def test_files_that_cannot_be_used(file: Path, text: str, why: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=why):
        load(env={}, file=file)


def test_a_file_that_is_not_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(env={}, file=file)


def test_a_named_file_must_exist(file: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load(env={}, file=file)
    with pytest.raises(ConfigError, match="does not exist"):
        load(env={"GPN_CONFIG": str(file)})
    file.write_text("[grpc]\nport = 7\n")
    assert load(env={"GPN_CONFIG": str(file)}).grpc_port == 7


def test_an_unknown_option() -> None:
    with pytest.raises(ConfigError, match="no such setting"):
        load({"grpc.prot": "1"}, {})


def test_every_setting_has_an_option() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parser.add_argument("--verbose", action="store_true")
    given: dict[str, Any] = arguments(
        parser.parse_args(["--grpc-port", "0", "--mode", "testing", "--chain-contract-block=9", "--verbose"])
    )
    config = load(given, {})
    assert (config.grpc_port, config.mode, config.contract_block) == (0, Mode.TESTING, 9)
    assert {s.field for s in SETTINGS.values()} == {f.name for f in fields(NodeConfig)}
    assert len({s.env for s in SETTINGS.values()}) == len(SETTINGS)
    assert parser.format_help()


def test_what_a_node_cannot_do_without() -> None:
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "ETHEREUM_API"),
        ({"MODE": "testing", "CONSUMERS": "a/b"}, "GPN_MEMBERS"),
        ({"MODE": "testing", "CONSUMERS": "a/b", "GPN_MEMBERS": A}, "GPN_MEMBERS|quorum"),
        ({"MODE": "testing", "GPN_MEMBERS": f"{A},{B}"}, "CONSUMERS"),
    ]
    for env, missing in cases:
        with pytest.raises(ConfigError, match=missing):
            load(env=env).check_ready()
    load(env={"ETHEREUM_API": SECRET_URL, "CONTRACT_ADDRESS": A}).check_ready()
    load(env={"MODE": "testing", "CONSUMERS": "a/b", "GPN_MEMBERS": f"{A},{B}"}).check_ready()


def test_every_deployment_has_a_store_of_its_own() -> None:
    production = load(env={"GPN_DATA_DIR": "/data", "CONTRACT_ADDRESS": A})
    other = load(env={"GPN_DATA_DIR": "/data", "CONTRACT_ADDRESS": B})
    testing = load(env={"GPN_DATA_DIR": "/data", "CONTRACT_ADDRESS": A, "MODE": "testing"})
    paths = {production.store_path(1), production.store_path(2), other.store_path(1), testing.store_path(0)}
    assert len(paths) == 4
    assert all(path.is_relative_to("/data") for path in paths)
