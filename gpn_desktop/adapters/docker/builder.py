"""Building an image from an author's folder, on the engine; for checking it, never for serving it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from gpn_desktop.adapters.docker.engine import connect
from gpn_desktop.core.errors import ImageNotBuilt
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import ImageRef

_TIMEOUT = 1800.0  # seconds without a word from the engine


async def build_image(
    folder: Path, arguments: Mapping[str, str], say: Callable[[str], None], host: str | None = None
) -> ImageRef:
    """The image of a folder with a Dockerfile, named by the engine's own id.

    Raises:
        ImageNotBuilt, EngineMissing
    """
    if not (folder / "Dockerfile").is_file():
        raise ImageNotBuilt(f"{folder} has no Dockerfile.")
    return await asyncio.to_thread(_build, folder, arguments, say, host)


def _build(
    folder: Path, arguments: Mapping[str, str], say: Callable[[str], None], host: str | None
) -> ImageRef:
    tag = sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    name = f"gpn-check/{tag}"
    client = connect(host, _TIMEOUT)
    try:
        last = ""
        for line in client.build(
            path=str(folder), tag=f"{name}:latest", buildargs=dict(arguments), rm=True, decode=True
        ):
            if "error" in line:
                raise ImageNotBuilt(f"{folder} does not build: {_said(line['error'])}")
            text = _said(line.get("stream", ""))
            if text and text != last:
                say(text)
                last = text
        digest = client.inspect_image(f"{name}:latest")["Id"].removeprefix("sha256:")
    except (OSError, TypeError) as error:
        raise ImageNotBuilt(f"{folder} does not build: {error}") from error
    finally:
        client.close()
    return ImageRef(name, Hash32(bytes.fromhex(digest)))


def _said(text: Any) -> str:
    return "".join(c for c in str(text) if c.isprintable()).strip()
