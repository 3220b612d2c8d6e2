"""The licences of what the folder carries, for whoever gets it.

Python packages have theirs in their metadata. Shared libraries that come from the build machine's own
packages have theirs where Debian keeps them; elsewhere PyInstaller collects none of these.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path

WORDS = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "AUTHORS")
# What comes with no metadata of Python's.
PARTS = {
    "anvil": "MIT OR Apache-2.0",
    "PyInstaller's bootloader": "GPL-2.0-or-later WITH Bootloader-exception",
    "Qt": "LGPL-3.0-only, see LGPL-3.0.txt; its libraries are files of their own, which you may replace. "
    "For the parts that it has itself see https://doc.qt.io/qt-6/licenses-used-in-qt.html",
}
# Texts that parts refer to without bringing them along.
TEXTS = Path(__file__).with_name("texts")


def distributions(modules: Iterable[str]) -> list[Distribution]:
    """Those that have at least one of the modules in the application."""
    owners = packages_distributions()
    tops = {module.partition(".")[0] for module in modules}
    names = {name for top in tops for name in owners.get(top, ())}
    return sorted((distribution(name) for name in names), key=lambda d: d.name.lower())


def libraries(files: Iterable[str]) -> dict[str, Path]:
    """The Debian packages that these files come from, each with its copyright file."""
    if shutil.which("dpkg-query") is None:
        return {}
    found: dict[str, Path] = {}
    for file in files:
        package = owner(Path(file))
        text = Path("/usr/share/doc") / package / "copyright"
        if package and text.is_file():
            found[package] = text
    return found


def owner(file: Path) -> str:
    """The Debian package that a file comes from, or ""."""
    # What merged /usr made a link is still listed under its old name.
    for name in (file, file.resolve(), Path("/", *file.resolve().parts[2:])):
        asked = subprocess.run(["dpkg-query", "-S", str(name)], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return asked.stdout.partition(":")[0]
    return ""


def texts(dist: Distribution) -> list[Path]:
    """A distribution's licence files."""
    found = []
    for file in dist.files or ():
        if ".dist-info" in str(file) and any(word in file.name.upper() for word in WORDS):
            found.append(Path(str(file.locate())))
    return sorted(path for path in found if path.is_file())


def write(folder: Path, modules: Iterable[str], files: Iterable[str]) -> None:
    """``folder/LICENCES.txt`` lists every part; beside it lie the texts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = ["GPN Desktop, Apache-2.0, carries these parts:", ""]
    for dist in distributions(modules):
        lines.append(f"{dist.name} {dist.version}: {stated(dist)}")
        for number, text in enumerate(texts(dist)):
            shutil.copyfile(text, folder / f"{dist.name}-{number}-{text.name}.txt")
    version = ".".join(map(str, sys.version_info[:3]))
    lines.append(f"Python {version}: PSF-2.0")
    python = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    if python.is_file():
        shutil.copyfile(python, folder / "Python-LICENSE.txt")
    for package, text in sorted(libraries(files).items()):
        lines.append(f"{package}: see {package}-copyright.txt")
        shutil.copyfile(text, folder / f"{package}-copyright.txt")
    lines += [f"{name}: {licence}" for name, licence in sorted(PARTS.items())]
    for text in TEXTS.iterdir():
        shutil.copyfile(text, folder / text.name)
    (folder / "LICENCES.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def stated(dist: Distribution) -> str:
    """The licence that a distribution names, by any of the three ways there are."""
    meta = dist.metadata
    for field in ("License-Expression", "License"):
        said = meta.get(field, "")
        if said and said != "UNKNOWN":
            return str(said).strip().splitlines()[0][:100]
    classes = [
        c.rpartition(" :: ")[2] for c in meta.get_all("Classifier") or () if c.startswith("License ::")
    ]
    return ", ".join(classes) or "see its text"
