"""``gpn-desktop doctor``, and the same checks for the window: what holds this machine back from earning."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final

from gpn_desktop import config as settings
from gpn_desktop.adapters.system.bundles import FileBundles
from gpn_desktop.adapters.system.deployments import FileDeploymentBook
from gpn_desktop.composition import logs
from gpn_desktop.composition.probing import MachineProbes
from gpn_desktop.config import Mode, NodeConfig, RuntimeKind
from gpn_desktop.core.errors import ConfigError, GpnError
from gpn_desktop.core.health import Finding, Level, worst
from gpn_desktop.core.redaction import redact
from gpn_desktop.core.types import Address, hex0x
from gpn_desktop.ports.health import Probes, Subject
from gpn_desktop.services.diagnostics import Diagnostics, as_json
from gpn_desktop.services.health import Health
from gpn_desktop.services.health_checks import BackupState, NodeChecks

_WORDS: Final = {Level.GOOD: "ok", Level.WARN: "warn", Level.BAD: "BAD", Level.UNKNOWN: "?"}
_WIDTH: Final = 100
_INDENT: Final = " " * 6


def unknown_backup() -> None:
    return None


def build_health(
    file: Path | None, backup: BackupState = unknown_backup, probes: Probes | None = None
) -> Health:
    """The checks on the settings of ``file``; nothing slow is imported and nothing asked yet."""
    return Health(NodeChecks(probes or MachineProbes(), partial(subject_of, file), backup).all())


def build_diagnostics(health: Health, file: Path | None) -> Diagnostics:
    """The bundle of these checks, the process's log and the settings of ``file``."""
    return Diagnostics(health, logs.book(), FileBundles(), partial(settings_shown, file), str(Path.home()))


def subject_of(file: Path | None) -> Subject:
    """What is to be checked by the settings as they are now; by the defaults where they can't be used."""
    problem, remedy = "", ""
    try:
        config = settings.load(file=file)
    except ConfigError as error:
        config, problem, remedy = NodeConfig(), f"{error.message} [{error.code}]", error.remedy
    contract = config.contract or _newest(config)
    chain = config.chain_id or 0
    return Subject(
        data_dir=config.data_dir,
        journal=config.store_path(chain),
        source=_source(file),
        p2p=(config.p2p_host, config.p2p_port),
        grpc=(config.grpc_host, config.grpc_port),
        endpoints=tuple(config.ethereum_api),
        chain_id=config.chain_id,
        contract=contract,
        announced=tuple(config.announce),
        containers=config.runtime is RuntimeKind.DOCKER,
        gpus=bool(config.gpus),
        key_file=config.key_path is not None,
        testing=config.mode is Mode.TESTING,
        problem=redact(problem),
        remedy=remedy,
    )


def _source(file: Path | None) -> str:
    where = file or settings.default_file()
    return str(where) if where.exists() else "The defaults and the environment (there is no settings file)"


def _newest(config: NodeConfig) -> Address | None:
    """The contract that a node would take where the settings name none."""
    if config.chain_id is None:
        return None
    try:
        known = FileDeploymentBook(config.deployments_path).deployments(config.chain_id)
    except GpnError:  # the check of the data folder says why
        return None
    return known[-1].contract if known else None


def settings_shown(file: Path | None) -> Mapping[str, str]:
    """All settings in force; of endpoints the host alone, since their URLs may carry access keys."""
    try:
        config = settings.load(file=file)
    except ConfigError as error:
        return {"unusable": redact(str(error))}
    shown = {field.name: getattr(config, field.name) for field in fields(config)}
    shown["ethereum_api"] = [redact_endpoint(url) for url in config.ethereum_api]
    return {name: _shown(value) for name, value in shown.items()}


def redact_endpoint(url: str) -> str:
    """Scheme, host and port."""
    scheme, _, rest = redact(url).partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    more = "/…" if len(rest) > len(host) else ""
    return f"{scheme}://{host}{more}"


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return hex0x(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple | list):
        return ", ".join(_shown(one) for one in value)
    return "" if value is None else str(value)


# the command --------------------------------------------------------------------------------------------


def run_doctor(args: argparse.Namespace) -> int:
    """0 where nothing is bad, else 1."""
    findings = asyncio.run(_examine(args.config))
    bad = any(finding.level is Level.BAD for finding in findings)
    if args.json:
        result = {"worst": worst(findings).value, "ok": not bad, "findings": as_json(findings)}
        print(json.dumps(result, ensure_ascii=False), flush=True)
    else:
        print("\n".join(table(findings)), flush=True)
    return int(bad)


async def _examine(file: Path | None) -> Sequence[Finding]:
    health = build_health(file)
    if sys.stderr.isatty():
        print("Checking this machine …", file=sys.stderr, flush=True)
    return await health.recheck()


def table(findings: Sequence[Finding]) -> list[str]:
    """A line for each check; what is not well says what it means and what to do."""
    room = max((len(finding.title) for finding in findings), default=0)
    lines: list[str] = []
    for finding in findings:
        head = f"{_WORDS[finding.level]:<4}  {finding.title:<{room}}  "
        lines += textwrap.wrap(finding.result, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
        if finding.level is Level.GOOD:
            continue
        for part in (finding.meaning, finding.remedy and f"Do: {finding.remedy}"):
            lines += textwrap.wrap(part, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
        if finding.command:
            lines.append(f"{_INDENT}$ {finding.command}")
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    lines.append("")
    lines.append(
        f"{counts[Level.GOOD]} ok, {counts[Level.WARN]} to look at, {counts[Level.BAD]} bad, "
        f"{counts[Level.UNKNOWN]} not known."
    )
    return lines
