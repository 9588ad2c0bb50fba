"""Thumbnails of photos, as WebP: made once, and kept in the library's folder or where its setting `files` says."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import BoundedSemaphore

from indexer.decoding import Failure
from indexer.library.errors import LibraryError
from indexer.library.file_store import FileStore
from indexer.library.folder_store import FolderStore
from indexer.library.photo import PhotoRecord
from indexer.thumbnails import ThumbnailMaker
from model.errors import PixelseekError
from web.disconnection import ClientDisconnected, disconnection_check

SMALL = 640
"""Longest side in pixels of a photo in a grid, sharp on dense screens too."""
LARGE = 2048
"""Longest side of a photo that fills the screen."""
_FOLDERS = 256
_SUFFIX = ".webp"
_PAUSE_S = 30.0
"""A store that could not be used is not asked for so long: each try may wait for a server that is gone."""


class PhotoUnreadable(PixelseekError):  # noqa: N818
    """The file of a photo is gone or damaged since it was indexed."""


@dataclass(frozen=True)
class Thumbnail:
    """Where the thumbnail of one version of a file is kept."""

    name: str
    """In the store."""
    etag: str
    """Another one for every version of the file, path and size."""


class Thumbnails:
    """The thumbnails of a library. They may be deleted at any time. Threads may share one."""

    def __init__(self, library: Path, open_files: Callable[[], FileStore | None]) -> None:
        """`open_files` opens the store in which they are kept; None: the folder `library`."""
        self._library = library
        self._open_files = open_files
        self._maker = ThumbnailMaker()
        self._away_until = 0.0
        self._slots = BoundedSemaphore(self._maker.workers)

    @cached_property
    def _store(self) -> FileStore:
        return self._open_files() or FolderStore(self._library)

    def find(self, photo: PhotoRecord, side: int) -> Thumbnail:
        """Where the thumbnail of `photo` is or will be. While its file cannot be reached, it is the latest one.

        Raises PhotoUnreadable when the file is gone and has no thumbnail.
        """
        folder = f"thumbnails/{side}/{photo.id % _FOLDERS:02x}"
        stem = f"{photo.id}-{hashlib.blake2b(os.fsencode(photo.path), digest_size=8).hexdigest()}"
        try:
            file = Path(photo.path).stat()
        except OSError as error:
            with suppress(LibraryError):
                if existing := [name for name in self._store.names(folder, f"{stem}-") if name.endswith(_SUFFIX)]:
                    return _thumbnail(existing[-1], side)
            raise PhotoUnreadable(f"the file {Path(photo.path).name} cannot be read: {error.strerror}") from error
        return _thumbnail(f"{folder}/{stem}-{file.st_mtime_ns:x}-{file.st_size:x}{_SUFFIX}", side)

    def read(self, photo: PhotoRecord, side: int) -> bytes:
        """The thumbnail: upright, at most `side` pixels a side, without metadata.

        It is made in a process of its own, under the limits of indexing. Where the store cannot be used, it is made
        each time. Raises PhotoUnreadable, and ClientDisconnected when the client has gone before its turn comes.
        """
        name = self.find(photo, side).name
        if (kept := self._kept(name)) is not None:
            return kept
        with self._slots:
            if (kept := self._kept(name)) is not None:
                return kept
            if disconnection_check()():
                raise ClientDisconnected("the client has closed the connection.")
            content = self._maker.make(photo.path, side)
            if isinstance(content, Failure):
                raise PhotoUnreadable(f"the file {Path(photo.path).name} cannot be shown: {content}")
            self._keep(name, content, photo)
            return content

    def _kept(self, name: str) -> bytes | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            return self._store.read(name)
        except LibraryError:
            self._away_until = time.monotonic() + _PAUSE_S
            return None

    def _keep(self, name: str, content: bytes, photo: PhotoRecord) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            self._store.write(name, content)
            others = self._store.names(name.rpartition("/")[0], f"{photo.id}-")  # of earlier versions of the file
            self._store.remove(other for other in others if other.endswith(_SUFFIX) and other != name)
        except LibraryError:  # the disk is full or read-only, or the server gone
            self._away_until = time.monotonic() + _PAUSE_S

    def close(self) -> None:
        """Stop the processes that make thumbnails."""
        self._maker.close()


def _thumbnail(name: str, side: int) -> Thumbnail:
    stem = name.rpartition("/")[2].removesuffix(_SUFFIX)
    return Thumbnail(name, f"{side}-{stem}")
