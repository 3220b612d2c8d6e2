"""What the operator sets: one table of settings, and where each value came from.

Defaults give way to the configuration file, that to the environment, and that to the command line. The
variables of the prototype keep their names; ours begin with GPN_. A value that cannot be used is an error
that names the setting and its source, never a silent default. No setting holds a secret: keys are named by
path, and the URL of an endpoint, which may carry an access key, is never repeated in an error or a repr.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path

from gpn_desktop.core.errors import ConfigError
from gpn_desktop.core.types import Address, Gwei, Hash32, Role, Wei, parse_address
from gpn_desktop.ports.runtime import ImageRef

APP: Final = "gpn-desktop"
MAX_COMMITTEE: Final = 32
_IMAGE = re.compile(
    r"(?P<name>[a-z0-9]+(?:[._:/-][a-z0-9_.-]+)*?)(?::[\w.-]{1,128})?(?:@sha256:(?P<digest>[0-9a-f]{64}))?"
)
_EXACT: Final = Context(prec=100, Emax=60, traps=[Inexact, InvalidOperation, Overflow])
_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off"})
_PROTOCOL = re.compile(r"/[\x21-\x7e]{1,63}")


class Mode(Enum):
    PRODUCTION = "production"
    TESTING = "testing"


class RuntimeKind(Enum):
    """What proofs come from: the consumers' images, or the built-in test prover."""

    DOCKER = "docker"
    BUILTIN = "builtin"


