"""Thumbnails of photos, as WebP: made once, and kept in the folder `thumbnails` of the library."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore

from indexer.decoding import Failure
from indexer.library.photo import PhotoRecord
from indexer.thumbnails import ThumbnailMaker
from model.atomic import replacing
from model.errors import PixelseekError
from web.disconnection import ClientDisconnected, disconnection_check

SMALL = 640
"""Longest side in pixels of a photo in a grid, sharp on dense screens too."""
LARGE = 2048
"""Longest side of a photo that fills the screen."""
_FOLDERS = 256


class PhotoUnreadable(PixelseekError):  # noqa: N818
    """The file of a photo is gone or damaged since it was indexed."""


@dataclass(frozen=True)
class Thumbnail:
    """Where the thumbnail of one version of a file is kept."""

    path: Path
    etag: str
    """Another one for every version of the file, path and size."""


def fitted(photo: PhotoRecord, side: int) -> tuple[int, int]:
    """Width and height in pixels of a photo that is made small, at most `side` a side; it is never enlarged."""
    scale = min(1.0, side / max(photo.width, photo.height))
    return max(1, round(photo.width * scale)), max(1, round(photo.height * scale))


class Thumbnails:
    """The thumbnails of a library. Their folder may be deleted at any time. Threads may share one."""

    def __init__(self, library: Path) -> None:
        self._folder = library / "thumbnails"
        self._maker = ThumbnailMaker()
        self._slots = BoundedSemaphore(self._maker.workers)

    def find(self, photo: PhotoRecord, side: int) -> Thumbnail:
        """Where the thumbnail of `photo` is or will be. While its file cannot be reached, it is the latest one.

        Raises PhotoUnreadable when the file is gone and has no thumbnail.
        """
        folder = self._folder / str(side) / f"{photo.id % _FOLDERS:02x}"
        stem = f"{photo.id}-{hashlib.blake2b(os.fsencode(photo.path), digest_size=8).hexdigest()}"
        try:
            file = Path(photo.path).stat()
        except OSError as error:
            existing = sorted(folder.glob(f"{stem}-*.webp"))
            if not existing:
                raise PhotoUnreadable(f"the file {Path(photo.path).name} cannot be read: {error.strerror}") from error
            return Thumbnail(existing[-1], f"{side}-{existing[-1].stem}")
        path = folder / f"{stem}-{file.st_mtime_ns:x}-{file.st_size:x}.webp"
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
        with self._slots:
            if not path.exists():
                if disconnection_check()():
                    raise ClientDisconnected("the client has closed the connection.")
                content = self._maker.make(photo.path, side)
                if isinstance(content, Failure):
                    raise PhotoUnreadable(f"the file {Path(photo.path).name} cannot be shown: {content}")
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with replacing(path, private=True) as new:
                        new.write_bytes(content)
                except OSError:  # the disk is full or read-only: the thumbnail is shown, but not kept
                    return content
                for other in path.parent.glob(f"{photo.id}-*.webp"):
                    if other != path:  # of an earlier version of the file
                        other.unlink(missing_ok=True)
            return path.read_bytes()

    def close(self) -> None:
        """Stop the processes that make thumbnails."""
        self._maker.close()
