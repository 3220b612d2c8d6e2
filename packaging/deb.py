"""The Debian package of a built folder: ``python packaging/deb.py FOLDER ICONS OUTPUT`` prints its path.

What it depends on is read from the programs and libraries in the folder: whatever they link and do not bring
along. Equal folders make equal packages, under one SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from licences import owner

NAME = "gpn-desktop"
ID = "org.gpn.desktop"
LINUX = Path(__file__).with_name("linux")
ELF = b"\x7fELF"
# Nobody's address is in the sources; whoever publishes a package names theirs.
MAINTAINER = os.environ.get("GPN_MAINTAINER", "GPN Desktop <packages@gpn.invalid>")
# Without a font the window's text is squares; a keyring and a container engine are for a node that earns.
RECOMMENDS = "fonts-dejavu-core | fonts-inter | fonts-noto-core, gnome-keyring | kwalletmanager | keepassxc"
SUGGESTS = "docker.io | docker-ce"


def main(folder: Path, icons: Path, output: Path) -> Path:
    version = _said(str(folder / NAME), "--version").split()[-1]
    architecture = _said("dpkg", "--print-architecture").strip()
    output.mkdir(parents=True, exist_ok=True)
    package = output / f"{NAME}_{version}_{architecture}.deb"
    with tempfile.TemporaryDirectory(dir=output) as name:
        root = Path(name) / "root"
        _install(folder, icons, root, version)
        size = _installed_size(root)
        _control(root, version, architecture, size, depends(folder))
        _settle(root)
        made = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(package)]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    return package


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _install(folder: Path, icons: Path, root: Path, version: str) -> None:
    shutil.copytree(folder, root / "opt" / NAME, symlinks=True)
    link = root / "usr" / "bin" / NAME
    link.parent.mkdir(parents=True)
    link.symlink_to(Path("../..") / "opt" / NAME / NAME)
    share = root / "usr" / "share"
    _put(LINUX / f"{ID}.desktop", share / "applications" / f"{ID}.desktop")
    about = (LINUX / f"{ID}.metainfo.xml.in").read_text(encoding="utf-8")
    about = about.replace("@VERSION@", version).replace(
        "@DATE@", time.strftime("%Y-%m-%d", time.gmtime(_built()))
    )
    _write(share / "metainfo" / f"{ID}.metainfo.xml", about)
    for png in icons.glob("*.png"):
        _put(png, share / "icons/hicolor" / f"{png.stem}x{png.stem}" / "apps" / f"{NAME}.png")
    _put(icons / "app.svg", share / "icons/hicolor/scalable/apps" / f"{NAME}.svg")
    listed = (folder / "_internal" / "licences" / "LICENCES.txt").read_text(encoding="utf-8")
    where = f"\nThe texts of these licences lie in /opt/{NAME}/_internal/licences.\n"
    _write(share / "doc" / NAME / "copyright", listed + where)


def _built() -> int:
    return int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def depends(folder: Path) -> str:
    """The Debian packages with the libraries that the folder's programs link and that are not in it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    brought = {path.name for path in files}
    programs = [path for path in files if not path.is_symlink() and _is_elf(path)]
    known = re.findall(r"^\s(\S+) \(.*\) => (\S+)$", _said("/sbin/ldconfig", "-p"), re.MULTILINE)
    places = dict(reversed(known))  # of two, the first is what the loader takes
    packages = set()
    for library in sorted(linked(programs) - brought):
        package = owner(Path(places.get(library, library)))
        if not package:
            raise SystemExit(f"deb: no Debian package here has {library}, which the application links")
        packages.add(package.partition(":")[0])
    # What was linked against this C library may want what only it and newer ones have.
    libc = os.confstr("CS_GNU_LIBC_VERSION") or "glibc 2.36"
    versions = {"libc6": f" (>= {libc.split()[-1]})"}
    return ", ".join(name + versions.get(name, "") for name in sorted(packages))


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == ELF


def linked(programs: Iterable[Path]) -> set[str]:
    """The names of the libraries that these link, the loader itself aside."""
    names = re.findall(r"^\s+NEEDED\s+(\S+)$", _said("objdump", "-p", *map(str, programs)), re.MULTILINE)
    return {name for name in names if not name.startswith("ld-linux")}


def _installed_size(root: Path) -> int:
    """As Debian's policy counts, in KiB: a file rounded up, anything else as one."""
    sizes = (-(-p.lstat().st_size // 1024) if _plain(p) else 1 for p in root.rglob("*"))
    return sum(sizes)


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _control(root: Path, version: str, architecture: str, size: int, needs: str) -> None:
    fields = {
        "Package": NAME,
        "Version": version,
        "Architecture": architecture,
        "Maintainer": MAINTAINER,
        "Installed-Size": str(size),
        "Depends": needs,
        "Recommends": RECOMMENDS,
        "Suggests": SUGGESTS,
        "Section": "net",
        "Priority": "optional",
        "Description": "node of a generic proving network\n"
        " Earns by making and verifying zero-knowledge proofs that others order and a\n"
        " contract pays for. A window shows jobs, votes and earnings; a demo network runs\n"
        " on this machine alone.",
    }
    sums = []
    for path in sorted(filter(_plain, root.rglob("*"))):
        sums.append(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n")
    _write(root / "DEBIAN" / "control", "".join(f"{key}: {value}\n" for key, value in fields.items()))
    _write(root / "DEBIAN" / "md5sums", "".join(sums))


def _settle(root: Path) -> None:
    """Modes and times that are not this machine's."""
    when = _built()
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (when, when), follow_symlinks=False)


if __name__ == "__main__":
    print(main(*(Path(argument) for argument in sys.argv[1:4])))
