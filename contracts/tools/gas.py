"""What forge measured against what is committed: a figure that worsens by more than 2 % is an error.

Forge writes its figures into ``out``; the committed ones change by this script alone, so that a run of the
tests never hides a loss. ``--check`` writes nothing, ``--accept`` takes worse figures where they pay off.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
NAME = "gasPerProof.json"
COMMITTED = HERE / "snapshots" / NAME
MEASURED = HERE / "out" / "snapshots" / NAME
TOLERANCE = 2  # per cent


def read(path: Path) -> dict[str, int]:
    return {name: int(gas) for name, gas in json.loads(path.read_text()).items()}


def compare(before: dict[str, int], after: dict[str, int]) -> tuple[list[str], list[str]]:
    """A line for each figure, and the names of those that are missing or too much worse."""
    lines = [f"{'gas per proof':<32}{'before':>10}{'now':>10}{'change':>9}"]
    worse = [f"{name} is not measured any more" for name in before.keys() - after.keys()]
    for name, gas in sorted(after.items()):
        old = before.get(name, gas)
        lines.append(f"{name:<32}{old:>10,}{gas:>10,}{(gas - old) / old:>+9.2%}")
        if 100 * (gas - old) > TOLERANCE * old:
            worse.append(f"{name}: {old} to {gas}")
    return lines, worse


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--accept", action="store_true")
    args = parser.parse_args()
    lines, worse = compare(read(COMMITTED), read(MEASURED))
    print("\n".join(lines))
    if worse and not args.accept:
        print(f"worse by more than {TOLERANCE} %:", *worse, sep="\n  ", file=sys.stderr)
        return 1
    if not args.check:
        shutil.copy(MEASURED, COMMITTED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
