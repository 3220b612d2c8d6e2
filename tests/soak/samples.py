"""What a process holds, every few seconds: memory, files, threads, and the size of its folder."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

WARM: Final = 1 / 6  # of the run: caches fill, the last 500 requests are kept in memory
EDGE: Final = 0.1  # of the rest, at each end, that is compared


@dataclass(frozen=True, slots=True)
class Sample:
    """``at`` in seconds since the load began; memory and store in bytes."""

    at: float
    node: str
    rss: int
    files: int
    threads: int
    store: int

    def row(self) -> str:
        return f"{self.at:.0f},{self.node},{self.rss},{self.files},{self.threads},{self.store}"


HEAD: Final = "seconds,node,rss,files,threads,store"


@dataclass(frozen=True, slots=True)
class Growth:
    """Of one node, from its warm-up to the end: medians of the first and the last samples, and the slope."""

    node: str
    rss_mb: tuple[float, float]
    percent: float
    percent_an_hour: float
    files: tuple[int, int]
    threads: tuple[int, int]
    store_mb: float


def take(at: float, folder: Path) -> list[Sample]:
    """One sample of each node process that this program started, known by its configuration's folder."""
    found: list[Sample] = []
    for process in psutil.Process().children(recursive=True):
        try:
            name = next(
                (Path(part).parent.name for part in process.cmdline() if part.endswith("node.toml")), ""
            )
            if not name:
                continue
            with process.oneshot():
                found.append(
                    Sample(
                        at,
                        name,
                        process.memory_info().rss,
                        process.num_fds(),
                        process.num_threads(),
                        _size(folder / name),
                    )
                )
        except psutil.NoSuchProcess:
            continue
    return found


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("node.db*"))


def growth(samples: Sequence[Sample]) -> list[Growth]:
    """Each node's; empty where nothing was sampled after the warm-up."""
    last = max((s.at for s in samples), default=0.0)
    names = dict.fromkeys(s.node for s in samples)
    return [_of(name, [s for s in samples if s.node == name and s.at >= last * WARM]) for name in names]


def _of(name: str, samples: list[Sample]) -> Growth:
    edge = max(1, int(len(samples) * EDGE))
    first, last = samples[:edge], samples[-edge:]
    before, after = _middle(s.rss for s in first), _middle(s.rss for s in last)
    slope = _slope([(s.at, s.rss) for s in samples])
    return Growth(
        name,
        (round(before / 1e6, 1), round(after / 1e6, 1)),
        round(100 * (after - before) / before, 2),
        round(100 * slope * 3600 / before, 2),
        (int(_middle(s.files for s in first)), int(_middle(s.files for s in last))),
        (int(_middle(s.threads for s in first)), int(_middle(s.threads for s in last))),
        round(samples[-1].store / 1e6, 2),
    )


def _middle(values: Iterable[int]) -> float:
    return statistics.median(values)


def _slope(points: list[tuple[float, int]]) -> float:
    """Bytes a second, by least squares."""
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression([at for at, _ in points], [rss for _, rss in points]).slope
