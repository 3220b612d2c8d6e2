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
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from platformdirs import user_config_path, user_data_path

from gpn_desktop import config_values as values
from gpn_desktop.config_values import ImageChoice as ImageChoice
from gpn_desktop.config_values import LogFormat as LogFormat
from gpn_desktop.config_values import Parse
from gpn_desktop.core.errors import ConfigError
from gpn_desktop.core.types import Address, Gwei, Role, Wei

APP: Final = "gpn-desktop"
MAX_COMMITTEE: Final = 32


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


# The settings ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """All settings, checked. ``None`` is what was not set and has no default."""

    mode: Mode = Mode.PRODUCTION
    data_dir: Path = field(default_factory=lambda: user_data_path(APP))
    key_path: Path | None = None
    key_name: str = "node"
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
    mdns: bool = False
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
    # What one container may get at most, whatever its image asks for.
    memory_gib: int = 8
    cpus: int = 0
    tmp_mib: int = 1024
    pids: int = 1024
    gpus: tuple[str, ...] = ()
    prove_seconds: int = 3600
    cluster_listen: tuple[str, int] | None = None
    keep_days: int = 7
    canaries: bool = False
    report_faults: bool = True
    settle_batch: int = 10
    settle_age: int = 3600  # seconds
    settle_gas: int | None = None  # wei per gas
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT
    metrics_listen: tuple[str, int] | None = None

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

    @property
    def deployments_path(self) -> Path:
        """Where this machine remembers deployed contracts, for the times when ``contract`` is not set."""
        return self.data_dir / "deployments"

    @property
    def consumers_path(self) -> Path:
        """What consumers of this machine signed and sent."""
        return self.data_dir / "consumers"

    @property
    def cluster_path(self) -> Path:
        """The cluster's authority and invitations, or a worker's papers."""
        return self.data_dir / "cluster"

    def check_ready(self) -> None:
        """Whether a node can be run with this; ConfigError names what is missing."""
        if self.mode is Mode.TESTING:
            _require("testing.members", len(self.members) >= 2, "names fewer than two nodes")
            _require("node.consumers", bool(self.images), "names no image")
        else:
            _require("chain.api", bool(self.ethereum_api), "is not set")


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


