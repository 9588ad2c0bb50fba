"""Files of a library in object storage: S3, and whatever else fsspec has an implementation of.

Who may read and write is found as with every such tool: for S3 in the environment, in `~/.aws`, in the machine's role.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import fsspec

from indexer.library.errors import FilesUnreachable
from indexer.library.file_store import Part

MAX_FILE_BYTES = 1 << 28
"""More of a file is never read: thumbnails and pixel features of one batch are far smaller."""
_AT_ONCE = 64
"""Connections: a shortlist is read at once, not ten by ten."""
_ATTEMPTS = 3
_S3: dict[str, Any] = {
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 20,
        "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
        "max_pool_connections": _AT_ONCE,
    }
}
"""Seconds, and how often botocore tries. The environment says all else."""


class ObjectStore:
    """A `file_store.FileStore` at a URL of fsspec. Threads may share one."""

    def __init__(self, url: str, folder: str) -> None:
        """`folder` below `url` is that of the library. Raises FilesUnreachable for an unknown kind of URL."""
        self.place = url
        self._scheme = urlsplit(url).scheme
        with self._explaining():
            # Another part of the program may use the same storage with other time-outs: no shared instance.
            options = _S3 if self._scheme in ("s3", "s3a") else {}
            self._system, root = fsspec.core.url_to_fs(
                url, skip_instance_cache=True, use_listings_cache=False, **options
            )
            if options:
                self._system.retries = 2  # s3fs tries again what botocore gave up: a body that broke off
        self._root = f"{str(root).rstrip('/')}/{folder}"

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
            by_name = {"prefix": beginning} if self._scheme in ("s3", "s3a") else {}
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
            raise FilesUnreachable(f"{self.place} cannot be used: {error}.") from error
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
