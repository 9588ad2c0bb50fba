"""The interface of the store of files that are large or many: a folder, or object storage.

A file is written whole and never changed, so that readers need no lock. Names have slashes, as in `thumbnails/640/a`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Part:
    """Some bytes of a file."""

    name: str
    start: int
    length: int


class FileStore(Protocol):
    """Files by name. Every method raises FilesUnreachable where the store cannot be read or written."""

    @property
    def place(self) -> str:
        """Its folder or URL, for messages."""

    def read(self, name: str) -> bytes | None:
        """A whole file; None where there is none."""

    def read_parts(self, parts: Sequence[Part]) -> list[bytes | None]:
        """These parts, in one request; None where there is no such file. Of a cut file a part is shorter than asked."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all, also when the process is killed. It is stored when this returns."""

    def names(self, folder: str, beginning: str) -> list[str]:
        """The names of the files in `folder` whose last part begins so, in order."""

    def folders(self, folder: str) -> list[str]:
        """The last part of the names of the folders in `folder`."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are not there do not matter."""

    def remove_folder(self, folder: str) -> None:
        """Remove a folder and all in it, if it is there."""