_PORT: Final = values.integer(0, 65_535)
_TABLE: Final = (
    Setting("node.mode", "MODE", "mode", values.choice(Mode), "production or testing"),
    Setting("node.data_dir", "GPN_DATA_DIR", "data_dir", values.path, "folder of the node's data"),
    Setting("node.key_path", "PRIVATE_KEY_PATH", "key_path", values.path, "file with the node key"),
    Setting("node.key_name", "GPN_KEY_NAME", "key_name", values.text, "the key's name in the OS keyring"),
    Setting("node.payout", "GPN_PAYOUT", "payout", values.address, "address that stake and rewards leave to"),
    Setting(
        "node.consumers",
        "CONSUMERS",
        "consumers",
        values.list_of(values.consumer),
        "images and addresses to serve",
    ),
    Setting("node.roles", "GPN_ROLES", "roles", values.roles, "prove, verify or both"),
    Setting("node.runtime", "GPN_RUNTIME", "runtime", values.choice(RuntimeKind), "docker or builtin"),
    Setting("node.auto_claim", "GPN_AUTO_CLAIM", "auto_claim", values.flag, "withdraw rewards by itself"),
    Setting(
        "chain.api",
        "ETHEREUM_API",
        "ethereum_api",
        values.list_of(values.url),
        "endpoints, the first is preferred",
    ),
    Setting("chain.contract", "CONTRACT_ADDRESS", "contract", values.address, "the settlement contract"),
    Setting("chain.id", "GPN_CHAIN_ID", "chain_id", values.integer(1, 2**63 - 1), "refuse any other chain"),
    Setting(
        "chain.contract_block",
        "GPN_CONTRACT_BLOCK",
        "contract_block",
        values.integer(0, 2**63 - 1),
        "block of the contract's deployment",
    ),
    Setting(
        "chain.confirmations",
        "GPN_CONFIRMATIONS",
        "confirmations",
        values.integer(0, 256),
        "depth of a request's anchor block, the same on all nodes of the network",
    ),
    Setting("chain.stake", "GPN_STAKE", "stake", values.eth, "ETH to register with, 0: do not register"),
    Setting(
        "chain.max_fee_gwei",
        "GPN_MAX_FEE_GWEI",
        "max_fee",
        values.gwei,
        "gwei per gas above which transactions wait; unset: any price is paid",
    ),
    Setting(
        "node.canaries",
        "GPN_CANARIES",
        "canaries",
        values.flag,
        "make a false proof where a consumer orders one, to see who checks; that turn earns nothing",
    ),
    Setting(
        "node.report_faults",
        "GPN_REPORT_FAULTS",
        "report_faults",
        values.flag,
        "bring evidence against other members to the contract, which costs gas",
    ),
    Setting(
        "settle.max_batch",
        "GPN_SETTLE_MAX_BATCH",
        "settle_batch",
        values.integer(1, 64),
        "verified requests that are settled in one transaction, at most",
    ),
    Setting(
        "settle.max_age",
        "GPN_SETTLE_MAX_AGE",
        "settle_age",
        values.integer(0, 86_400),
        "seconds that a verified request waits for others to be settled with",
    ),
    Setting(
        "settle.max_gas_gwei",
        "GPN_SETTLE_MAX_GAS_GWEI",
        "settle_gas",
        values.gwei,
        "gwei per gas above which settlements wait until their time is nearly up; unset: they don't",
    ),
    Setting(
        "chain.max_priority_gwei",
        "GPN_MAX_PRIORITY_GWEI",
        "max_priority",
        values.gwei,
        "most gwei per gas to tip",
    ),
    Setting("p2p.host", "GPN_P2P_HOST", "p2p_host", values.host, "address to listen on for peers"),
    Setting("p2p.port", "PORT", "p2p_port", _PORT, "port for peers, 0: any"),
    Setting(
        "p2p.bootstrap",
        "GPN_BOOTSTRAP",
        "bootstrap",
        values.list_of(values.peer),
        "multiaddresses of first peers",
    ),
    Setting(
        "p2p.announce",
        "GPN_ANNOUNCE",
        "announce",
        values.list_of(values.multiaddress),
        "multiaddresses that others reach this node under",
    ),
    Setting("p2p.mdns", "GPN_MDNS", "mdns", values.flag, "tell and find peers on the local network"),
    Setting("p2p.namespace", "NAMESPACE", "namespace", values.protocol, "prefix of all topics"),
    Setting(
        "p2p.protocol_id", "PROTOCOL_ID", "protocol_id", values.protocol, "protocol for payloads and proofs"
    ),
    Setting(
        "p2p.sync_protocol_id",
        "SYNC_PROTOCOL_ID",
        "sync_protocol_id",
        values.protocol,
        "protocol for late joiners",
    ),
    Setting("grpc.host", "GPN_GRPC_HOST", "grpc_host", values.host, "address to listen on for consumers"),
    Setting("grpc.port", "GPN_GRPC_PORT", "grpc_port", _PORT, "port for consumers, 0: any"),
    Setting(
        "grpc.certificate", "GPN_GRPC_CERTIFICATE", "grpc_certificate", values.path, "TLS certificate (PEM)"
    ),
    Setting("grpc.key", "GPN_GRPC_KEY", "grpc_key", values.path, "key of the certificate (PEM)"),
    Setting(
        "grpc.behind_proxy",
        "GPN_GRPC_BEHIND_PROXY",
        "grpc_behind_proxy",
        values.flag,
        "a proxy in front does TLS",
    ),
    Setting(
        "testing.members",
        "GPN_MEMBERS",
        "members",
        values.list_of(values.address),
        "the committee in testing mode",
    ),
    Setting(
        "testing.quorum",
        "GPN_QUORUM",
        "quorum",
        values.integer(1, MAX_COMMITTEE),
        "votes needed in testing mode",
    ),
    Setting("limits.capacity", "GPN_CAPACITY", "capacity", values.integer(1, 256), "proofs made at a time"),
    Setting(
        "limits.min_reward",
        "GPN_MIN_REWARD",
        "min_reward",
        values.integer(0, 2**63 - 1),
        "gwei below which requests are declined",
    ),
    Setting(
        "limits.max_image_gib",
        "GPN_MAX_IMAGE_GIB",
        "max_image_gib",
        values.integer(1, 10_000),
        "largest image to pull, in GiB",
    ),
    Setting(
        "limits.memory_gib",
        "GPN_MEMORY_GIB",
        "memory_gib",
        values.integer(1, 65_536),
        "most memory of one container, in GiB",
    ),
    Setting(
        "limits.cpus",
        "GPN_CPUS",
        "cpus",
        values.integer(0, 4096),
        "most processors of one container, 0: all",
    ),
    Setting(
        "limits.tmp_mib", "GPN_TMP_MIB", "tmp_mib", values.integer(1, 1_048_576), "most of its /tmp, in MiB"
    ),
    Setting("limits.pids", "GPN_PIDS", "pids", values.integer(16, 65_536), "most processes of one container"),
    Setting(
        "limits.gpus",
        "GPN_GPUS",
        "gpus",
        values.gpus,
        "GPUs that provers may use: none, all, or their ids as nvidia-smi -L lists them",
    ),
    Setting(
        "limits.prove_seconds",
        "GPN_PROVE_SECONDS",
        "prove_seconds",
        values.integer(1, 86_400),
        "longest time of one proof",
    ),
    Setting(
        "cluster.listen",
        "GPN_CLUSTER_LISTEN",
        "cluster_listen",
        values.host_port,
        "HOST:PORT for this operator's other machines; the port above it is for joining",
    ),
    Setting(
        "limits.keep_days",
        "GPN_KEEP_DAYS",
        "keep_days",
        values.integer(1, 3650),
        "days that payloads and proofs are kept",
    ),
    Setting("log.level", "GPN_LOG", "log_level", values.choice(LogLevel), "debug, info, warning or error"),
    Setting("log.format", "GPN_LOG_FORMAT", "log_format", values.choice(LogFormat), "text or json"),
    Setting(
        "metrics.listen",
        "GPN_METRICS_LISTEN",
        "metrics_listen",
        values.listen,
        "HOST:PORT that a Prometheus on this machine reads figures from, such as 127.0.0.1:9464; empty: none",
    ),
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
    found = merged(_from_file(file, environment), environment, cli or {})
    return checked(found)


def checked(found: Mapping[str, tuple[Any, str]]) -> NodeConfig:
    """What ``merged`` found, each setting by itself and all together; ConfigError."""
    config = NodeConfig(**{SETTINGS[key].field: parsed(key, *given) for key, given in found.items()})
    _check_together(config)
    return config


def merged(
    entries: Iterable[tuple[str, Any, str]], env: Mapping[str, str], cli: Mapping[str, Any]
) -> dict[str, tuple[Any, str]]:
    """What was set, as it was written, and where the value in force is from; ``entries`` are the file's."""
    found = {key: (value, source) for key, value, source in entries}
    for key, setting in SETTINGS.items():
        value = env.get(setting.env, "")
        if value.strip():
            found[key] = (value, f"environment variable {setting.env}")
    for key, value in cli.items():
        if value is not None:
            option = SETTINGS[_known(key, "command line")].flag
            found[key] = (value, f"option {option}")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One option per setting: ``--grpc-port`` for ``grpc.port``."""
    group = parser.add_argument_group("settings", "also in the configuration file or the environment")
    for key, setting in SETTINGS.items():
        text = f"{setting.purpose} [{setting.env}]"
        group.add_argument(setting.flag, dest=key, metavar="VALUE", help=text)


def arguments(namespace: argparse.Namespace) -> dict[str, Any]:
    """What ``add_arguments`` made the parser find, for ``load``."""
    return {key: value for key, value in vars(namespace).items() if key in SETTINGS}


def parsed(key: str, value: Any, source: str) -> Any:
    """One setting's value; ConfigError, which names the source."""
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
