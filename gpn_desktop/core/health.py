"""What the doctor finds, and the rules by which a measurement becomes a finding. Pure: nothing is asked here.

Every finding says what it means for earning and exactly what to do, because "disk: 3 GB" helps nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gpn_desktop.core.said import joined, said

GB: Final = 1000**3
# An image is often 2 to 10 GB, and is there twice while it is unpacked.
FREE_WARN: Final = 20 * GB
FREE_BAD: Final = 5 * GB


class Level(Enum):
    """How a check came out. ``UNKNOWN``: it could not be carried out, which is no verdict."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome.

    Attributes:
        result: what was found, in a few words.
        meaning: what that does to earning.
        remedy: what to do; "" where nothing is to be done.
        command: of the remedy, to be copied into a terminal; "" where there is none.
    """

    key: str
    title: str
    level: Level
    result: str
    meaning: str
    remedy: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine that answers."""

    version: str
    api: str
    system: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The data folder. ``mode`` as in 0o700, None where the system has no such thing; ``mine``: its owner is
    this user."""

    path: str
    exists: bool
    writable: bool
    mode: int | None = None
    mine: bool = True


def worst(findings: Sequence[Finding]) -> Level:
    """The level that a whole check-up has; UNKNOWN counts for less than a warning."""
    order = (Level.BAD, Level.WARN, Level.UNKNOWN, Level.GOOD)
    levels = {finding.level for finding in findings}
    return next((level for level in order if level in levels), Level.UNKNOWN)


def undecided(key: str, title: str, why: str, remedy: str = "Check again.") -> Finding:
    """A check that could not be carried out."""
    return Finding(
        key, title, Level.UNKNOWN, why, "Whether this holds up earning is not known.", remedy=remedy
    )


# machine --------------------------------------------------------------------------------------------------


def judge_engine(engine: Engine | None, needed: bool, problem: str = "", remedy: str = "") -> Finding:
    """``needed``: whether the settings have proofs made in containers."""
    key, title = "docker", "Docker engine"
    if engine is not None:
        result = f"Docker {engine.version}, API {engine.api}, {engine.system}"
        return Finding(key, title, Level.GOOD, result, "Provers’ images can run on this machine.")
    if not needed:
        meaning = (
            "Not needed: the settings have proofs made by the built-in test prover, which earns nothing."
        )
        return Finding(key, title, Level.WARN, problem, meaning, 'To earn, set node.runtime to "docker".')
    command = next((part for part in ("sudo systemctl start docker",) if part in remedy), "")
    return Finding(
        key,
        title,
        Level.BAD,
        problem,
        "No consumer’s image can run, so this node cannot prove or verify for pay. The demo works without.",
        remedy,
        command,
    )


def judge_gpus(usable: Sequence[str], others: Sequence[str], why: str, wanted: bool) -> Finding:
    """``usable`` and ``others`` as "name, 24 GB, driver 550.54"; ``wanted``: the settings name GPUs."""
    key, title = "gpu", "GPU and driver"
    if not usable:
        return _no_gpu("; ".join(others), why, wanted)
    result = "; ".join(usable)
    meaning = "Images that need a GPU can be served."
    if not wanted:
        meaning = "The settings give no GPU to provers: images that need one are not served."
        remedy = 'Set limits.gpus to "all", or to the GPUs that provers may use.'
        return Finding(key, title, Level.WARN, result, meaning, remedy)
    if why:
        remedy = "Look at the other GPU’s driver."
        return Finding(key, title, Level.WARN, f"{result} ({why})", meaning, remedy, "nvidia-smi")
    return Finding(key, title, Level.GOOD, result, meaning)


def _no_gpu(seen: str, why: str, wanted: bool) -> Finding:
    key, title = "gpu", "GPU and driver"
    result = f"{seen}: {why}" if seen and why else seen or why or "No GPU was found"
    if wanted:
        meaning = "The settings promise a GPU to provers, and none can be used: such turns are missed."
        remedy = 'Install the GPU’s driver and restart the machine, or set limits.gpus to "none".'
        return Finding(key, title, Level.BAD, result, meaning, remedy, "nvidia-smi")
    meaning = "Images that need a GPU are left to others; all other images can be served."
    remedy = "Install NVIDIA’s driver to use it, if it is one of NVIDIA’s." if seen else ""
    return Finding(key, title, Level.WARN if seen else Level.GOOD, result, meaning, remedy)


def judge_disk(places: Sequence[tuple[str, int, int]]) -> Finding:
    """Of each place its name, bytes free and bytes in all; the fullest one decides."""
    key, title = "disk", "Disk space"
    if not places:
        return undecided(key, title, "No disk could be asked.")
    free = min(place[1] for place in places)
    result = joined(
        said("{name}: {free} of {all} free", name=name, free=amount(f), all=amount(total))
        for name, f, total in places
    )
    if free >= FREE_WARN:
        return Finding(key, title, Level.GOOD, result, "There is room for images, payloads and the journal.")
    remedy = "Remove images that are not needed any more, or move node.data_dir to a larger disk."
    command = "gpn-desktop image prune"
    if free >= FREE_BAD:
        meaning = said("Below {size} a new image may not fit; what runs goes on.", size=amount(FREE_WARN))
        return Finding(key, title, Level.WARN, result, meaning, remedy, command)
    meaning = said(
        "Below {size} pulls fail, and a full disk stops the journal: the node then ends itself rather than "
        "sign what it cannot remember.",
        size=amount(FREE_BAD),
    )
    return Finding(key, title, Level.BAD, result, meaning, remedy, command)


def judge_folder(folder: Folder) -> Finding:
    key, title, path = "folder", "Data folder", quoted(folder.path)
    safe = "What this node signed, and what it earned, is kept there."
    give, chown = "Give the folder to this user.", f"sudo chown -R $USER {path}"
    if not folder.exists and folder.writable:
        return Finding(
            key, title, Level.GOOD, said("{path} is made at the first start", path=folder.path), safe
        )
    if not folder.exists:
        result = said("{path} does not exist and cannot be made", path=folder.path)
        remedy = "Make it and give it to this user, or set node.data_dir to a folder of yours."
        return Finding(
            key, title, Level.BAD, result, "No node can start without it.", remedy, f"mkdir -p {path}"
        )
    if not folder.writable:
        result = said("{path} cannot be written to", path=folder.path)
        return Finding(key, title, Level.BAD, result, "No node can start without its journal.", give, chown)
    if not folder.mine:
        result = said("{path} belongs to another user", path=folder.path)
        return Finding(
            key,
            title,
            Level.WARN,
            result,
            "That user can change what this node believes to have signed.",
            give,
            chown,
        )
    if folder.mode is not None and folder.mode & 0o022:
        result = said(
            "{path} can be written to by others ({mode})", path=folder.path, mode=f"{folder.mode:o}"
        )
        meaning = "Other users of this machine can change what this node believes to have signed."
        return Finding(
            key, title, Level.WARN, result, meaning, "Keep the folder to this user.", f"chmod 700 {path}"
        )
    return Finding(
        key, title, Level.GOOD, said("{path} is this user’s and can be written to", path=folder.path), safe
    )


# keys and software ----------------------------------------------------------------------------------------


def judge_keyring(name: str, problem: str, key_file: bool) -> Finding:
    """``name`` of a keyring that passed the probe, else its ``problem``; ``key_file``: settings name one."""
    key, title = "keyring", "System keyring"
    if name:
        result = said("{name} stored, read and removed a test entry", name=name)
        return Finding(key, title, Level.GOOD, result, "The node’s key can be kept there, encrypted.")
    if key_file:
        return Finding(
            key,
            title,
            Level.GOOD,
            said("{problem} Not needed: the settings name a key file.", problem=problem),
            "The node starts with its key file.",
        )
    return Finding(
        key,
        title,
        Level.WARN,
        problem,
        "The node’s key cannot be kept in the keyring; a keystore file with a passphrase does it too.",
        "Unlock or install a keyring (GNOME Keyring or KWallet), or choose the keystore file in Wallet.",
    )


def judge_backup(has_key: bool, tested: bool) -> Finding:
    key, title = "backup", "Key backup"
    if not has_key:
        return Finding(
            key,
            title,
            Level.GOOD,
            "There is no key yet",
            "Nothing can be lost yet.",
            "Make a backup as soon as there is a key.",
        )
    if tested:
        return Finding(
            key,
            title,
            Level.GOOD,
            "A test restore has passed",
            "If this machine is lost, stake and rewards are not.",
        )
    return Finding(
        key,
        title,
        Level.WARN,
        "No backup has been tested",
        "If this machine or its keyring is lost, so are the stake and all rewards not yet withdrawn.",
        "Open Wallet, make a backup, and restore it once as a test.",
    )


def judge_versions(versions: Sequence[tuple[str, str]], missing: Sequence[str]) -> Finding:
    key, title = "versions", "Versions"
    result = ", ".join(f"{name} {version}" for name, version in versions)
    if missing:
        return Finding(
            key,
            title,
            Level.BAD,
            said("{result}; missing: {parts}", result=result, parts=", ".join(missing)),
            "Parts of the program are not installed.",
            "Install GPN Desktop again.",
        )
    return Finding(key, title, Level.GOOD, result, "Name these when you ask for help.")


def judge_settings(problem: str, remedy: str, where: str) -> Finding:
    key, title = "settings", "Settings"
    if not problem:
        return Finding(
            key,
            title,
            Level.GOOD,
            said("{where} can be used", where=where),
            "The node starts with these settings.",
        )
    return Finding(key, title, Level.BAD, problem, "The node cannot start.", remedy)


# words ----------------------------------------------------------------------------------------------------


def amount(size: int) -> str:
    """Bytes in decimal units, cut off, never rounded up: ``19.9 GB`` is not yet 20."""
    for unit, value in (("TB", 1000**4), ("GB", GB), ("MB", 1000**2)):
        if size >= value:
            tenths = size * 10 // value
            return f"{tenths // 10} {unit}" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10} {unit}"
    return f"{size // 1000} kB"


def age(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h" if whole < 172_800 else f"{whole // 86_400} days"


def quoted(path: str) -> str:
    """For a shell; a path is not a place for surprises."""
    return "'" + path.replace("'", "'\\''") + "'"
