"""Photos made small enough for a page, as WebP: made once, kept in the library's folder `thumbnails`."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore

from indexer.decoding import Failure
from indexer.library.photo import PhotoRecord
from indexer.shrinking import Shrinker
from model.atomic import replacing
from model.errors import PixelseekError
from web.disconnection import ClientDisconnected, disconnection_check

SMALL = 640
"""Longest side in pixels of a photo in a grid, sharp on dense screens too."""
LARGE = 2048
"""Longest side of a photo that fills the screen."""
_FOLDERS = 256


class PhotoUnreadable(PixelseekError):  # noqa: N818
    """A file that held a photo when it was indexed, and now is gone or damaged."""


@dataclass(frozen=True)
class Thumbnail:
    """Where the small photo of one state of a file is kept."""

    path: Path
    etag: str
    """Differs whenever the file, its place or the size does."""


class Thumbnails:
    """The thumbnails of a library; its folder may be deleted at any time. Threads may share one."""

    def __init__(self, library: Path) -> None:
        self._folder = library / "thumbnails"
        self._shrinker = Shrinker()
        self._turns = BoundedSemaphore(self._shrinker.workers)

    def find(self, photo: PhotoRecord, side: int) -> Thumbnail:
        """Where the thumbnail of `photo` is, or will be. One whose disk is away is found as it last was.

        Raises PhotoUnreadable when the file is gone and has no thumbnail.
        """
        folder = self._folder / str(side) / f"{photo.id % _FOLDERS:02x}"
        place = f"{photo.id}-{hashlib.blake2b(os.fsencode(photo.path), digest_size=8).hexdigest()}"
        try:
            file = Path(photo.path).stat()
        except OSError as error:
            kept = sorted(folder.glob(f"{place}-*.webp"))
            if not kept:
                raise PhotoUnreadable(f"the file {Path(photo.path).name} cannot be read: {error.strerror}") from error
            return Thumbnail(kept[-1], f"{side}-{kept[-1].stem}")
        path = folder / f"{place}-{file.st_mtime_ns:x}-{file.st_size:x}.webp"
        return Thumbnail(path, f"{side}-{path.stem}")

    def read(self, photo: PhotoRecord, side: int) -> bytes:
        """The thumbnail: upright, at most `side` pixels a side, without metadata.

        It is made in a process of its own, under the limits of indexing. Raises PhotoUnreadable, and ClientDisconnected
        when the client has gone before its turn comes.
        """
        path = self.find(photo, side).path
        try:
            return path.read_bytes()
        except FileNotFoundError:
            pass
        with self._turns:
            if not path.exists():
                if disconnection_check()():
                    raise ClientDisconnected("the client has closed the connection.")
                content = self._shrinker.shrink(photo.path, side)
                if isinstance(content, Failure):
                    raise PhotoUnreadable(f"the file {Path(photo.path).name} cannot be shown: {content}")
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with replacing(path, private=True) as new:
                        new.write_bytes(content)
                except OSError:  # a full disk, or a library that cannot be written: shown all the same
                    return content
                for other in path.parent.glob(f"{photo.id}-*.webp"):
                    if other != path:  # of an earlier state of the file
                        other.unlink(missing_ok=True)
            return path.read_bytes()

    def close(self) -> None:
        """End the processes that make thumbnails."""
        self._shrinker.close()
