"""Files of a library in object storage: S3, and whatever else fsspec has an implementation of."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from indexer.library.errors import FilesUnreachable
from indexer.library.file_store import Part
from model.object_storage import is_s3, open_system

MAX_FILE_BYTES = 1 << 28
"""More of a file is never read: thumbnails and pixel features of one batch are far smaller."""


class ObjectStore:
    """A `file_store.FileStore` at a URL of fsspec. Threads may share one."""

    def __init__(self, url: str, folder: str) -> None:
        """`folder` below `url` is that of the library. Raises FilesUnreachable for an unknown kind of URL."""
        self.place = url
        with self._explaining():
            self._system, root = open_system(url)
        self._root = f"{root.rstrip('/')}/{folder}"

    def read(self, name: str) -> bytes | None:
        """A whole file of at most MAX_FILE_BYTES; None where there is none."""
        (content,) = self.read_parts([Part(name, 0, MAX_FILE_BYTES)])
        return content

    def read_parts(self, parts: Sequence[Part]) -> list[bytes | None]:
        """See `FileStore.read_parts`."""
        with self._explaining():
            contents = self._system.cat_ranges(
                [self._path(part.name) for part in parts],
                [part.start for part in parts],
                [part.start + part.length for part in parts],
                on_error="return",
            )
            return [_content(content) for content in contents]

    def write(self, name: str, content: bytes) -> None:
        """See `FileStore.write`."""
        with self._explaining():
            self._system.pipe_file(self._path(name), content)

    def names(self, folder: str, beginning: str) -> list[str]:
        """See `FileStore.names`."""
        with self._explaining(), suppress(FileNotFoundError):
            # Only S3 is known to list by the beginning of a name.
            by_name = {"prefix": beginning} if is_s3(self.place) else {}
            paths = self._system.find(self._path(folder), **by_name)
            found = (str(path).rpartition("/")[2] for path in paths)
            return sorted(f"{folder}/{name}" for name in found if name.startswith(beginning))
        return []

    def folders(self, folder: str) -> list[str]:
        """See `FileStore.folders`."""
        with self._explaining(), suppress(FileNotFoundError):
            entries = self._system.ls(self._path(folder), detail=True)
            paths = (str(entry["name"]).rstrip("/") for entry in entries if entry["type"] == "directory")
            return sorted(path.rpartition("/")[2] for path in paths)
        return []

    def remove(self, names: Iterable[str]) -> None:
        """See `FileStore.remove`."""
        paths = [self._path(name) for name in names]
        with self._explaining(), suppress(FileNotFoundError):
            if paths:
                self._system.rm(paths)

    def remove_folder(self, folder: str) -> None:
        """See `FileStore.remove_folder`."""
        with self._explaining(), suppress(FileNotFoundError):
            self._system.rm(self._path(folder), recursive=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """What fsspec's implementations raise, as FilesUnreachable: each has kinds of errors of its own."""
        try:
            yield
        except FilesUnreachable:
            raise
        except ImportError as error:
            raise FilesUnreachable(
                f"{self.place} needs packages that are not installed: pip install 'pixelseek[objects]' ({error})."
            ) from error
        except Exception as error:
            raise FilesUnreachable(
                f"{self.place} cannot be used: {str(error) or type(error).__name__}. Is the server there, and may you "
                "read and write there?"
            ) from error


def _content(content: bytes | BaseException) -> bytes | None:
    if isinstance(content, FileNotFoundError):
        return None
    if isinstance(content, OSError) and content.errno == errno.EINVAL and "range" in str(content).lower():
        return b""  # S3's answer where the file ends before the part
    if isinstance(content, BaseException):
        raise content
    return content
