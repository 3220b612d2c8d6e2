"""``ports.images.ImageBook`` as one JSON file of names, which several programs of one operator may share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from gpn_desktop.adapters.files import locked, replace_file
from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import StoreCorrupt, StoreFull
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import ImageRef

MAX_FILE = 1024 * 1024
_REMEDY = "Move the file away: the images themselves are not touched, they are only not pruned any more."


class FileImageBook:
    """``folder``/images.json"""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "images.json"

    def pulled(self) -> list[ImageRef]:
        try:
            with self._path.open("rb") as file:
                listed = jsontext.parse(file.read(MAX_FILE))["images"]
            return [_read(text) for text in listed]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreCorrupt(f"{self._path} can't be read: {error.strerror}.", remedy=_REMEDY) from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise StoreCorrupt(f"{self._path} is no list of images ({error!r}).", remedy=_REMEDY) from error

    def remember(self, image: ImageRef) -> None:
        self._change(lambda known: known if image in known else [*known, image])

    def forget(self, image: ImageRef) -> None:
        self._change(lambda known: [other for other in known if other != image])

    def _change(self, change: Callable[[list[ImageRef]], list[ImageRef]]) -> None:
        try:
            with locked(self._folder):
                known = self.pulled()
                changed = change(known)
                if changed != known:
                    text = json.dumps({"images": [str(image) for image in changed]}, indent=2)
                    replace_file(self._path, text + "\n")
        except OSError as error:
            raise StoreFull(f"{self._path} can't be written: {error.strerror}.") from error


def _read(text: str) -> ImageRef:
    name, _, digest = text.partition("@sha256:")
    if not name or len(digest) != 64:
        raise ValueError(text)
    return ImageRef(name, Hash32(bytes.fromhex(digest)))
