"""Files that an operator asked for: whole or not at all, for the owner's eyes only."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from gpn_desktop.core.errors import BundleNotWritten


class FileBundles:
    """``ports.health.BundleWriter`` in the file system."""

    def write(self, path: Path, files: Mapping[str, str]) -> int:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text.encode("utf-8", "replace"))
        return _replace(path, packed.getvalue())

    def write_text(self, path: Path, text: str) -> int:
        return _replace(path, text.encode("utf-8", "replace"))


def _replace(path: Path, content: bytes) -> int:
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BundleNotWritten(f"{path} can't be written: {error.strerror or error}.") from error
    return len(content)
