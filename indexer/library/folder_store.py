"""Files of a library in a folder of this machine, which may be a network disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from indexer.library.errors import FilesUnreachable, reason
from indexer.library.file_store import Part
from model.atomic import remove_leftovers, replacing


class FolderStore:
    """A `FileStore` in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._root)

    def read(self, name: str) -> bytes | None:
        """A whole file; None where there is none."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreachable(error) from error

    def read_parts(self, parts: Sequence[Part]) -> list[bytes | None]:
        """See `FileStore.read_parts`."""
        return [self._part(part) for part in parts]

    def _part(self, part: Part) -> bytes | None:
        try:
            with (self._root / part.name).open("rb") as file:
                file.seek(part.start)
                return file.read(part.length)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreachable(error) from error

    def write(self, name: str, content: bytes) -> None:
        """See `FileStore.write`."""
        path = self._root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, private=True) as new:
                new.write_bytes(content)
        except OSError as error:
            raise self._unreachable(error) from error

    def names(self, folder: str, beginning: str) -> list[str]:
        """See `FileStore.names`."""
        found = (path.name for path in self._entries(folder) if path.name.startswith(beginning))
        return sorted(f"{folder}/{name}" for name in found)

    def folders(self, folder: str) -> list[str]:
        """See `FileStore.folders`."""
        return sorted(path.name for path in self._entries(folder) if path.is_dir())

    def _entries(self, folder: str) -> list[Path]:
        try:
            return list((self._root / folder).iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unreachable(error) from error

    def remove(self, names: Iterable[str]) -> None:
        """See `FileStore.remove`; what a killed writer of the file has left goes too."""
        try:
            for path in (self._root / name for name in names):
                path.unlink(missing_ok=True)
                with suppress(FileNotFoundError):
                    remove_leftovers(path)
        except OSError as error:
            raise self._unreachable(error) from error

    def remove_folder(self, folder: str) -> None:
        """See `FileStore.remove_folder`."""
        with suppress(FileNotFoundError):
            try:
                shutil.rmtree(self._root / folder)
            except FileNotFoundError:
                raise
            except OSError as error:
                raise self._unreachable(error) from error

    def _unreachable(self, error: OSError) -> FilesUnreachable:
        return FilesUnreachable(
            f"{error.filename or self._root} cannot be used: {reason(error)}. Is the disk there, and not full?"
        )
