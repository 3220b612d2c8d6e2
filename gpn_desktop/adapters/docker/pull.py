"""What the engine says while it pulls, added up; pure."""

from __future__ import annotations

from typing import Any

from gpn_desktop.core.errors import EngineFault, ImageTooLarge
from gpn_desktop.ports.runtime import PullProgress

_COMPLETE = ("Download complete", "Pull complete", "Extracting", "Verifying Checksum")


class PullMeter:
    """Sums the layers' progress and watches the size.

    Args:
        name: the image's, for errors.
        limit: the largest sum of compressed layers, in bytes.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._layers: dict[str, tuple[int, int]] = {}
        self.progress = PullProgress(0, 0)

    def read(self, line: dict[str, Any]) -> bool:
        """Takes one line; True where the progress changed.

        Raises:
            EngineFault: the engine reports an error. It comes as a line, with HTTP 200.
            ImageTooLarge: the layers known so far exceed the limit.
        """
        if "error" in line:
            raise EngineFault(str(line["error"]).strip())
        layer, status, detail = line.get("id"), line.get("status", ""), line.get("progressDetail") or {}
        if not layer:
            return False
        done, total = self._layers.get(layer, (0, 0))
        if status == "Downloading":
            total = max(total, int(detail.get("total", 0)))
            done = int(detail.get("current", done))
        elif status in _COMPLETE:
            done = total
        self._layers[layer] = (done, total)
        before = self.progress
        self.progress = PullProgress(
            done=sum(d for d, _ in self._layers.values()), total=sum(t for _, t in self._layers.values())
        )
        if self.progress.total > self._limit:
            raise ImageTooLarge(f"{self._name} is more than {self._limit:,} bytes.")
        return self.progress != before
