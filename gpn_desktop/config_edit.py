"""The table of settings for a person who edits them: every value with its source, every problem at once.

``config.load`` stops at the first thing that is wrong, which is right for a start; who corrects a file wants
to see all of it. Both read with the same parsers.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final

from gpn_desktop import config
from gpn_desktop import config_values as values
from gpn_desktop.config import SETTINGS, LogFormat, LogLevel, Mode, NodeConfig, RuntimeKind, Setting
from gpn_desktop.core.errors import ConfigError, SettingsUnreadable
from gpn_desktop.core.types import Role
from gpn_desktop.ports.preferences import SettingKind, SettingRow, Source, TomlValue

_CHOICES: Final[dict[str, type[Enum]]] = {
    "mode": Mode,
    "runtime": RuntimeKind,
    "log_level": LogLevel,
    "log_format": LogFormat,
}
_NUMBERS: Final = frozenset({"chain_id"})  # by their field, where the default does not tell
_LISTS: Final = frozenset({"roles", "gpus"})


class ConfigTable:
    """See ``ports.preferences.SettingsTable``. ``cli`` is keyed as for ``config.load``."""

    def __init__(
        self, path: Path, cli: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self._path = path
        self._cli = dict(cli or {})
        self._env = os.environ if env is None else env
        self._defaults = NodeConfig()

    def rows(self, text: str) -> tuple[SettingRow, ...]:
        entries = [(key, value, Source.FILE.value) for key, value, _ in self._known(text)]
        found = config.merged(entries, self._env, self._cli)
        return tuple(self._row(setting, found.get(key)) for key, setting in SETTINGS.items())

    def problems(self, text: str) -> tuple[str, ...]:
        where = str(self._path)
        wrong = [
            f"{key} ({where}): there is no such setting."
            for key, _ in self._entries(text)
            if key not in SETTINGS
        ]
        found = config.merged(self._known(text), self._env, self._cli)
        usable = dict(found)
        for key, (value, source) in found.items():
            try:
                config.parsed(key, value, source)
            except ConfigError as error:
                wrong.append(error.message)
                del usable[key]
        try:
            config.checked(usable)
        except ConfigError as error:
            wrong.append(error.message)
        return tuple(wrong)

    def problem_of(self, key: str, value: str) -> str:
        if not value.strip():
            return ""
        try:
            SETTINGS[key].parse(value)
        except ValueError as error:
            return str(error)
        return ""

    def toml(self, key: str, value: str) -> TomlValue:
        setting = SETTINGS[key]
        kind = _kind(setting, getattr(self._defaults, setting.field))
        if kind is SettingKind.FLAG:
            return values.flag(value)
        if kind is SettingKind.NUMBER:
            return int(value)
        if kind is SettingKind.LIST:
            return [part.strip() for part in value.split(",") if part.strip()]
        return value.strip()

    def _entries(self, text: str) -> Iterator[tuple[str, Any]]:
        try:
            tables = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            raise SettingsUnreadable(f"{self._path} is not TOML: {error}.") from error
        for table, settings in tables.items():
            if not isinstance(settings, dict):
                raise SettingsUnreadable(f"{table} ({self._path}): a table is expected, like [grpc].")
            for name, value in settings.items():
                yield f"{table}.{name}", value

    def _known(self, text: str) -> list[tuple[str, Any, str]]:
        return [(key, value, str(self._path)) for key, value in self._entries(text) if key in SETTINGS]

    def _row(self, setting: Setting, found: tuple[Any, str] | None) -> SettingRow:
        default = getattr(self._defaults, setting.field)
        kind = _kind(setting, default)
        shown = _shown(setting, default)
        source, given_by, problem = Source.DEFAULT, "", ""
        value = shown
        if found is not None:
            value = _as_text(found[0])
            source, given_by = _source(found[1])
            try:
                setting.parse(found[0])
            except ValueError as error:
                problem = str(error)
        return SettingRow(
            setting.key, setting.purpose, kind, value, shown, source, _options(setting), problem, given_by
        )


def _source(words: str) -> tuple[Source, str]:
    """By the words of ``config.merged``."""
    kind, _, name = words.rpartition(" ")
    if kind == "environment variable":
        return Source.ENVIRONMENT, name
    return (Source.COMMAND_LINE, name) if kind == "option" else (Source.FILE, "")


def _kind(setting: Setting, default: object) -> SettingKind:
    if setting.field in _CHOICES:
        return SettingKind.CHOICE
    if isinstance(default, bool):
        return SettingKind.FLAG
    if setting.parse in (values.eth, values.gwei):
        return SettingKind.TEXT  # an amount with decimals
    if (isinstance(default, int) and not isinstance(default, Role)) or setting.field in _NUMBERS:
        return SettingKind.NUMBER
    return SettingKind.LIST if isinstance(default, tuple) or setting.field in _LISTS else SettingKind.TEXT


def _options(setting: Setting) -> tuple[str, ...]:
    kind = _CHOICES.get(setting.field)
    return tuple(str(member.value) for member in kind) if kind is not None else ()


def _shown(setting: Setting, default: Any) -> str:
    if setting.field == "gpus" and not default:
        return "none"
    if setting.parse is values.eth and default is not None:
        return f"{Decimal(default).scaleb(-18).normalize():f}"
    if setting.parse is values.gwei and default is not None:
        return f"{Decimal(default).scaleb(-9).normalize():f}"
    if isinstance(default, Role):
        return ", ".join(role.name.lower() for role in Role if role in default and role.name)
    if isinstance(default, Enum):
        return str(default.value)
    return "" if default is None else _as_text(default)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)