class LogLevel(Enum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """An image to serve; without a digest the one that its name stands for on this machine."""

    name: str
    digest: Hash32 | None

    def pinned(self) -> ImageRef | None:
        return None if self.digest is None else ImageRef(self.name, self.digest)


# What a value may look like -------------------------------------------------------------------------------

Parse = Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text is expected")
    return value.strip()


def _integer(low: int, high: int) -> Parse:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("a whole number is expected")
        try:
            number = int(value)
        except ValueError as error:
            raise ValueError("a whole number is expected") from error
        if not low <= number <= high:
            raise ValueError(f"it must be between {low} and {high}")
        return number

    return parse


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = _text(str(value)).lower()
    if word not in _YES | _NO:
        raise ValueError("true or false is expected")
    return word in _YES


def _list(item: Parse) -> Parse:
    """A TOML list, or a text with commas."""

    def parse(value: Any) -> tuple[Any, ...]:
        parts = [p for p in value.split(",") if p.strip()] if isinstance(value, str) else value
        if not isinstance(parts, list):
            raise ValueError("a list is expected")
        return tuple(item(part) for part in parts)

    return parse


def _choice(kind: type[Enum]) -> Parse:
    def parse(value: Any) -> Enum:
        wanted = _text(value).lower()
        for choice in kind:
            if choice.value == wanted:
                return choice
        raise ValueError(f"it must be one of {', '.join(str(choice.value) for choice in kind)}")

    return parse


def _path(value: Any) -> Path:
    return Path(_text(value)).expanduser()


def _address(value: Any) -> Address:
    try:
        return parse_address(_text(value))
    except ValueError as error:
        raise ValueError("an address of 20 bytes in hex is expected") from error


def _url(value: Any) -> str:
    text = _text(value)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https", "ws", "wss") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("an http, https, ws or wss URL is expected")
    return text


def _multiaddress(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"/(ip4|ip6|dns|dns4|dns6)/[^/\s]+/tcp/\d{1,5}(/p2p/[A-Za-z0-9]+)?", text):
        raise ValueError("a multiaddress like /ip4/203.0.113.5/tcp/4410 is expected")
    return text


def _peer(value: Any) -> str:
    text = _multiaddress(value)
    if "/p2p/" not in text:
        raise ValueError("a multiaddress that ends with /p2p/ and the peer id is expected")
    return text


def _host(value: Any) -> str:
    text = _text(value)
    if text == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError as error:
        raise ValueError("an IP address of this machine is expected") from error


def _protocol(value: Any) -> str:
    text = _text(value)
    if not _PROTOCOL.fullmatch(text):
        raise ValueError("up to 64 printable characters that begin with / are expected")
    return text


def _consumer(value: Any) -> Address | ImageChoice:
    text = _text(value)
    if text.startswith("0x"):
        return _address(text)
    match = _IMAGE.fullmatch(text)
    if match is None:
        raise ValueError("an address or an image's name is expected")
    digest = match["digest"]
    return ImageChoice(match["name"], Hash32(bytes.fromhex(digest)) if digest else None)


def _amount(unit: str, decimals: int) -> Parse:
    """An amount of ``unit`` as whole wei; never by way of a float, which cannot hold most decimals."""

    def parse(value: Any) -> Wei:
        if isinstance(value, bool | float) or not isinstance(value, int | str | Decimal):
            raise ValueError(f"an amount of {unit} is expected")
        try:
            wei = Decimal(value).scaleb(decimals, _EXACT)
            exact = int(wei)
        except (DecimalException, ValueError, OverflowError) as error:
            raise ValueError(f"an amount of {unit} is expected") from error
        if exact != wei or not 0 <= exact < 2**128:
            raise ValueError(
                f"an amount of {unit} is expected, not negative, with at most {decimals} decimals"
            )
        return Wei(exact)

    return parse


_eth: Final = _amount("ETH", 18)
_gwei: Final = _amount("gwei", 9)


_ROLES: Final = {"prove": Role.PROVE, "verify": Role.VERIFY}


def _roles(value: Any) -> Role:
    roles = Role(0)
    for name in _list(_text)(value):
        if name.lower() not in _ROLES:
            raise ValueError("roles are prove and verify")
        roles |= _ROLES[name.lower()]
    if not roles:
        raise ValueError("at least one of prove and verify is needed")
    return roles


# The settings ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """All settings, checked. ``None`` is what was not set and has no default."""

    mode: Mode = Mode.PRODUCTION
    data_dir: Path = field(default_factory=lambda: user_data_path(APP))
    key_path: Path | None = None
    payout: Address | None = None
    consumers: tuple[Address | ImageChoice, ...] = ()
    roles: Role = Role.PROVE | Role.VERIFY
    runtime: RuntimeKind = RuntimeKind.DOCKER
    auto_claim: bool = False
    ethereum_api: tuple[str, ...] = field(default=(), repr=False)
    contract: Address | None = None
    chain_id: int | None = None
    contract_block: int = 0
    confirmations: int = 3
    stake: Wei = Wei(0)
    max_fee: Wei | None = None  # per gas
    max_priority: Wei = Wei(5 * 10**9)  # per gas
    p2p_host: str = "0.0.0.0"
    p2p_port: int = 4410
    bootstrap: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    # Unset, the names on the wire follow from the deployment, so that testing mode has its own.
    namespace: str | None = None
    protocol_id: str | None = None
    sync_protocol_id: str | None = None
    grpc_host: str = "127.0.0.1"
    grpc_port: int = 4411
    grpc_certificate: Path | None = None
    grpc_key: Path | None = None
    grpc_behind_proxy: bool = False
    members: tuple[Address, ...] = ()
    quorum: int = 1
    capacity: int = 1
    min_reward: Gwei = Gwei(0)
    max_image_gib: int = 20
    keep_days: int = 7
    log_level: LogLevel = LogLevel.INFO

    @property
    def consumer_addresses(self) -> tuple[Address, ...]:
        return tuple(c for c in self.consumers if not isinstance(c, ImageChoice))

    @property
    def images(self) -> tuple[ImageChoice, ...]:
        return tuple(c for c in self.consumers if isinstance(c, ImageChoice))

    def store_path(self, chain_id: int) -> Path:
        """The database of one deployment; testing mode has its own, and so its own statements."""
        if self.mode is Mode.TESTING or self.contract is None:
            return self.data_dir / "testing" / "node.db"
        return self.data_dir / f"{chain_id}-{self.contract.hex()}" / "node.db"

    def check_ready(self) -> None:
        """Whether a node can be run with this; ConfigError names what is missing."""
        if self.mode is Mode.TESTING:
            _require("testing.members", len(self.members) >= 2, "names fewer than two nodes")
            _require("node.consumers", bool(self.images), "names no image")
        else:
            _require("chain.api", bool(self.ethereum_api), "is not set")
            _require("chain.contract", self.contract is not None, "is not set")


@dataclass(frozen=True, slots=True)
class Setting:
    """``key`` in the file, ``env`` in the environment, ``field`` of NodeConfig, and what it is for."""

    key: str
    env: str
    field: str
    parse: Parse
    purpose: str

    @property
    def flag(self) -> str:
        return "--" + self.key.removeprefix("node.").replace(".", "-").replace("_", "-")


_PORT: Final = _integer(0, 65_535)
_TABLE: Final = (
    Setting("node.mode", "MODE", "mode", _choice(Mode), "production or testing"),
    Setting("node.data_dir", "GPN_DATA_DIR", "data_dir", _path, "folder of the node's data"),
    Setting("node.key_path", "PRIVATE_KEY_PATH", "key_path", _path, "file with the node key"),
    Setting("node.payout", "GPN_PAYOUT", "payout", _address, "address that stake and rewards leave to"),
    Setting("node.consumers", "CONSUMERS", "consumers", _list(_consumer), "images and addresses to serve"),
    Setting("node.roles", "GPN_ROLES", "roles", _roles, "prove, verify or both"),
    Setting("node.runtime", "GPN_RUNTIME", "runtime", _choice(RuntimeKind), "docker or builtin"),
    Setting("node.auto_claim", "GPN_AUTO_CLAIM", "auto_claim", _flag, "withdraw rewards by itself"),
    Setting("chain.api", "ETHEREUM_API", "ethereum_api", _list(_url), "endpoints, the first is preferred"),
    Setting("chain.contract", "CONTRACT_ADDRESS", "contract", _address, "the settlement contract"),
    Setting("chain.id", "GPN_CHAIN_ID", "chain_id", _integer(1, 2**63 - 1), "refuse any other chain"),
    Setting(
        "chain.contract_block",
        "GPN_CONTRACT_BLOCK",
        "contract_block",
        _integer(0, 2**63 - 1),
        "block of the contract's deployment",
    ),
    Setting(
        "chain.confirmations",
        "GPN_CONFIRMATIONS",
        "confirmations",
        _integer(0, 256),
        "depth of a request's anchor block, the same on all nodes of the network",
    ),
    Setting("chain.stake", "GPN_STAKE", "stake", _eth, "ETH to register with, 0: do not register"),
    Setting(
        "chain.max_fee_gwei",
        "GPN_MAX_FEE_GWEI",
        "max_fee",
        _gwei,
        "gwei per gas above which transactions wait; unset: any price is paid",
    ),
    Setting(
        "chain.max_priority_gwei", "GPN_MAX_PRIORITY_GWEI", "max_priority", _gwei, "most gwei per gas to tip"
    ),
    Setting("p2p.host", "GPN_P2P_HOST", "p2p_host", _host, "address to listen on for peers"),
    Setting("p2p.port", "PORT", "p2p_port", _PORT, "port for peers, 0: any"),
    Setting("p2p.bootstrap", "GPN_BOOTSTRAP", "bootstrap", _list(_peer), "multiaddresses of first peers"),
    Setting(
        "p2p.announce",
        "GPN_ANNOUNCE",
        "announce",
        _list(_multiaddress),
        "multiaddresses that others reach this node under",
    ),
    Setting("p2p.namespace", "NAMESPACE", "namespace", _protocol, "prefix of all topics"),
    Setting("p2p.protocol_id", "PROTOCOL_ID", "protocol_id", _protocol, "protocol for payloads and proofs"),
    Setting(
        "p2p.sync_protocol_id", "SYNC_PROTOCOL_ID", "sync_protocol_id", _protocol, "protocol for late joiners"
    ),
    Setting("grpc.host", "GPN_GRPC_HOST", "grpc_host", _host, "address to listen on for consumers"),
    Setting("grpc.port", "GPN_GRPC_PORT", "grpc_port", _PORT, "port for consumers, 0: any"),
    Setting("grpc.certificate", "GPN_GRPC_CERTIFICATE", "grpc_certificate", _path, "TLS certificate (PEM)"),
    Setting("grpc.key", "GPN_GRPC_KEY", "grpc_key", _path, "key of the certificate (PEM)"),
    Setting(
        "grpc.behind_proxy", "GPN_GRPC_BEHIND_PROXY", "grpc_behind_proxy", _flag, "a proxy in front does TLS"
    ),
    Setting("testing.members", "GPN_MEMBERS", "members", _list(_address), "the committee in testing mode"),
    Setting(
        "testing.quorum", "GPN_QUORUM", "quorum", _integer(1, MAX_COMMITTEE), "votes needed in testing mode"
    ),
    Setting("limits.capacity", "GPN_CAPACITY", "capacity", _integer(1, 256), "proofs made at a time"),
    Setting(
        "limits.min_reward",
        "GPN_MIN_REWARD",
        "min_reward",
        _integer(0, 2**63 - 1),
        "gwei below which requests are declined",
    ),
    Setting(
        "limits.max_image_gib",
        "GPN_MAX_IMAGE_GIB",
        "max_image_gib",
        _integer(1, 10_000),
        "largest image to pull, in GiB",
    ),
    Setting(
        "limits.keep_days",
        "GPN_KEEP_DAYS",
        "keep_days",
        _integer(1, 3650),
        "days that payloads and proofs are kept",
    ),
    Setting("log.level", "GPN_LOG", "log_level", _choice(LogLevel), "debug, info, warning or error"),
)
SETTINGS: Final = {setting.key: setting for setting in _TABLE}


def load(
    cli: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> NodeConfig:
    """The configuration of this start; ConfigError for the first setting that cannot be used.

    ``cli`` is keyed like ``SETTINGS`` (see ``arguments``). Without ``file``, GPN_CONFIG names it, or it is
    looked for in the user's configuration folder, where it may be missing.
    """
    environment = os.environ if env is None else env
    found: dict[str, tuple[Any, str]] = {}
    for key, value, source in _from_file(file, environment):
        found[key] = (value, source)
    for key, setting in SETTINGS.items():
        value = environment.get(setting.env, "")
        if value.strip():
            found[key] = (value, f"environment variable {setting.env}")
    for key, value in (cli or {}).items():
        if value is not None:
            option = SETTINGS[_known(key, "command line")].flag
            found[key] = (value, f"option {option}")
    values = {SETTINGS[key].field: _parsed(key, value, source) for key, (value, source) in found.items()}
    config = NodeConfig(**values)
    _check_together(config)
    return config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One option per setting: ``--grpc-port`` for ``grpc.port``."""
    group = parser.add_argument_group("settings", "also in the configuration file or the environment")
    for key, setting in SETTINGS.items():
        text = f"{setting.purpose} [{setting.env}]"
        group.add_argument(setting.flag, dest=key, metavar="VALUE", help=text)


def arguments(namespace: argparse.Namespace) -> dict[str, Any]:
    """What ``add_arguments`` made the parser find, for ``load``."""
    return {key: value for key, value in vars(namespace).items() if key in SETTINGS}


def _parsed(key: str, value: Any, source: str) -> Any:
    try:
        return SETTINGS[key].parse(value)
    except ValueError as error:
        raise ConfigError(f"{key} ({source}): {error}.") from None  # the cause may carry the value


def _known(key: str, source: str) -> str:
    if key not in SETTINGS:
        near = difflib.get_close_matches(key, SETTINGS, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{key} ({source}): there is no such setting.{hint}")
    return key


def default_file() -> Path:
    """Where the configuration is looked for unless another file is named."""
    return user_config_path(APP) / "config.toml"


def _from_file(file: Path | None, env: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    named = file or (Path(env["GPN_CONFIG"]) if env.get("GPN_CONFIG") else None)
    path = named or default_file()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        if named is None:
            return
        raise ConfigError(f"The configuration file {path} does not exist.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error}.") from error
    for table, settings in tables.items():
        if not isinstance(settings, dict):
            raise ConfigError(f"{table} ({path}): a table is expected, like [grpc].")
        for name, value in settings.items():
            yield _known(f"{table}.{name}", str(path)), value, str(path)


def _require(key: str, holds: bool, problem: str) -> None:
    if not holds:
        raise ConfigError(f"{key} ({SETTINGS[key].env}) {problem}.")


def _check_together(config: NodeConfig) -> None:
    loopback = ip_address(config.grpc_host).is_loopback
    pair = (config.grpc_certificate is None) == (config.grpc_key is None)
    _require("grpc.key", pair, "and grpc.certificate go together")
    safe = loopback or config.grpc_certificate is not None or config.grpc_behind_proxy
    _require("grpc.host", safe, "is public, and neither grpc.certificate nor grpc.behind_proxy is set")
    _require("testing.members", len(set(config.members)) == len(config.members), "names a node twice")
    fits = len(config.members) <= MAX_COMMITTEE
    _require("testing.members", fits, f"names more than {MAX_COMMITTEE} nodes")
    fits = not config.members or config.quorum < len(config.members)
    _require("testing.quorum", fits, "is above the number of members that verify")
