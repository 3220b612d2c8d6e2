"""What an image says about itself, and what it gets of this machine: never more than the operator's caps.

The text comes out of a stranger's container, so nothing in it is believed before it is checked.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gpn_desktop.core.errors import ManifestInvalid

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
MAX_TEXT: Final = 500
MAX_SAMPLE: Final = 1024 * 1024
MAX_SECONDS: Final = 24 * 3600
_DRIVER: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}")
_MAX: Final = 1024 * 1024  # of a number that counts MiB, threads or processes
FIELDS: Final = (
    *("name", "description", "prove_seconds", "validate_seconds"),
    *("memory_mb", "cpus", "tmp_mb", "pids", "gpu", "vram_mb", "driver", "sample"),
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """``GET /manifest``. Sizes in bytes, times in seconds; None where the image says nothing.

    ``prove_seconds`` and ``validate_seconds`` are the longest that a call may take: after them it is ended.
    ``driver`` is the oldest GPU driver that will do, such as "535.104". ``sample`` is an input that can be
    proved, empty if there is none.
    """

    name: str = ""
    description: str = ""
    prove_seconds: float | None = None
    validate_seconds: float | None = None
    memory: int | None = None
    cpus: float | None = None
    tmp: int | None = None
    pids: int | None = None
    gpu: bool = False
    vram: int = 0
    driver: str = ""
    sample: bytes = b""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one container: bytes, processors, processes, seconds. ``cpus`` 0 is all that the engine has."""

    memory: int = 4 * GIB
    cpus: float = 0.0
    tmp: int = 64 * MIB
    pids: int = 128
    gpu: bool = False
    prove_seconds: float = 3600.0
    validate_seconds: float = 30.0


def parse(value: Any) -> Manifest:
    """The manifest in a JSON value. Fields that are not known are left alone.

    Raises:
        ManifestInvalid: names the field and what is wrong with it.
    """
    if not isinstance(value, Mapping):
        raise ManifestInvalid("The manifest is no JSON object.")
    return Manifest(
        name=_text(value, "name"),
        description=_text(value, "description"),
        prove_seconds=_number(value, "prove_seconds", MAX_SECONDS),
        validate_seconds=_number(value, "validate_seconds", MAX_SECONDS),
        memory=_mib(value, "memory_mb"),
        cpus=_number(value, "cpus", _MAX),
        tmp=_mib(value, "tmp_mb"),
        pids=_count(value, "pids"),
        gpu=_flag(value, "gpu"),
        vram=_mib(value, "vram_mb") or 0,
        driver=_driver(value),
        sample=_sample(value),
    )


def granted(manifest: Manifest, caps: Limits) -> Limits:
    """The image's limits: what it asks for, or the default where it says nothing, both under the caps."""
    defaults = Limits()
    wanted = Limits(
        memory=manifest.memory or defaults.memory,
        cpus=manifest.cpus or defaults.cpus,
        tmp=manifest.tmp or defaults.tmp,
        pids=manifest.pids or defaults.pids,
        gpu=manifest.gpu,
        prove_seconds=manifest.prove_seconds or defaults.prove_seconds,
        validate_seconds=manifest.validate_seconds or defaults.validate_seconds,
    )
    return Limits(
        memory=min(wanted.memory, caps.memory),
        cpus=_fewer(wanted.cpus, caps.cpus),
        tmp=min(wanted.tmp, caps.tmp),
        pids=min(wanted.pids, caps.pids),
        gpu=wanted.gpu and caps.gpu,
        prove_seconds=min(wanted.prove_seconds, caps.prove_seconds),
        validate_seconds=min(wanted.validate_seconds, caps.validate_seconds),
    )


def shortfalls(manifest: Manifest, caps: Limits) -> tuple[str, ...]:
    """What the image asks for and does not get, one sentence each."""
    said = []
    for wanted, cap, what in (
        (manifest.memory, caps.memory, "memory"),
        (manifest.tmp, caps.tmp, "space in /tmp"),
    ):
        if wanted is not None and wanted > cap:
            said.append(f"It asks for {wanted // MIB:,} MiB of {what}; the cap is {cap // MIB:,} MiB.")
    if manifest.pids is not None and manifest.pids > caps.pids:
        said.append(f"It asks for {manifest.pids:,} processes; the cap is {caps.pids:,}.")
    if manifest.cpus is not None and caps.cpus and manifest.cpus > caps.cpus:
        said.append(f"It asks for {manifest.cpus:g} processors; the cap is {caps.cpus:g}.")
    if manifest.gpu and not caps.gpu:
        said.append("It asks for a GPU; none is given to containers.")
    if manifest.prove_seconds is not None and manifest.prove_seconds > caps.prove_seconds:
        said.append(
            f"It allows {manifest.prove_seconds:g} s for a proof; the cap is {caps.prove_seconds:g} s."
        )
    return tuple(said)


def _fewer(wanted: float, cap: float) -> float:
    """The smaller number of processors, where 0 stands for all."""
    return min(wanted, cap) if wanted and cap else wanted or cap


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name, "")
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise ManifestInvalid(f"The manifest's {name} is no text of up to {MAX_TEXT} characters.")
    return "".join(c if c.isprintable() else " " for c in text)


def _number(value: Mapping[str, Any], name: str, most: float) -> float | None:
    number = value.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number <= most:
        raise ManifestInvalid(f"The manifest's {name} is no number above 0 and up to {most:,}.")
    return float(number)


def _count(value: Mapping[str, Any], name: str) -> int | None:
    number = _number(value, name, _MAX)
    if number is not None and number != int(number):
        raise ManifestInvalid(f"The manifest's {name} is no whole number.")
    return None if number is None else int(number)


def _mib(value: Mapping[str, Any], name: str) -> int | None:
    number = _count(value, name)
    return None if number is None else number * MIB


def _flag(value: Mapping[str, Any], name: str) -> bool:
    flag = value.get(name, False)
    if not isinstance(flag, bool):
        raise ManifestInvalid(f"The manifest's {name} is neither true nor false.")
    return flag


def _driver(value: Mapping[str, Any]) -> str:
    driver = value.get("driver", "")
    if not isinstance(driver, str) or (driver and not _DRIVER.fullmatch(driver)):
        raise ManifestInvalid('The manifest\'s driver is no version such as "535.104".')
    return driver


def _sample(value: Mapping[str, Any]) -> bytes:
    sample = value.get("sample")
    if sample is None:
        return b""
    try:
        if not isinstance(sample, Mapping):
            raise ValueError
        data = base64.b64decode(sample["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise ManifestInvalid("The manifest's sample has no data in base64.") from None
    if len(data) > MAX_SAMPLE:
        raise ManifestInvalid(f"The manifest's sample is larger than {MAX_SAMPLE:,} bytes.")
    return data
